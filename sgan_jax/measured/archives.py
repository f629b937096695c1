"""Archives and XML documents of diffractometers, opened without trust."""

import io
import zipfile
import zlib
from typing import Any
from xml.etree import ElementTree

from sgan_jax.measured.limits import MAX_ELEMENTS, MAX_MARKUP_BYTES, MAX_MEMBERS
from sgan_jax.measured.pattern import PatternError

_REMEDY = "export the pattern as text with the columns 2θ and intensity"
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
    NotImplementedError, OverflowError,
)  # fmt: skip
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def members(content: bytes) -> dict[str, bytes]:
    """Reads a zip archive member by member.

    Returns:
        The members by name, folders left out.

    Raises:
        PatternError: The archive is broken, too large, or has too many members.
    """
    found: dict[str, bytes] = {}
    left = MAX_MARKUP_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_MEMBERS:
                raise PatternError(f"an archive of more than {MAX_MEMBERS:,} members", _REMEDY)
            for info in infos:
                if info.is_dir() or info.compress_type not in _METHODS:
                    continue
                with archive.open(info) as member:
                    data = member.read(left + 1)
                left -= len(data)
                if left < 0:
                    limit = MAX_MARKUP_BYTES // 2**20
                    raise PatternError(f"an archive that unpacks to more than {limit} MiB", _REMEDY)
                found[info.filename] = data
    except _BROKEN as error:
        raise PatternError(f"a broken archive: {error}", _REMEDY) from None
    return found


def packed(files: dict[str, bytes]) -> bytes:
    """Returns an archive of files, not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class _Target(ElementTree.TreeBuilder):
    """Builds a tree of limited size; declares nothing, so that entities cannot grow."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def doctype(self, *_: str | None) -> None:
        """Refuses declarations of a document type."""
        raise PatternError("an XML document that declares a document type", _REMEDY)

    def start(self, tag: Any, attrs: Any) -> Any:  # noqa: ANN401
        """Counts elements; takes namespaces away."""
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise PatternError(f"an XML document of more than {MAX_ELEMENTS:,} elements", _REMEDY)
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str) -> ElementTree.Element:
        """Ends an element, without its namespace."""
        return super().end(tag.rpartition("}")[2])


def document(content: bytes) -> ElementTree.Element:
    """Returns the root of an XML document; names are without namespaces.

    Raises:
        PatternError: It is no XML, is too large, or declares a document type.
    """
    if len(content) > MAX_MARKUP_BYTES:
        raise PatternError(f"an XML document of more than {MAX_MARKUP_BYTES // 2**20} MiB", _REMEDY)
    parser = ElementTree.XMLParser(target=_Target())
    try:
        parser.feed(content)
        return parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        line = getattr(error, "position", (None,))[0]
        raise PatternError(f"no XML: {error}", _REMEDY, line) from None
