"""Files of X-ray diffractometers: Bruker RAW, BRML and UXD, PANalytical XRDML, Rigaku RAS and RASX.

Points are read by the library geddes; what it returns is held against the number of points that the
file gives. It knows nothing of the source, so that the wavelength is read here.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple
from xml.etree import ElementTree

import geddes
import numpy as np

from sgan_jax.measured.archives import document, members, packed
from sgan_jax.measured.content import text_of
from sgan_jax.measured.limits import MAX_PATTERNS
from sgan_jax.measured.pattern import XRAY, PatternError, Scan

_REMEDY = "export the pattern as text with the columns 2θ and intensity"
_HEAD = 4096  # bytes that are looked at to tell the format
_ZIP = b"PK\x03\x04"
_RAW3, _RAW4 = b"RAW1.01", b"RAW4.00"
_RAW3_ALPHA1 = 624  # offset of the wavelength of Kα1, a double
_RAW4_SEGMENTS = 61  # offset of the first of the segments before the ranges
_MOST_SEGMENTS = 1_000
_RAW4_SOURCE = 30  # kind of the segment that describes the tube
_RAW4_ALPHA1 = 80  # offset of the wavelength of Kα1 in it
_PAST_LAST = re.compile(r"out of range")
_ANGSTROMS_OF = {"nm": 10.0, "nanometer": 10.0}
_RAS_WAVELENGTH = re.compile(r'^\*MEAS_COND_XG_WAVE_LENGTH_ALPHA1\s+"?([\d.]+)', re.MULTILINE)
_UXD_WAVELENGTH = re.compile(r"^_WL1\s*=\s*([\d.]+)", re.MULTILINE)
_UXD_POINTS = re.compile(r"^_STEPCOUNT\s*=\s*(\d{1,9})\s*$", re.MULTILINE)
_REFUSED = {
    b"\x89HDF": "an HDF5 or NeXus file",
    b"\xd0\xcf\x11\xe0": "an Office document",
    b"%PDF": "a PDF",
}


class _Kind(NamedTuple):
    """A format.

    Attributes:
        name: For messages.
        suffix: By which the library tells it.
        wavelength: Of the file in Å, or None.
    """

    name: str
    suffix: str
    wavelength: float | None


def read_vendor(content: bytes) -> list[Scan] | None:
    """Reads a file of one of the formats; returns None for a file of another.

    Raises:
        PatternError: The file is of such a format, and cannot be read.
    """
    for mark, name in _REFUSED.items():
        if content.startswith(mark):
            raise PatternError(f"{name}, which is not read", _REMEDY)
    if content.startswith(b"FI") and b"\0" in content[:_HEAD]:
        raise PatternError("a binary file of Rigaku, which is not read", _REMEDY)
    if content.startswith(_ZIP):
        return _read_archive(content)
    if content.startswith(b"RAW"):
        return _scans(content, _Kind("Bruker RAW", "raw", _raw_wavelength(content)))
    head = content[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        return _read_xrdml(content)
    if head.startswith(b"*RAS_"):
        wavelength = _matched(_RAS_WAVELENGTH, text_of(content))
        return _scans(content, _Kind("Rigaku RAS", "ras", wavelength))
    if b"_FILEVERSION" in head:
        return _read_uxd(content)
    return None


# ---------------------------------------------------------------- points


def _scans(content: bytes, kind: _Kind, counts: Iterable[int] = ()) -> list[Scan]:
    """Reads scan after scan; the library says when there is no further one."""
    expected = list(counts)
    scans: list[Scan] = []
    for index in range(MAX_PATTERNS + 1):
        pattern = _pattern(content, kind, index)
        if pattern is None:
            break
        if index == MAX_PATTERNS:
            raise PatternError(f"more than {MAX_PATTERNS} scans", "give fewer in one file")
        two_theta, intensity = np.array(pattern.x), np.array(pattern.y)
        if index < len(expected) and len(two_theta) != expected[index]:
            reason = f"{len(two_theta)} points of {expected[index]} could be read"
            raise PatternError(reason, _REMEDY)
        scan = Scan(kind.name, two_theta, intensity, wavelength=kind.wavelength, radiation=XRAY)
        scans.append(scan)
    if len(scans) == 1:
        return scans
    return [replace(scan, block=f"scan {index}") for index, scan in enumerate(scans, 1)]


def _pattern(content: bytes, kind: _Kind, index: int) -> geddes.Pattern | None:
    """Returns the points of one scan; None behind the last."""
    try:
        return geddes.read_bytes(content, f"pattern.{kind.suffix}", index=index)
    except (ValueError, OSError) as error:
        if index > 0 and _PAST_LAST.search(str(error)):
            return None
        raise PatternError(f"{kind.name}: {str(error)[:200]}", _REMEDY) from None


def _read_uxd(content: bytes) -> list[Scan]:
    text = text_of(content)
    counts = [int(match[1]) for match in _UXD_POINTS.finditer(text)]
    kind = _Kind("Bruker UXD", "uxd", _matched(_UXD_WAVELENGTH, text))
    return _scans(content, kind, counts)


# ---------------------------------------------------------------- PANalytical and archives


def _read_xrdml(content: bytes) -> list[Scan]:
    root = document(content)
    if root.tag != "xrdMeasurements":
        raise PatternError(f"an XML document of the unknown kind <{root.tag[:40]}>", _REMEDY)
    wavelength = _first_length(root, "kAlpha1")
    return _scans(content, _Kind("PANalytical XRDML", "xrdml", wavelength))


def _read_archive(content: bytes) -> list[Scan]:
    files = members(content)
    names = {name.rpartition("/")[2] for name in files}
    if "DataContainer.xml" in names:
        name, suffix, tag = "Bruker BRML", "brml", "WaveLengthAlpha1"
    elif "root.xml" in names:
        name, suffix, tag = "Rigaku RASX", "rasx", "WavelengthKalpha1"
    else:
        raise PatternError("an archive that is no BRML and no RASX", "unpack it and give its files")
    files = {name: data for name, data in files.items() if name.endswith((".xml", ".txt"))}
    roots = [document(data) for name, data in files.items() if name.endswith(".xml")]
    lengths = [_first_length(root, tag) for root in roots]
    wavelength = next((value for value in lengths if value is not None), None)
    return _scans(packed(files), _Kind(name, suffix, wavelength))


def _first_length(root: ElementTree.Element, tag: str) -> float | None:
    """Returns the first length of that name in Å, given as content or as the attribute Value."""
    for element in root.iter(tag):
        text = element.get("Value") or element.text or ""
        unit = (element.get("unit") or element.get("Unit") or "").lower()
        if re.fullmatch(r"\s*\d+(?:\.\d+)?\s*", text):
            return float(text) * _ANGSTROMS_OF.get(unit, 1.0)
    return None


# ---------------------------------------------------------------- wavelengths


def _matched(expression: re.Pattern[str], text: str) -> float | None:
    match = expression.search(text)
    return float(match[1]) if match and match[1].count(".") < 2 else None


def _raw_wavelength(content: bytes) -> float | None:
    """Returns the wavelength of Kα1 of a binary file; None where it is not understood."""
    try:
        if content.startswith(_RAW3):
            return struct.unpack_from("<d", content, _RAW3_ALPHA1)[0]
        place = _RAW4_SEGMENTS if content.startswith(_RAW4) else len(content)
        for _ in range(_MOST_SEGMENTS):
            kind, length = struct.unpack_from("<II", content, place)
            if kind == _RAW4_SOURCE:
                return struct.unpack_from("<d", content, place + _RAW4_ALPHA1)[0]
            if kind in (0, 160) or length < 8:  # where the first range begins
                return None
            place += length
    except struct.error:
        pass
    return None
