"""What titles and comments say: wavelength, radiation, and what the first column is."""

import re
from typing import NamedTuple

from sgan_jax.measured.limits import WAVELENGTHS
from sgan_jax.measured.pattern import NEUTRON, XRAY, PatternError

_LONGEST = 20_000  # characters of a header that are looked at
_NUMBER = r"(\d{1,2}[.,]\d{1,8})"
_NAMED = re.compile(
    r"(?:\bwave[ _-]?length|\blambda|λ)(?:[ _]?(?:k[ _-]?)?(?:alpha|α)?[ _]?1?\b)?"
    r"\s*(?:[(\[]\s*(?P<unit_before>Å|A|Angstroms?|nm)\s*[)\]])?\s*[:=]?\s*"
    + _NUMBER
    + r"\s*(?P<unit>nm\b)?",
    re.IGNORECASE,
)
_ALPHA = re.compile(
    r"\bk[ _-]?(?:alpha|α)[ _-]?1\b"
    r"(?:\s?(?:wave[ _-]?length|lambda|λ|Å|A|Angstroms?|[(\[\])=:]))*\s*" + _NUMBER,
    re.IGNORECASE,
)
_IN_ANGSTROMS = re.compile(
    r"(?<![\w=.,:+-])(\d\.\d{3,6})\s?(?:Å|A|Ang|Angstroms?)(?![\w.])", re.IGNORECASE
)
_SAME = 0.005  # relative: Kα1, Kα2 and their mean are one source
_NEUTRON = re.compile(r"\bneutrons?\b", re.IGNORECASE)
_XRAY = re.compile(
    r"\bx[- ]?rays?\b|\bsynchrotron\b|\b(?:Cu|Co|Mo|Fe|Cr|Ag)[ _-]?K[ _-]?\\?(?:a|α|alpha)",
    re.IGNORECASE,
)
_TIME = re.compile(r"\btof\b|time[ _-]?of[ _-]?flight|micro[ -]?sec|[µμu]sec\b", re.IGNORECASE)
_CENTIDEGREES = re.compile(r"centi-?deg|\bcdeg\b|1/100 ?(?:th )?(?:of a )?deg", re.I)
TWO_THETA = re.compile(r"(?:2|two)[\s_*-]*(?:th|θ)|\btth\b", re.IGNORECASE)
"""Names of the scattering angle."""

_OTHER_AXES = {
    r"q\b.*|momentum.*": "a momentum transfer",
    r"d\b.*|d[ _-]?spac.*": "a d-spacing",
    r"(?:theta|th|θ)\b.*": "θ, not 2θ",
    r"energy.*|e ?\(k?eV.*": "an energy",
    r"sin[ (]*(?:th|θ).*": "sin θ/λ",
}


class Source(NamedTuple):
    """What a header says of the radiation.

    Attributes:
        wavelength: In Å, or None.
        radiation: "neutron", "xray" or None.
        notes: What was taken from where it is not expected.
    """

    wavelength: float | None
    radiation: str | None
    notes: tuple[str, ...] = ()


def source_of(header: str) -> Source:
    """Returns what titles and comments say of the wavelength and the radiation.

    A number is taken where a word names it as the wavelength, or else where it is the only one
    with the unit Å and at least three decimals, as in the titles of many constant-wavelength
    instruments.
    """
    header = header[:_LONGEST]
    wavelength, notes = _wavelength(header)
    return Source(wavelength, radiation_of(header), notes)


def radiation_of(words: str) -> str | None:
    """Returns the radiation that words name; None if they name none or both."""
    neutron, xray = _NEUTRON.search(words), _XRAY.search(words)
    if bool(neutron) == bool(xray):
        return None
    return NEUTRON if neutron else XRAY


def _wavelength(header: str) -> tuple[float | None, tuple[str, ...]]:
    alpha = [_value(match[1]) for match in _ALPHA.finditer(header)]
    named = [
        _value(match[2]) * (10 if "nm" in (match["unit"], match["unit_before"]) else 1)
        for match in _NAMED.finditer(header)
    ]
    for values in (alpha, named):
        possible = [value for value in values if WAVELENGTHS[0] <= value <= WAVELENGTHS[1]]
        if possible and max(possible) - min(possible) <= _SAME * min(possible):
            return possible[0], ()
        if possible:
            return None, ("The header names several wavelengths; none was taken.",)
    bare = {_value(match[1]) for match in _IN_ANGSTROMS.finditer(header)}
    if len(bare) == 1:
        (value,) = bare
        if WAVELENGTHS[0] <= value <= WAVELENGTHS[1]:
            return value, (f"The wavelength {value:g} Å is the only length in Å in the header.",)
    return None, ()


def _value(text: str) -> float:
    return float(text.replace(",", "."))


def is_in_centidegrees(header: str) -> bool:
    """Returns whether a header says that angles are in 1/100 degree."""
    return _CENTIDEGREES.search(header[:_LONGEST]) is not None


def check_axis(header: str, label: str = "") -> None:
    """Refuses a first column that is named, and is not 2θ.

    Args:
        header: Titles and comments.
        label: Name of the first column, if it has one.

    Raises:
        PatternError: The header names another quantity.
    """
    remedy = "give a constant-wavelength pattern over 2θ in degrees"
    header = header[:_LONGEST]
    if _TIME.search(header) and not TWO_THETA.search(header):
        raise PatternError("a time-of-flight pattern", remedy)
    label = label.strip().strip("\"'#!(").strip()
    if label and not TWO_THETA.search(label):
        for expression, quantity in _OTHER_AXES.items():
            if re.fullmatch(expression, label, re.IGNORECASE):
                raise PatternError(f"its first column is {quantity}", remedy)
