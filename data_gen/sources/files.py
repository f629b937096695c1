"""CIFs as people keep them: a file, a folder, a tar or zip archive.

Archives are read member by member, within limits, and nothing of them is ever written to disk.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from data_gen.errors import InputError, Reason
from data_gen.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_ARCHIVE_MEMBERS,
    MAX_CIF_BYTES,
    MAX_DECODER_BYTES,
    MAX_DIRECTORY_BYTES,
    MAX_HEADER_BYTES,
)
from data_gen.sources.base import Record, Source, cif_record, file_hash, rejected_record

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ZIP_SUFFIXES = (".zip",)

_TAR_BLOCK = 512
_LONGEST_PATH = 4096  # characters, as in most file systems
_SKIPPED_AT_ONCE = 2**20
# A memory error is a damaged or hostile file here too, which claims to need that much.
_BROKEN = (EOFError, OSError, MemoryError, zlib.error, lzma.LZMAError)
_BROKEN_TAR = (tarfile.TarError, *_BROKEN)
# ValueError: a name that is not in the encoding that it claims.
_BROKEN_ZIP = (zipfile.BadZipFile, RuntimeError, ValueError, struct.error, *_BROKEN)


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
        yield _file_record(self._path, self._path.stem, self.name)


class _Names:
    """Names files: as they are called, without suffix; by their whole path if one was so before."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, path: str) -> str:
        """Returns the name of the file at this path within its source."""
        stem = PurePosixPath(path).stem
        if stem in self._given:
            return path
        self._given.add(stem)
        return stem


class FolderSource(Source):
    """All CIFs in a folder and the folders in it; see `_Names` for their ids."""

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
        names = _Names()
        for path in self._files():
            name = names.of(path.relative_to(self._path).as_posix())
            yield _file_record(path, name, self.name)

    def _files(self) -> list[Path]:
        return sorted(p for p in self._path.rglob("*") if _is_cif(p.name) and p.is_file())


class TarSource(Source):
    """The CIFs of a tar archive, compressed or not; see `_Names` for their ids."""

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
        budget, names = _Budget(), _Names()
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
                yield self._record(archive, member, names.of(member.name))

    def _record(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Record:
        danger = _danger(member.name) if member.isreg() else "a link or a device"
        if danger:
            return rejected_record(name, self.name, Reason.UNSAFE_MEMBER, danger)
        file = archive.extractfile(member)
        return cif_record(name, self.name, file.read(MAX_CIF_BYTES + 1) if file else b"")

    def _is_complete(self) -> bool:
        """Returns whether an uncompressed archive has its end mark; others check themselves."""
        with self._path.open("rb") as file:
            if _opener(file.read(6)) is not None:
                return True
            file.seek(-_TAR_BLOCK, 2)
            return file.read() == bytes(_TAR_BLOCK)


class ZipSource(Source):
    """The CIFs of a zip archive; see `_Names` for their ids."""

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
        budget, names = _Budget(), _Names()
        with self._open() as archive:
            for member in archive.infolist():
                if budget.is_spent_by(member.file_size):
                    yield budget.rejection(self._path.name, self.name)
                    return
                if _is_cif(member.filename):
                    yield self._record(archive, member, names.of(member.filename))

    @contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        with ExitStack() as opened:
            try:
                file = opened.enter_context(_ZipFileObject(self._path))
                archive = opened.enter_context(zipfile.ZipFile(file))
            except _BROKEN_ZIP as error:
                raise InputError(
                    f"source {str(self._path)!r} is not a readable zip archive: {error}; "
                    "pack it again, as .tar.gz if it is large"
                ) from None
            yield archive

    def _record(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Record:
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        danger = "a link" if is_link else _danger(member.filename)
        if danger:
            return rejected_record(name, self.name, Reason.UNSAFE_MEMBER, danger)
        try:
            with archive.open(member) as file:
                return cif_record(name, self.name, file.read(MAX_CIF_BYTES + 1))
        except _BROKEN_ZIP as error:
            return rejected_record(name, self.name, Reason.UNREADABLE, str(error))


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
        _skip(stream, -(-size // _TAR_BLOCK) * _TAR_BLOCK)


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


def _file_record(path: Path, name: str, source: str) -> Record:
    try:
        with path.open("rb") as file:
            return cif_record(name, source, file.read(MAX_CIF_BYTES + 1))
    except OSError as error:
        return rejected_record(name, source, Reason.UNREADABLE, str(error))


def _is_cif(name: str) -> bool:
    stem = PurePosixPath(name).name
    return stem.lower().endswith(".cif") and not stem.startswith("._")  # "._": macOS metadata


def _danger(name: str) -> str:
    """Returns what is wrong with the path of a member; nothing of it is ever used as a path."""
    if len(name) > _LONGEST_PATH:
        return f"a path of {len(name)} characters"
    path = PurePosixPath(name.replace("\\", "/"))
    is_inside = not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]
    return "" if is_inside else f"path {name!r}"


def _opener(head: bytes) -> Callable[[Path], Any] | None:
    """Returns what opens a file that begins so, None for one that is not compressed."""
    return next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)


def _open_tar_stream(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        opener = _opener(file.read(6)) or partial(open, mode="rb")
    return opener(path)


def _skip(stream: IO[bytes], size: int) -> None:
    if stream.seekable():
        stream.seek(size, 1)
        return
    while size > 0 and (passed := len(stream.read(min(size, _SKIPPED_AT_ONCE)))):
        size -= passed


class _XzStream(io.RawIOBase):
    """Reads an xz file within a limit of memory, which the standard library's reader has not."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = self._new_decoder()

    @staticmethod
    def _new_decoder() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DECODER_BYTES)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        while True:
            given = b""
            if self._decoder.eof:  # streams may follow one another, with zeros between them
                given = self._decoder.unused_data.lstrip(b"\0")
                while not given:
                    block = self._file.read(io.DEFAULT_BUFFER_SIZE)
                    if not block:
                        return 0
                    given = block.lstrip(b"\0")
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input:
                given = self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not given:
                    raise EOFError("the compressed file breaks off")
            content = self._decoder.decompress(given, len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)


def _open_xz(path: Path) -> IO[bytes]:
    return io.BufferedReader(_XzStream(path), _SKIPPED_AT_ONCE)


_OPENERS = (
    (b"\x1f\x8b", partial(gzip.open, mode="rb")),
    (b"BZh", partial(bz2.open, mode="rb")),
    (b"\xfd7zXZ", _open_xz),
)


class _ZipFileObject(io.FileIO):
    """A file that refuses to be read at once as what it claims to be the list of its members.

    zipfile takes that into memory, whatever size the archive claims that it has.
    """

    def read(self, size: int | None = -1) -> bytes:
        """Reads like a file; raises BadZipFile where too much is asked for."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of members takes {size} bytes")
        return super().read(size)
