"""CIFs as people keep them: a file, a folder, a tar or zip archive.

Archives are read member by member, within limits, and nothing of them is ever written to disk.
"""

import bz2
import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from data_gen.errors import InputError, Reason
from data_gen.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_ARCHIVE_MEMBERS,
    MAX_CIF_BYTES,
    MAX_HEADER_BYTES,
)
from data_gen.sources.base import Record, Source, cif_record, file_hash, rejected_record

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ZIP_SUFFIXES = (".zip",)

_TAR_BLOCK = 512
_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError)
_BROKEN_TAR = (tarfile.TarError, *_BROKEN)
_BROKEN_ZIP = (zipfile.BadZipFile, RuntimeError, *_BROKEN)
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))


class CifFileSource(Source):
    """One CIF."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.stem

    def fingerprint(self) -> str:
        """Returns the hash of the file."""
        return file_hash(self._path)

    def count(self) -> int:
        """Returns the number of files."""
        return 1

    def records(self) -> Iterator[Record]:
        """Yields the file."""
        yield _file_record(self._path, self.name)


class FolderSource(Source):
    """All CIFs in a folder and the folders in it; ids are file names without their suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name

    def fingerprint(self) -> str:
        """Returns a hash of the names, sizes and times of the files."""
        digest = hashlib.sha256()
        for path in self._files():
            status = path.stat()
            entry = (path.relative_to(self._path).as_posix(), status.st_size, status.st_mtime_ns)
            digest.update(repr(entry).encode())
        return digest.hexdigest()

    def count(self) -> int:
        """Returns the number of files."""
        return len(self._files())

    def records(self) -> Iterator[Record]:
        """Yields the files in the order of their paths."""
        for path in self._files():
            yield _file_record(path, self.name)

    def _files(self) -> list[Path]:
        return sorted(p for p in self._path.rglob("*") if _is_cif(p.name) and p.is_file())


class TarSource(Source):
    """The CIFs of a tar archive, compressed or not; ids are member names without their suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = archive_stem(path)

    def fingerprint(self) -> str:
        """Returns the hash of the file."""
        return file_hash(self._path)

    def count(self) -> int | None:
        """Returns about how many CIFs there are, by the headers alone: fast, for progress bars."""
        try:
            with closing(_open_tar_stream(self._path)) as stream:
                return sum(_tar_cifs(stream))
        except (*_BROKEN_TAR, ValueError):
            return None

    def records(self) -> Iterator[Record]:
        """Yields the members in the order of the archive.

        An archive that breaks off gives all members before the break, then a rejection.

        Raises:
            InputError: Nothing of the archive can be read.
        """
        found = 0
        try:
            with closing(_open_tar_stream(self._path)) as stream:
                for record in self._members(stream):
                    found += 1
                    yield record
            if not self._is_complete():
                raise EOFError("it has no end mark")
        except _BROKEN_TAR as error:
            if not found:
                raise InputError(
                    f"source {str(self._path)!r} is not a readable tar archive: {error}"
                ) from None
            detail = f"the archive breaks off after {found} members: {error}"
            yield rejected_record(self._path.name, self.name, Reason.UNREADABLE, detail)

    def _members(self, stream: IO[bytes]) -> Iterator[Record]:
        budget = _Budget()
        metered = _Metered(stream)
        with tarfile.open(fileobj=cast(IO[bytes], metered), mode="r|") as archive:
            for member in archive:
                metered.allow(member.size)
                if budget.is_spent_by(member.size):
                    yield budget.rejection(self._path.name, self.name)
                    return
                # tarfile would keep every header it has seen.
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue]
                if member.isdir() or not _is_cif(member.name):
                    continue
                yield self._record(archive, member)

    def _record(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Record:
        stem = PurePosixPath(member.name).stem
        if not member.isreg():
            return rejected_record(stem, self.name, Reason.UNSAFE_MEMBER, "a link or a device")
        if not _is_inside(member.name):
            return rejected_record(stem, self.name, Reason.UNSAFE_MEMBER, f"path {member.name!r}")
        file = archive.extractfile(member)
        return cif_record(stem, self.name, file.read(MAX_CIF_BYTES + 1) if file else b"")

    def _is_complete(self) -> bool:
        """Returns whether an uncompressed archive has its end mark; others check themselves."""
        with self._path.open("rb") as file:
            if _opener(file.read(6)) is not None:
                return True
            file.seek(-_TAR_BLOCK, 2)
            return file.read() == bytes(_TAR_BLOCK)


class ZipSource(Source):
    """The CIFs of a zip archive; ids are member names without their suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = archive_stem(path)

    def fingerprint(self) -> str:
        """Returns the hash of the file."""
        return file_hash(self._path)

    def count(self) -> int:
        """Returns the number of CIFs in the archive's directory."""
        with self._open() as archive:
            return sum(_is_cif(name) for name in archive.namelist())

    def records(self) -> Iterator[Record]:
        """Yields the members in the order of the archive.

        Raises:
            InputError: The file is no zip archive, or its directory is damaged.
        """
        budget = _Budget()
        with self._open() as archive:
            for member in archive.infolist():
                if budget.is_spent_by(member.file_size):
                    yield budget.rejection(self._path.name, self.name)
                    return
                if not member.is_dir() and _is_cif(member.filename):
                    yield self._record(archive, member)

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(
                f"source {str(self._path)!r} is not a readable zip archive: {error}"
            ) from None

    def _record(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Record:
        stem = PurePosixPath(member.filename).stem
        if stat.S_ISLNK(member.external_attr >> 16):
            return rejected_record(stem, self.name, Reason.UNSAFE_MEMBER, "a link")
        if not _is_inside(member.filename):
            return rejected_record(
                stem, self.name, Reason.UNSAFE_MEMBER, f"path {member.filename!r}"
            )
        try:
            with archive.open(member) as file:
                return cif_record(stem, self.name, file.read(MAX_CIF_BYTES + 1))
        except _BROKEN_ZIP as error:
            return rejected_record(stem, self.name, Reason.UNREADABLE, str(error))


def _tar_cifs(stream: IO[bytes]) -> Iterator[bool]:
    """Yields for every header of a tar archive whether it looks like that of a CIF."""
    budget = _Budget()
    named_before = False  # a long name comes in a header of its own, before the member's
    while (header := stream.read(_TAR_BLOCK)).strip(b"\0"):
        name, kind = header[:100].rstrip(b"\0").lower(), header[156:157]
        size = int(header[124:136].strip(b"\0 ") or b"0", base=8)
        if size < 0 or budget.is_spent_by(size):
            return
        yield kind in (b"0", b"\0") and (named_before or name.endswith(b".cif"))
        named_before = kind in (b"L", b"x")
        stream.seek(-(-size // _TAR_BLOCK) * _TAR_BLOCK, 1)


class _Metered:
    """A stream that ends in an error where more is read than a member and its headers may hold.

    tarfile takes long names, extended headers and maps of sparse files into memory, whatever size
    they claim to have.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.allow(0)

    def allow(self, size: int) -> None:
        """Lets a member of that size be read, and the headers of the next one."""
        self._left = size + MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Reads like the stream; raises tarfile.ReadError beyond what is allowed."""
        if self._left <= 0:
            raise tarfile.ReadError(f"a header of more than {MAX_HEADER_BYTES} bytes")
        self._left -= size
        return self._stream.read(size)


class _Budget:
    """Counts what was read of an archive against the limits."""

    def __init__(self) -> None:
        self._members = 0
        self._bytes = 0

    def is_spent_by(self, size: int) -> bool:
        """Adds a member; returns whether that is more than may be read."""
        self._members += 1
        self._bytes += size
        return self._members > MAX_ARCHIVE_MEMBERS or self._bytes > MAX_ARCHIVE_BYTES

    def rejection(self, archive: str, source: str) -> Record:
        """Returns the record that says where reading stopped."""
        detail = f"the rest is not read: {self._members} members, {self._bytes} bytes"
        return rejected_record(archive, source, Reason.TOO_LARGE, detail)


def archive_stem(path: Path) -> str:
    """Returns a file name without its suffixes: ``mp_icsd.tar.gz`` → ``mp_icsd``."""
    suffixes = sorted((*TAR_SUFFIXES, *ZIP_SUFFIXES), key=len, reverse=True)
    suffix = next((s for s in suffixes if path.name.lower().endswith(s)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def _file_record(path: Path, source: str) -> Record:
    try:
        with path.open("rb") as file:
            return cif_record(path.stem, source, file.read(MAX_CIF_BYTES + 1))
    except OSError as error:
        return rejected_record(path.stem, source, Reason.UNREADABLE, str(error))


def _is_cif(name: str) -> bool:
    stem = PurePosixPath(name).name
    return stem.lower().endswith(".cif") and not stem.startswith("._")  # "._": macOS metadata


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def _opener(head: bytes) -> Callable[..., Any] | None:
    """Returns what opens a file that begins so, None for one that is not compressed."""
    return next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)


def _open_tar_stream(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        opener = _opener(file.read(6)) or open
    return opener(path, "rb")
