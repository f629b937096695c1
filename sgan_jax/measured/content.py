"""What is in a file: bytes, decompressed where necessary, and text of any encoding."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from data_gen.limits import MAX_DECODER_BYTES
from sgan_jax.measured.limits import LARGE_TEXT, MAX_FILE_BYTES, MAX_LINE, MAX_LINES
from sgan_jax.measured.pattern import PatternError

_FIRST_BYTES = 2**18  # usual files are smaller; to make room for the largest takes longer than them
_HEAD = 4096  # bytes that are looked at to tell text from other things
_MOST_CONTROLS = 0.02  # of them: old programs put a few into titles
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1a"))
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


_Decoder = Callable[[IO[bytes]], "IO[bytes] | gzip.GzipFile | bz2.BZ2File"]


def _open_xz(file: IO[bytes]) -> IO[bytes]:
    """Decodes within a limit of memory, which the standard library's reader has not."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DECODER_BYTES)
    content = decoder.decompress(file.read(), MAX_FILE_BYTES + 1)
    if len(content) <= MAX_FILE_BYTES and (not decoder.eof or decoder.unused_data):
        raise EOFError("the file breaks off, or is several in one")
    return io.BytesIO(content)


_DECODERS: tuple[tuple[bytes, _Decoder], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", lambda file: bz2.BZ2File(file)),
    (b"\xfd7zXZ\x00", _open_xz),
)


def read_bytes(path: Path) -> bytes:
    """Returns the content of a file, decompressed if it is a gzip, bzip2 or xz file.

    Raises:
        PatternError: The file cannot be read, or is too large.
    """
    try:
        if path.exists() and not path.is_file():
            raise PatternError("no file", "give the path of a pattern")
        with path.open("rb") as file:
            content = _limited(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PatternError(reason.lower(), "give the path of a pattern") from None
    for mark, decoder in _DECODERS:
        if content.startswith(mark):
            return _decompressed(content, decoder)
    return content


def _limited(file: "IO[bytes] | gzip.GzipFile | bz2.BZ2File") -> bytes:
    content = file.read(_FIRST_BYTES)
    if len(content) == _FIRST_BYTES:
        content += file.read(MAX_FILE_BYTES + 1 - _FIRST_BYTES)
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise PatternError(f"larger than {limit} MiB", "give a file with one pattern")
    return content


def _decompressed(content: bytes, decoder: _Decoder) -> bytes:
    try:
        with decoder(io.BytesIO(content)) as file:
            return _limited(file)
    except (OSError, EOFError, ValueError, MemoryError, zlib.error, lzma.LZMAError) as error:
        raise PatternError(f"cannot be decompressed: {error}", "give it decompressed") from None


def text_of(content: bytes) -> str:
    r"""Returns the text of a file with lines that end in ``\n``.

    Text is UTF-8, UTF-16 with a byte order mark, or else taken as Latin-1, of which every byte is a
    character: numbers are ASCII in all of them.

    Raises:
        PatternError: It is no text, or its lines are too many or too long.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content.decode(encoding, errors="replace")
            break
    else:
        text = _unmarked(content)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.rstrip("\x1a\0 \t\n\f") + "\n"
    if len(text) > LARGE_TEXT:
        _check_lines(text)
    return text


def _check_lines(text: str) -> None:
    if text.count("\n") > MAX_LINES:
        raise PatternError(f"more than {MAX_LINES:,} lines", "give a coarser pattern")
    start = 0
    while start < len(text):
        end = text.rfind("\n", start, start + MAX_LINE) + 1
        if end == 0:
            line = text.count("\n", 0, start) + 1
            raise PatternError(f"more than {MAX_LINE:,} characters", "break the line", line)
        start = end


def _unmarked(content: bytes) -> str:
    head = content[:_HEAD]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > _MOST_CONTROLS * len(head):
        raise PatternError(
            "a binary file of an unknown format",
            "export the pattern as text with the columns 2θ and intensity",
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
