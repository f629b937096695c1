"""What titles and comments say: wavelength, radiation, and what the first column is."""

import re
from typing import NamedTuple

from sgan_jax.measured.limits import WAVELENGTHS
from sgan_jax.measured.pattern import NEUTRON, XRAY, PatternError

_LONGEST = 20_000  # characters of a header that are looked at
_NUMBER = r"(\d{1,2}[.,]\d{1,8})"
_WAVELENGTH = r"(?:\bwave[ _-]?length|\blambda|λ|\bwl\b)"
_NAMED = re.compile(
    rf"{_WAVELENGTH}(?:[ _]?(?:k[ _-]?)?(?:alpha|α)?[ _]?1?\b)?"
    r"\s*(?:[(\[]\s*(?P<unit_before>Å|A|Angstroms?|nm)\s*[)\]])?\s*(?:[:=]|\bof\b|\bis\b)?\s*"
    + _NUMBER
    + r"\s*(?P<unit>nm\b)?",
    re.IGNORECASE,
)
_ALPHA = re.compile(
    r"\bk[ _-]?(?:alpha|α)[ _-]?1\b"
    r"(?:\s?(?:wave[ _-]?length|lambda|λ|Å|A|Angstroms?|[(\[\])=:]))*\s*" + _NUMBER,
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"(?<![\w.,+-])(?P<value>\d\.\d{3,6})\s?(?:Å|A|Ang|Angstroms?)(?![\w.])"
    rf"(?P<named>\s*,?\s*{_WAVELENGTH})?",
    re.IGNORECASE,
)
_OTHER_LENGTH = re.compile(
    r"cell|lattice|spacing|resolution|parameter|\b[abcd](?:[ _]?(?:min|max))?\s*[:=]", re.IGNORECASE
)
_OF_NEUTRONS = (0.8, 2.8)  # Å, of all but rare diffractometers
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
        notes: Why there is none, in sentences.
        wavelength_guessed: Whether no word stands before it that names it as the wavelength.
        length: In Å, which may be the wavelength, or may be none; None where it is taken.
    """

    wavelength: float | None = None
    radiation: str | None = None
    notes: tuple[str, ...] = ()
    wavelength_guessed: bool = False
    length: float | None = None


def source_of(header: str) -> Source:
    """Returns what titles and comments say of the wavelength and the radiation.

    A number is taken where a word names it as the wavelength. The titles of many
    constant-wavelength instruments have it bare: if there is only one length in Å, with at least
    three decimals, and no word in its line names it as another, it is guessed to be the wavelength
    of a diffractometer for neutrons, where the header has that word, and else passed on as a hint.
    """
    header = header[:_LONGEST]
    return _source(header)._replace(radiation=radiation_of(header))


def radiation_of(words: str) -> str | None:
    """Returns the radiation that words name; None if they name none or both."""
    neutron, xray = _NEUTRON.search(words), _XRAY.search(words)
    if bool(neutron) == bool(xray):
        return None
    return NEUTRON if neutron else XRAY


def _source(header: str) -> Source:
    alpha = [_value(match[1]) for match in _ALPHA.finditer(header)]
    named = [
        _value(match[2]) * (10 if "nm" in (match["unit"], match["unit_before"]) else 1)
        for match in _NAMED.finditer(header)
    ]
    for values in (alpha, named):
        possible = [value for value in values if WAVELENGTHS[0] <= value <= WAVELENGTHS[1]]
        if possible and max(possible) - min(possible) <= _SAME * min(possible):
            return Source(possible[0])
        if possible:
            return Source(notes=("The header names several wavelengths; none was taken.",))
    return _guess(header)


def _guess(header: str) -> Source:
    """The only length in Å, as the wavelength or as a hint."""
    bare = {
        _value(match["value"]): match["named"] is not None
        for line in header.splitlines()
        for match in _LENGTH.finditer(line)
        if not _OTHER_LENGTH.search(line[: match.start()])
    }
    if len(bare) != 1:
        return Source()
    ((value, named),) = bare.items()
    of_neutrons = _OF_NEUTRONS[0] <= value <= _OF_NEUTRONS[1]
    if named or (of_neutrons and radiation_of(header) == NEUTRON):
        return Source(value, wavelength_guessed=True)
    return Source(length=value)


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
