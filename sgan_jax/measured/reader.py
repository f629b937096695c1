"""Tells the format of a file by its content and reads it."""

from dataclasses import replace
from pathlib import Path

from data_gen.errors import InputError
from sgan_jax.measured.columns import read_columns
from sgan_jax.measured.content import read_bytes, text_of
from sgan_jax.measured.fullprof import read_fullprof
from sgan_jax.measured.gsas import is_gsas, read_gsas
from sgan_jax.measured.pattern import Pattern, PatternError, Scan, checked
from sgan_jax.measured.pdcif import is_cif, read_pdcif
from sgan_jax.measured.vendors import read_vendor

_COMPRESSED = (".gz", ".bz2", ".xz")


def read_patterns(path: str | Path, many: bool = False) -> list[Pattern]:
    """Reads all patterns of a file: one for each bank, data block or scan.

    Read are columns of 2θ and intensity (xy, xye, csv, dat), GSAS, FullProf's formats ``INSTRM`` 0,
    1, 3, 5, 6, 8 and 10, powder CIF, Bruker RAW, BRML and UXD, PANalytical XRDML, Rigaku RAS and
    RASX, each also compressed by gzip, bzip2 or xz. Where some patterns of a file cannot serve, the
    others are returned with a note.

    Args:
        path: Of the file.
        many: Whether many files are to be read, so that it pays to compile what takes longest.

    Raises:
        InputError: No pattern of the file can serve; the message names the file, the line if there
            is one, the reason and the remedy.
    """
    path = Path(path)
    try:
        scans = _scans(read_bytes(path), _suffix(path), many)
    except PatternError as error:
        raise _error(path, error) from None
    patterns: list[Pattern] = []
    errors: list[tuple[Scan, PatternError]] = []
    for scan in scans:
        try:
            patterns.append(checked(scan, path.name))
        except PatternError as error:
            errors.append((scan, error))
    if not patterns:
        raise _error(path, errors[0][1])
    notes = tuple(f"Left out {scan.block}: {error.reason}." for scan, error in errors)
    return [replace(pattern, notes=(*pattern.notes, *notes)) for pattern in patterns]


def read_pattern(path: str | Path, many: bool = False) -> Pattern:
    """Reads the pattern of a file; of several the one with the longest range of 2θ, with a note.

    Args:
        path: Of the file.
        many: See `read_patterns`.

    Raises:
        InputError: See `read_patterns`.
    """
    patterns = read_patterns(path, many)
    if len(patterns) == 1:
        return patterns[0]
    longest = max(patterns, key=lambda pattern: pattern.two_theta[-1] - pattern.two_theta[0])
    note = f"Of {len(patterns)} patterns in the file, {longest.block} has the longest range."
    return replace(longest, notes=(*longest.notes, note))


def _scans(content: bytes, suffix: str, many: bool) -> list[Scan]:
    if not content.strip():
        raise PatternError("the file is empty", "give a file with a pattern")
    scans = read_vendor(content)
    if scans is not None:
        return scans
    text = text_of(content)
    if is_cif(text):
        return read_pdcif(text)
    lines = text.removesuffix("\n").split("\n")
    if is_gsas(text):
        return read_gsas(lines)
    return read_fullprof(lines) or [read_columns(lines, suffix, many)]


def _suffix(path: Path) -> str:
    """Returns the suffix without that of the compression."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix in _COMPRESSED else suffix


def _error(path: Path, error: PatternError) -> InputError:
    place = f", line {error.line}" if error.line is not None else ""
    return InputError(f"{path}{place}: {error.reason}; {error.remedy}")
