"""What element or isotope a site of a structure file holds.

Type symbols ("Fe3+", "O2-", "11B") say it outright. Labels ("AlT1", "Ow2", "FeMe", "CA1") are names
that authors chose; the formula, where the file has one, decides between their readings.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import gemmi

_HEAVIEST = 98  # Cf; "Fl2", "NH4" or "Ts" are never the elements 114, 113 and 117
ELEMENTS = frozenset(gemmi.Element(z).name for z in range(1, _HEAVIEST + 1)) | {"D"}

_TYPE_SYMBOL = re.compile(r"(\d{1,3})?([A-Za-z]+)")
_GROUP_WITHOUT_HYDROGEN = re.compile(
    r"wat|aq\d*$|h2o|hoh|o[hw](?![a-z])|[nc]h\d|odw", re.IGNORECASE
)
_NO_ATOM = re.compile(r"(vac|dum?|xx)(?![a-z])", re.IGNORECASE)
_HYDROGEN = {"1H": "H", "2H": "D", "3H": "T"}
_FORMULA_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)|([(\[])|([)\]])(\d*\.?\d*)")


@dataclass(frozen=True, slots=True)
class SiteSpecies:
    """What a site's names say.

    Attributes:
        symbol: Element or isotope, e.g. ``"Fe"``, ``"D"``, ``"11B"``; empty where the site marks
            a vacancy or a dummy atom; ``"?"`` where the names are not understood.
        lacks_hydrogen: The name stands for a group such as OH or H2O of which only the heavy atom
            has coordinates.
    """

    symbol: str
    lacks_hydrogen: bool = False


UNKNOWN = SiteSpecies("?")
NO_ATOM = SiteSpecies("")


def element_of(species: str) -> str:
    """Returns the element of an element or isotope symbol: ``"D"`` → ``"H"``."""
    return "H" if species in ("D", "T") else species.lstrip("0123456789")


def site_species(type_symbol: str, label: str, formula: str) -> SiteSpecies:
    """Resolves the names of one site.

    Args:
        type_symbol: As in ``_atom_site_type_symbol``; may be empty.
        label: As in ``_atom_site_label``; may be empty.
        formula: As in ``_chemical_formula_sum``; may be empty. It decides between readings of a
            label.
    """
    found = _from_type_symbol(type_symbol)
    return found if found is not None else _from_label(label, formula)


@lru_cache(maxsize=4096)
def _from_type_symbol(text: str) -> SiteSpecies | None:
    if _GROUP_WITHOUT_HYDROGEN.match(text):
        return _group(text)
    if _NO_ATOM.match(text):
        return NO_ATOM
    match = _TYPE_SYMBOL.match(text)
    if match is None:
        return None
    mass, letters = match.groups()
    symbol = _first_element(letters)
    if symbol is None:
        return SiteSpecies("T") if letters == "T" else None
    if mass:
        isotope = f"{int(mass)}{symbol}"
        return SiteSpecies(_HYDROGEN.get(isotope, isotope))
    return SiteSpecies(symbol)


@lru_cache(maxsize=4096)
def _from_label(text: str, formula: str) -> SiteSpecies:
    elements = parse_formula(formula)
    letters = re.match(r"[A-Za-z]*", text)
    assert letters is not None
    named = [e for e in _readings(letters.group()) if element_of(e) in elements]
    if named and len(named[0]) == 2:
        return SiteSpecies(named[0])
    if _GROUP_WITHOUT_HYDROGEN.match(text):
        return _group(text)
    if named:
        return SiteSpecies(named[0])
    if _NO_ATOM.match(text):
        return NO_ATOM
    if text[:2] == "Am" and "N" in elements:
        return SiteSpecies("N", lacks_hydrogen=True)  # mineralogists' label of ammonium
    symbol = _first_element(letters.group())
    return UNKNOWN if symbol is None else SiteSpecies(symbol)


def _group(text: str) -> SiteSpecies:
    heavy = text[0].upper() if text[0] in "NnCc" else "O"
    return SiteSpecies(heavy, lacks_hydrogen=True)


def _readings(letters: str) -> list[str]:
    return [s for s in (letters[:2].capitalize(), letters[:1].upper()) if s in ELEMENTS]


def _first_element(letters: str) -> str | None:
    return next(iter(_readings(letters)), None)


@lru_cache(maxsize=4096)
def parse_formula(text: str) -> Mapping[str, float]:
    """Returns the amounts of the elements in a formula such as ``"Ca2 (Fe.4 Al.6) Si2 O7 H2"``.

    Returns:
        Element to amount, isotopes counted with their element; empty where the text is no formula.
    """
    text = text.strip().strip("'\"")
    stack: list[dict[str, float]] = [{}]
    position = 0
    for match in _FORMULA_PART.finditer(text):
        if text[position : match.start()].strip(" ,"):
            return {}
        position = match.end()
        symbol, amount, opened, closed, times = match.groups()
        if symbol:
            if symbol not in ELEMENTS:
                return {}
            _add(stack[-1], {element_of(symbol): 1.0}, _amount(amount))
        elif opened:
            stack.append({})
        elif closed and len(stack) > 1:
            inner = stack.pop()
            _add(stack[-1], inner, _amount(times))
    return stack[0] if len(stack) == 1 and not text[position:].strip() else {}


def _amount(text: str | None) -> float:
    return float(text) if text and text != "." else 1.0


def _add(total: dict[str, float], part: Mapping[str, float], times: float) -> None:
    for element, amount in part.items():
        total[element] = total.get(element, 0.0) + amount * times


def hill_formula(amounts: Mapping[str, float]) -> str:
    """Returns a reduced formula in Hill order: carbon, hydrogen, then the alphabet.

    The amounts are divided by the greatest common divisor of those that are whole numbers, so that
    ``{"Ca": 4, "Fe": 0.4, "Al": 3.6}`` becomes ``"Al0.9CaFe0.1"``.
    """
    amounts = {e: round(n, 3) for e, n in amounts.items() if n > 5e-4}
    divisor = _divisor(amounts.values())
    first = ("C", "H") if "C" in amounts else ()
    order = sorted(amounts, key=lambda e: (first.index(e) if e in first else len(first), e))
    return "".join(e + _number(amounts[e] / divisor) for e in order)


def _divisor(amounts: Collection[float]) -> float:
    whole = [int(n) for n in amounts if n == int(n)]
    return float(gcd(*whole)) if whole else min(amounts, default=1.0)


def _number(amount: float) -> str:
    return "" if abs(amount - 1.0) < 5e-4 else f"{amount:.3f}".rstrip("0").rstrip(".")
