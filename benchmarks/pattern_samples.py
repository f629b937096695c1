"""The same measured pattern in every format that is read, written by hand after its description."""

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64


class Points(NamedTuple):
    """What is written.

    Attributes:
        start: First 2θ in degrees, a multiple of 0.01.
        step: In degrees, a multiple of 0.01.
        counts: Whole numbers from 0 to 99,999.
        sigma: Multiples of 0.01 from 0.01 to 999.
    """

    start: float
    step: float
    counts: Float64[np.ndarray, " n"]
    sigma: Float64[np.ndarray, " n"]

    @property
    def two_theta(self) -> Float64[np.ndarray, " n"]:
        """In degrees."""
        return np.round(self.start + self.step * np.arange(len(self.counts)), 4)


def example(count: int = 1003) -> Points:
    """Returns a pattern with peaks on a background, always the same."""
    rng = np.random.default_rng(0)
    places = np.arange(count)
    peaks = np.exp(-0.5 * ((places[:, None] - rng.uniform(0, count, 30)) / 4) ** 2)
    counts = rng.poisson(200 + peaks @ rng.uniform(100, 5000, 30)).astype(np.float64)
    return Points(8.0, 0.1, counts, np.round(np.sqrt(counts), 2))


Writer = Callable[[Points], bytes]


def _rows(points: Points, row: str, separator: str = "\n") -> str:
    columns = zip(points.two_theta, points.counts, points.sigma, strict=True)
    return separator.join(row.format(x, y, e) for x, y, e in columns) + "\n"


def _records(words: Sequence[str], per_line: int) -> str:
    lines = ["".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
    return "".join(f"{line}\n" for line in lines)


def _pairs(points: Points, width: int = 6) -> str:
    return _records([f" 1{y:{width}.0f}" for y in points.counts], 10)


# ---------------------------------------------------------------- columns


def _xy(points: Points) -> bytes:
    return _rows(points, "{:.2f} {:.0f}").encode()


def _xye(points: Points) -> bytes:
    return b"# 2theta intensity su\n" + _rows(points, "{:9.2f}{:9.1f}{:9.2f}").encode()


def _csv(points: Points) -> bytes:
    header = "# neutrons, wavelength 1.54 A\n2theta (deg),intensity,sigma\n"
    return (header + _rows(points, "{:.2f},{:.0f},{:.2f}")).encode()


def _comma(points: Points) -> bytes:
    """Decimals with commas, semicolons between them, Windows' line ends and a byte order mark."""
    text = _rows(points, "{:.2f};{:.1f};{:.2f}", "\r\n").replace(".", ",")
    return ("2θ;Intensität;Fehler\r\n" + text).encode("utf-8-sig")


def _utf16(points: Points) -> bytes:
    return ("' a title\n" + _rows(points, "{:.2f}\t{:.0f}")).encode("utf-16")


def _fortran(points: Points) -> bytes:
    header = "! Lambda: 1.2272 angstroms\n% neutron powder pattern\n"
    return (header + _rows(points, "{:14.6E}{:14.6E}{:14.6E}").replace("E", "D")).encode()


def _centidegrees(points: Points) -> bytes:
    scaled = points._replace(start=100 * points.start, step=100 * points.step)
    return b"/ 2theta in centidegrees\n" + _rows(scaled, "{:.0f} {:.0f} {:.2f}").encode()


def _descending(points: Points) -> bytes:
    lines = _rows(points, "{:.2f} {:.0f}").splitlines(keepends=True)
    return "".join(reversed(lines)).encode()


def _instrm_10(points: Points) -> bytes:
    header = "XYDATA\nINTER   1.0  2.0  0  0.1\nTEMP 300\n! a comment\n"
    halves = points._replace(counts=points.counts / 2, sigma=points.sigma / 2)
    return (header + _rows(halves, "{:10.4f}{:12.1f}{:12.3f}")).encode()


# ---------------------------------------------------------------- GSAS


def _bank(points: Points, per_line: int, kind: str) -> str:
    count = len(points.counts)
    records = -(-count // per_line)
    start, step = 100 * points.start, 100 * points.step
    return f"BANK 1 {count} {records} CONST {start:.2f} {step:.3f} 0 0 {kind}\n"


def _title(points: Points, per_line: int, kind: str) -> str:
    return f"{'Neutron pattern, 1.909A':80s}\n{_bank(points, per_line, kind)}"


def _std(points: Points) -> bytes:
    return (_title(points, 10, "STD") + _pairs(points)).encode()


def _esd(points: Points) -> bytes:
    words = [f"{y:8.0f}{e:8.2f}" for y, e in zip(points.counts, points.sigma, strict=True)]
    return (_title(points, 5, "ESD") + _records(words, 5)).encode()


def _alt(points: Points) -> bytes:
    columns = zip(points.two_theta, points.counts, points.sigma, strict=True)
    words = [f"{3200 * x:8.0f}{y:7.0f}{max(e, 0.1):5.1f}" for x, y, e in columns]
    return (_title(points, 4, "ALT") + _records(words, 4)).encode()


def _fxye(points: Points) -> bytes:
    scaled = points._replace(start=100 * points.start, step=100 * points.step)
    return (_title(points, 1, "FXYE") + _rows(scaled, "{:12.3f}{:10.1f}{:10.2f}")).encode()


def _fxy(points: Points) -> bytes:
    scaled = points._replace(start=100 * points.start, step=100 * points.step)
    return (_title(points, 1, "FXY") + _rows(scaled, "{:12.3f}{:10.1f}")).encode()


# ---------------------------------------------------------------- FullProf


def _range(points: Points) -> str:
    return f"{points.start:10.4f}{points.step:10.4f}{points.two_theta[-1]:10.4f}"


def _instrm_0(points: Points) -> bytes:
    body = _records([f" {y:.0f}" for y in points.counts], 8)
    return f"{_range(points)}  title of a neutron pattern\n{body}".encode()


def _instrm_1(points: Points) -> bytes:
    return (f"{_range(points)}\n" + _pairs(points)).encode()


def _instrm_3(points: Points) -> bytes:
    limits = f"{100000.0:13.0f}{'':10s}{points.start:8.3f}{'':45s}{points.step:9.3f}"
    header = f"D20\nneutron pattern\nlambda = 1.87\n{limits}{1.5:9.3f}{0:9.3f}{1.5:9.3f}\n"
    count = f"{len(points.counts):4d}\n"
    return (header + count + _pairs(points, 8) + "   -1000\n  -10000\n").encode()


def _instrm_5(points: Points) -> bytes:
    header = "D1A5\nneutron pattern\n1.9114 A  sample\n"
    numbers = f"{len(points.counts):6d}  -1.000  100.0    1  100000.0  0.0\n{_range(points)}\n"
    body = _records([f"{y:8.1f}" for y in points.counts], 10)
    sigma = _records([f"{e:8.2f}" for e in points.sigma], 10)
    return (header + numbers + body + sigma).encode()


def _instrm_6(points: Points) -> bytes:
    header = f"LaMnO3 (Lambda: 1.2272 angstroms)\n     100       0{points.step:8.4f}      20\n"
    rest = f"{points.start:8.3f}\n  34000.      0.    0.00    0.00\n"
    return (header + rest + _pairs(points) + "   -1000\n  -10000\n").encode()


def _instrm_8(points: Points) -> bytes:
    header = f"HRPT, sample\nlambda=  1.49400, T= 0.0\n{_range(points)}  18000000., sample='s'\n"
    body = _records([f"{y:8.0f}" for y in points.counts], 10)
    sigma = _records([f"{e:8.2f}" for e in points.sigma], 10)
    return (header + body + sigma).encode()


# ---------------------------------------------------------------- CIF


_CIF_HEADER = """\
data_pattern
_diffrn_radiation_probe neutron
_diffrn_radiation_wavelength 1.5403
"""


def _pdcif(points: Points) -> bytes:
    tags = "loop_\n_pd_meas_2theta_scan\n_pd_meas_intensity_total\n_pd_meas_intensity_total_su\n"
    return (_CIF_HEADER + tags + _rows(points, "{:.2f} {:.0f} {:.2f}")).encode()


def _pdcif_range(points: Points) -> bytes:
    limits = {"min": points.start, "max": points.two_theta[-1], "inc": points.step}
    items = "".join(f"_pd_meas_2theta_range_{end} {x:.4f}\n" for end, x in limits.items())
    tags = "loop_\n_pd_meas_intensity_total\n_pd_proc_intensity_bkg_calc\n"
    rows = zip(points.counts, points.sigma, strict=True)
    body = "".join(f"{y:.2f}({100 * e:.0f}) 190.5\n" for y, e in rows)
    return (_CIF_HEADER + items + tags + body).encode()


# ---------------------------------------------------------------- X-ray diffractometers


def _ras(points: Points) -> bytes:
    header = f"""\
*RAS_DATA_START
*RAS_HEADER_START
*MEAS_COND_XG_WAVE_LENGTH_ALPHA1 "1.540593"
*MEAS_SCAN_AXIS_X "TwoThetaTheta"
*MEAS_DATA_COUNT "{len(points.counts)}"
*RAS_HEADER_END
*RAS_INT_START
"""
    return (header + _rows(points, "{:.4f} {:.4f} 1.0") + "*RAS_INT_END\n*RAS_DATA_END\n").encode()


def _uxd(points: Points) -> bytes:
    header = f"""\
; comment
_FILEVERSION=2
_WL1=1.540600
_DRIVE='COUPLED'
_STEPSIZE={points.step:.6f}
_STEPCOUNT={len(points.counts)}
_START={points.start:.6f}
_COUNTS
"""
    return (header + _records([f"{y:9.0f}" for y in points.counts], 8)).encode()


def _xrdml(points: Points) -> bytes:
    counts = " ".join(f"{y:.0f}" for y in points.counts)
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/1.5">
<xrdMeasurement measurementType="Scan">
<usedWavelength intended="K-Alpha 1"><kAlpha1 unit="Angstrom">1.5405980</kAlpha1></usedWavelength>
<scan scanAxis="Gonio"><dataPoints>
<positions axis="2Theta" unit="deg"><startPosition>{points.start:.8f}</startPosition>
<endPosition>{points.two_theta[-1]:.8f}</endPosition></positions>
<intensities unit="counts">{counts}</intensities>
</dataPoints></scan></xrdMeasurement></xrdMeasurements>
""".encode()


def _raw3(points: Points) -> bytes:
    """Bruker's third version: 712 bytes, then a header and the counts of each range."""
    head = bytearray(712)
    head[:8] = b"RAW1.01\0"
    struct.pack_into("<I", head, 12, 1)
    struct.pack_into("<d", head, 624, 1.5406)
    block = bytearray(304)
    struct.pack_into("<II", block, 0, len(block), len(points.counts))
    struct.pack_into("<d", block, 16, points.start)
    struct.pack_into("<d", block, 176, points.step)
    struct.pack_into("<I", block, 252, 4)
    return bytes(head) + bytes(block) + points.counts.astype("<f4").tobytes()


def _raw4(points: Points) -> bytes:
    """Bruker's fourth version: segments, then ranges."""
    head = bytearray(61)
    head[:8] = b"RAW4.00\0"
    tube = bytearray(120)
    struct.pack_into("<II", tube, 0, 30, len(tube))
    struct.pack_into("<d", tube, 80, 1.5406)
    block = bytearray(160)
    block[32:46] = b"Locked Coupled"
    struct.pack_into("<dd", block, 72, points.start, points.step)
    struct.pack_into("<I", block, 88, len(points.counts))
    struct.pack_into("<II", block, 136, 4, 0)
    return bytes(head) + bytes(tube) + bytes(block) + points.counts.astype("<f4").tobytes()


def _archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def _brml(points: Points) -> bytes:
    container = (
        "<DataContainer><RawDataReferenceList><string>Experiment0/RawData0.xml</string>"
        "</RawDataReferenceList></DataContainer>"
    )
    rows = zip(points.two_theta, points.counts, strict=True)
    data = "".join(f"<Datum>1,1,{x:.4f},{x / 2:.4f},{y:.0f}</Datum>\n" for x, y in rows)
    raw = f"""\
<RawData xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<WaveLengthAlpha1 Unit="Å" Value="1.5406"/>
<DataRoutes><DataRoute RouteFlag="Measured">
<RawDataView xsi:type="VaryingRawDataView" Start="2" Length="2">
<FieldDefinitions AxisId="TwoTheta"/><FieldDefinitions AxisId="Theta"/></RawDataView>
<RawDataView xsi:type="RecordedRawDataView" Start="4" Length="1"/>
{data}</DataRoute></DataRoutes></RawData>
"""
    return _archive({"Experiment0/DataContainer.xml": container, "Experiment0/RawData0.xml": raw})


def _rasx(points: Points) -> bytes:
    root = (
        '<root><Data0><ContentHashList Name="Profile0.txt"/>'
        '<ContentHashList Name="MesurementConditions0.xml"/></Data0></root>'
    )
    conditions = (
        "<MeasurementConditions><WavelengthKalpha1>1.540593</WavelengthKalpha1>"
        "<ScanInformation><AxisName>TwoThetaTheta</AxisName></ScanInformation>"
        "</MeasurementConditions>"
    )
    profile = "\ufeff" + _rows(points, "{:.4f}\t{:.0f}\t1")
    names = ("root.xml", "Data0/MesurementConditions0.xml", "Data0/Profile0.txt")
    return _archive(dict(zip(names, (root, conditions, profile), strict=True)))


class Sample(NamedTuple):
    """A format.

    Attributes:
        write: Writes it.
        has_sigma: Whether it holds the uncertainties.
        wavelength: That the file names.
        radiation: That the file names.
    """

    write: Writer
    has_sigma: bool = False
    wavelength: float | None = None
    radiation: str | None = None


SAMPLES = {
    "xy": Sample(_xy),
    "xye": Sample(_xye, True),
    "csv": Sample(_csv, True, 1.54, "neutron"),
    "decimal commas": Sample(_comma, True),
    "UTF-16": Sample(_utf16),
    "Fortran": Sample(_fortran, True, 1.2272, "neutron"),
    "centidegrees": Sample(_centidegrees, True),
    "descending": Sample(_descending),
    "gzip": Sample(lambda points: gzip.compress(_xye(points), mtime=0), True),
    "GSAS STD": Sample(_std, False, 1.909, "neutron"),
    "GSAS ESD": Sample(_esd, True, 1.909, "neutron"),
    "GSAS FXYE": Sample(_fxye, True, 1.909, "neutron"),
    "GSAS FXY": Sample(_fxy, False, 1.909, "neutron"),
    "GSAS ALT": Sample(_alt, False, 1.909, "neutron"),
    "INSTRM=0": Sample(_instrm_0, False, None, "neutron"),
    "INSTRM=1": Sample(_instrm_1),
    "INSTRM=3": Sample(_instrm_3, False, 1.87, "neutron"),
    "INSTRM=5": Sample(_instrm_5, True, 1.9114, "neutron"),
    "INSTRM=6": Sample(_instrm_6, False, 1.2272),
    "INSTRM=8": Sample(_instrm_8, True, 1.494),
    "INSTRM=10": Sample(_instrm_10, True),
    "pdCIF": Sample(_pdcif, True, 1.5403, "neutron"),
    "pdCIF range": Sample(_pdcif_range, True, 1.5403, "neutron"),
    "Rigaku RAS": Sample(_ras, False, 1.540593, "xray"),
    "Rigaku RASX": Sample(_rasx, False, 1.540593, "xray"),
    "Bruker UXD": Sample(_uxd, False, 1.5406, "xray"),
    "Bruker RAW3": Sample(_raw3, False, 1.5406, "xray"),
    "Bruker RAW4": Sample(_raw4, False, 1.5406, "xray"),
    "Bruker BRML": Sample(_brml, False, 1.5406, "xray"),
    "PANalytical XRDML": Sample(_xrdml, False, 1.540598, "xray"),
}
"""Every format by name."""
