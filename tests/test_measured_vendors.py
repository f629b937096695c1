import io
import zipfile

import numpy as np
import pytest

from benchmarks.pattern_samples import SAMPLES, example
from sgan_jax.measured import InputError, limits, read_pattern, read_patterns

POINTS = example(80)


def _write(tmp_path, content):
    path = tmp_path / "pattern.bin"
    path.write_bytes(content)
    return path


def _archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _scans_twice(text):
    """Repeats the part of an XRDML or RAS file that holds a scan."""
    for start, end in (("<scan", "</scan>"), ("*RAS_HEADER_START", "*RAS_INT_END\n")):
        if start in text:
            part = text[text.index(start) : text.index(end) + len(end)]
            return text.replace(part, part + part)
    raise ValueError("neither XRDML nor RAS")


@pytest.mark.parametrize("name", ["PANalytical XRDML", "Rigaku RAS"])
def test_scans(tmp_path, name):
    text = _scans_twice(SAMPLES[name].write(POINTS).decode())
    patterns = read_patterns(_write(tmp_path, text.encode()))
    assert [pattern.block for pattern in patterns] == ["scan 1", "scan 2"]
    np.testing.assert_allclose(patterns[1].intensity, POINTS.counts)


def test_counts_are_those_of_the_header(tmp_path):
    text = SAMPLES["Bruker UXD"].write(POINTS).replace(b"_STEPCOUNT=80", b"_STEPCOUNT=81")
    with pytest.raises(InputError, match="80 points of 81 could be read; export the pattern as"):
        read_pattern(_write(tmp_path, text))


def test_wavelength_of_a_file_that_has_none(tmp_path):
    text = SAMPLES["PANalytical XRDML"].write(POINTS).replace(b"kAlpha1", b"kAlphaX")
    pattern = read_pattern(_write(tmp_path, text))
    assert (pattern.wavelength, pattern.radiation) == (None, "xray")
    raw = bytearray(SAMPLES["Bruker RAW3"].write(POINTS))
    raw[624:632] = bytes(8)
    assert read_pattern(_write(tmp_path, bytes(raw))).wavelength is None


_BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><xrdMeasurements>&b;</xrdMeasurements>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RAW ver 1" + bytes(900), "Bruker RAW: .*versions 1 and 2 are unsupported"),
        (b"RAW1.01\0" + bytes(50), "Bruker RAW: .*truncated"),
        (b"FI\0\0" + bytes(900), "a binary file of Rigaku, which is not read; export"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 or NeXus file, which is not read; export"),
        (b"%PDF-1.7\n", "a PDF, which is not read; export"),
        (_BOMB, "an XML document that declares a document type; export"),
        (b"<html><body>", "line 1: no XML: .*; export"),
        (b"<html></html>", "an XML document of the unknown kind <html>; export"),
        (b"<a>" * 400_000, "an XML document of more than 300,000 elements; export"),
        (b"PK\x03\x04" + bytes(90), "a broken archive: .*; export"),
        (_archive(readme=b"text"), "an archive that is no BRML and no RASX; unpack it"),
        (_archive(bomb=bytes(20 * 2**20)), "an archive that unpacks to more than 16 MiB; export"),
        (
            _archive(**{str(index): b"" for index in range(limits.MAX_MEMBERS + 1)}),
            "an archive of more than 1,000 members; export",
        ),
        (SAMPLES["PANalytical XRDML"].write(example(9)), "9 points, fewer than 50"),
        (
            SAMPLES["PANalytical XRDML"].write(POINTS).replace(b'axis="2Theta"', b'axis="Omega"'),
            "PANalytical XRDML: .*; export",
        ),
        (SAMPLES["Bruker BRML"].write(POINTS)[:-40], "a broken archive: .*; export"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_pattern(_write(tmp_path, content))
