"""Powder CIF: the items of the dictionary cif_pow, in their older and newer spellings."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.header import radiation_of
from sgan_jax.measured.limits import MAX_MARKUP_BYTES, MAX_PATTERNS, MAX_POINTS
from sgan_jax.measured.numerals import number
from sgan_jax.measured.pattern import NEUTRON, XRAY, PatternError, Scan

_BLOCK = re.compile(r"^data_\S*", re.MULTILINE | re.IGNORECASE)
_ITEM = re.compile(r"^\s*_\w+", re.MULTILINE)
_UNCERTAINTY = re.compile(r"([-+]?\d*)(?:\.(\d*))?\((\d+)\)")
_SAME = 0.005  # relative: Kα1, Kα2 and their mean are one source
_MOST_APART = 0.5  # steps by which the end of a range may miss the last point
_REMEDY = "give a CIF with measured intensities over 2θ"

_INTENSITIES = {
    "_pd_meas_counts_total": ("_pd_meas", "total counts"),
    "_pd_meas_intensity_total": ("_pd_meas", "total intensities"),
    "_pd_proc_intensity_total": ("_pd_proc", "total processed intensities"),
    "_pd_proc_intensity_net": ("_pd_proc", "net intensities"),
    "_pd_meas_intensity_net": ("_pd_meas", "net intensities"),
}
_ANGLES = ("_pd_proc_2theta_corrected", "_pd_meas_2theta_scan", "_pd_meas_2theta_corrected")
_BACKGROUNDS = (
    "_pd_proc_intensity_bkg_calc",
    "_pd_proc_intensity_bkg_fix",
    "_pd_meas_intensity_background",
    "_pd_meas_counts_background",
)
_CALCULATED = ("_pd_calc_intensity_total", "_pd_calc_intensity_net")
_TIMES = ("_pd_meas_time_of_flight", "_pd_proc_time_of_flight")
_OTHER_AXES = ("_pd_proc_d_spacing", "_pd_proc_energy_incident", "_pd_proc_recip_len_q")
_PROBES = {"neutron": NEUTRON, "x-ray": XRAY, "xray": XRAY}

_Values = Float64[np.ndarray, " points"]


class _Column(NamedTuple):
    """A column of numbers.

    Attributes:
        values: NaN where a value is missing.
        sigma: NaN where a value has no uncertainty in brackets.
    """

    values: _Values
    sigma: _Values


def is_cif(text: str) -> bool:
    """Returns whether a text has a data block with items of the CIF."""
    if "data_" not in text and "DATA_" not in text:
        return False
    head = text[:100_000]
    return _BLOCK.search(head) is not None and _ITEM.search(head) is not None


def read_pdcif(text: str) -> list[Scan]:
    """Reads every block that has measured intensities.

    Raises:
        PatternError: The text is no CIF, or no block has a pattern that can serve.
    """
    if len(text) > MAX_MARKUP_BYTES:
        raise PatternError(
            f"a CIF of more than {MAX_MARKUP_BYTES // 2**20} MiB", "split it by blocks"
        )
    document = _document(text)
    blocks = [block for block in document if _intensity_tag(block)]
    if not blocks:
        raise _without_intensities(document)
    if len(blocks) > MAX_PATTERNS:
        raise PatternError(f"more than {MAX_PATTERNS} patterns", "split the CIF by blocks")
    shared = _wavelength_of_all(document)
    named = len(blocks) > 1
    return [_scan(block, shared, block.name if named else "") for block in blocks]


def _document(text: str) -> gemmi.cif.Document:
    try:
        return gemmi.cif.read_string(text, check_level=0)
    except (ValueError, RuntimeError) as error:
        message = str(error).splitlines()[0][:200]
        line = re.match(r"\w+:(\d+):\d+(?:\(\d+\))?: ?(.*)", message)
        if line:
            raise PatternError(f"no CIF: {line[2]}", "correct the syntax", int(line[1])) from None
        raise PatternError(f"no CIF: {message}", "correct the syntax") from None


def _without_intensities(document: gemmi.cif.Document) -> PatternError:
    for block in document:
        if any(len(_values(block, tag)) for tag in _CALCULATED):
            return PatternError("a CIF with calculated intensities only", _REMEDY)
    return PatternError("a CIF without powder intensities", _REMEDY)


# ---------------------------------------------------------------- items


def _spellings(tag: str) -> tuple[str, ...]:
    """Returns a tag and its form with a point behind the category."""
    category = re.match(r"_(?:pd_[a-z]+|diffrn_radiation_wavelength|diffrn_radiation)(?=_)", tag)
    if category is None:
        return (tag,)
    return tag, f"{category[0]}.{tag[len(category[0]) + 1 :]}"


def _values(block: gemmi.cif.Block, tag: str) -> list[str]:
    for spelling in _spellings(tag):
        found = block.find_values(spelling)
        if len(found):
            return list(found)
    return []


def _has_numbers(words: Sequence[str]) -> bool:
    return any(not gemmi.cif.is_null(word) for word in words)


def _column(words: Sequence[str]) -> _Column:
    if len(words) > MAX_POINTS:
        raise PatternError(f"more than {MAX_POINTS:,} points", "give a coarser pattern")
    values = np.array([gemmi.cif.as_number(word) for word in words])
    for index in np.flatnonzero(np.isnan(values)).tolist():
        values[index] = _number(words[index])
    sigma = [_uncertainty(word) if word[-1:] == ")" else np.nan for word in words]
    return _Column(values, np.array(sigma))


def _number(word: str) -> float:
    value = gemmi.cif.as_number(gemmi.cif.as_string(word))
    return value if np.isfinite(value) else number(gemmi.cif.as_string(word).strip() or "?")


def _uncertainty(word: str) -> float:
    """Returns the number in the brackets of ``5540(160)`` or ``12.5(3)``, in units of the value."""
    match = _UNCERTAINTY.fullmatch(word)
    return float(match[3]) / 10 ** len(match[2] or "") if match else np.nan


# ---------------------------------------------------------------- one block


def _intensity_tag(block: gemmi.cif.Block) -> str | None:
    return next((tag for tag in _INTENSITIES if _has_numbers(_values(block, tag))), None)


def _scan(block: gemmi.cif.Block, shared: float | None, name: str) -> Scan:
    tag = _intensity_tag(block) or ""
    category, description = _INTENSITIES[tag]
    column = _column(_values(block, tag))
    count = len(column.values)
    wavelength, notes = _wavelength(block)
    if "net" in description:
        notes = (*notes, "The intensities are net: a background was taken off before.")
    return Scan(
        format=f"pdCIF, {description}",
        two_theta=_angles(block, category, count),
        intensity=column.values,
        sigma=_sigma(block, tag, column),
        background=_background(block, count),
        wavelength=shared if wavelength is None else wavelength,
        radiation=_radiation(block),
        block=name,
        notes=notes,
    )


def _sigma(block: gemmi.cif.Block, tag: str, column: _Column) -> _Values | None:
    for spelling in (f"{tag}_su", f"{tag}_esd"):
        given = _column(_values(block, spelling)).values
        if len(given) == len(column.values):
            return given
    return None if np.isnan(column.sigma).all() else column.sigma


def _background(block: gemmi.cif.Block, count: int) -> _Values | None:
    for tag in _BACKGROUNDS:
        words = _values(block, tag)
        if len(words) == count and _has_numbers(words):
            values = _column(words).values
            return values if np.isfinite(values).all() else None
    return None


def _angles(block: gemmi.cif.Block, category: str, count: int) -> _Values:
    for tag in _ANGLES:
        words = _values(block, tag)
        if len(words) == count and _has_numbers(words):
            return _column(words).values
    for prefix in (category, "_pd_meas", "_pd_proc"):
        low, high, step = (
            _single(block, f"{prefix}_2theta_range_{end}") for end in ("min", "max", "inc")
        )
        if not np.isnan([low, high, step]).any():
            return _of_range(low, high, step, count)
    raise _without_angles(block, count)


def _of_range(low: float, high: float, step: float, count: int) -> _Values:
    if not (step > 0 and abs((high - low) / step + 1 - count) <= _MOST_APART):
        reason = f"2θ from {low:g} to {high:g}° in steps of {step:g}° are not {count} points"
        raise PatternError(reason, "correct _pd_meas_2theta_range_… or give _pd_meas_2theta_scan")
    return low + step * np.arange(count)


def _without_angles(block: gemmi.cif.Block, count: int) -> PatternError:
    remedy = "give a constant-wavelength pattern over 2θ"
    if any(_values(block, tag) for tag in _TIMES):
        return PatternError("a time-of-flight pattern", remedy)
    if any(_values(block, tag) for tag in _OTHER_AXES):
        return PatternError("a pattern over another quantity than 2θ", remedy)
    return PatternError(f"no column or range of 2θ for its {count} intensities", remedy)


def _single(block: gemmi.cif.Block, tag: str) -> float:
    words = _values(block, tag)
    return gemmi.cif.as_number(words[0]) if len(words) == 1 else np.nan


# ---------------------------------------------------------------- radiation


def _wavelength(block: gemmi.cif.Block) -> tuple[float | None, tuple[str, ...]]:
    """Returns the wavelength; of several lines of one source, the shortest, that of Kα1."""
    words = _values(block, "_diffrn_radiation_wavelength")
    words = words or _values(block, "_diffrn_radiation_wavelength_wavelength")
    values = [value for value in map(gemmi.cif.as_number, words) if np.isfinite(value)]
    if not values:
        return None, ()
    if max(values) - min(values) > _SAME * min(values):
        return None, ("The CIF has several wavelengths; none was taken.",)
    return min(values), ()


def _wavelength_of_all(document: gemmi.cif.Document) -> float | None:
    """Returns the wavelength of the file if its blocks do not differ in it."""
    found = {value for value, _ in map(_wavelength, document) if value is not None}
    return found.pop() if len(found) == 1 else None


def _radiation(block: gemmi.cif.Block) -> str | None:
    probes = [gemmi.cif.as_string(word) for word in _values(block, "_diffrn_radiation_probe")]
    for probe in probes:
        if probe.strip().lower() in _PROBES:
            return _PROBES[probe.strip().lower()]
    kinds = _values(block, "_diffrn_radiation_type")
    return radiation_of(" ".join(gemmi.cif.as_string(word) for word in kinds))
