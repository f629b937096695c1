"""How strongly atoms scatter: neutron scattering lengths, X-ray form factors and dispersion."""

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Complex128, Float64

from data_gen.errors import InputError, Reason, StructureError
from data_gen.species import ELEMENTS, element_of

RADIATIONS = ("neutron", "xray")
TABLES = ("periodictable", "sears1992")

_SPECIES = re.compile(r"(\d{0,3})([A-Z][a-z]?)")
_HC = 12398.4198  # eV Å: the energy of a photon times its wavelength
_DISPERSION = range(3, 93)  # Li to U are tabulated; H and He have none worth the name
_MISSING = complex("nan")
_RESONANT_CONSTANTS = ("Cd", "Dy")  # strong resonances near thermal energies, but no table of b(λ)
_RESONANT = ("Cd", "Sm", "Eu", "Gd", "Dy", "Er", "Yb", "Lu")


class _Curve(NamedTuple):
    """A scattering length as a function of wavelength; a constant has one point."""

    wavelengths: Float64[np.ndarray, " points"]
    values: Complex128[np.ndarray, " points"]


# ---------------------------------------------------------------- what callers use


def scattering_length(species: str, table: str, wavelength: float) -> complex:
    """Returns the bound coherent scattering length b = b' − i b'' of a species.

    Table ``"periodictable"`` holds current values. Its resonant absorbers Sm, Eu, Gd, Er, Yb and
    Lu (and some of their isotopes) depend on the wavelength (J. E. Lynn and P. A. Seeger, At. Data
    Nucl. Data Tables 44 (1990) 191), with the value at the end of the table beyond it (about
    0.3 to 2.0–6.4 Å). All others are constants, Cd and Dy among them although they absorb too;
    their b'' follows from the absorption cross section at 1.798 Å.

    Table ``"sears1992"`` holds the real values of V. F. Sears, Neutron News 3(3) (1992) 26, for
    elements in natural abundance and for D, as gemmi gives them; it serves comparison with other
    programs.

    Neither holds all elements: see `missing_elements`.

    Args:
        species: Element symbol, or isotope such as ``"D"``, ``"T"``, ``"11B"``, ``"62Ni"``.
        table: One of `TABLES`.
        wavelength: In Å.

    Returns:
        b in fm.

    Raises:
        InputError: There is no such table.
        StructureError: The table has no value for the species.
    """
    value = complex(amplitudes((species,), "neutron", table, np.array([wavelength]))[0, 0])
    if np.isnan(value):
        raise StructureError(Reason.NO_SCATTERING_LENGTH, f"{species} in table {table}")
    return value


def amplitudes(
    species: Sequence[str],
    radiation: str,
    table: str,
    wavelengths: Float64[np.ndarray, " n"],
) -> Complex128[np.ndarray, "n species"]:
    """Returns what does not depend on the angle in the scattering of each species.

    For neutrons this is all there is: the scattering length of `scattering_length`. For X-rays it
    is the dispersion f' + i f'' of the element (D. T. Cromer and D. A. Liberman, Acta Cryst. A37
    (1981) 267, as gemmi computes it), to be added to `form_factors`; zero for H and He.

    Args:
        species: Element symbols or isotopes.
        radiation: One of `RADIATIONS`.
        table: One of `TABLES`; X-rays do not need it.
        wavelengths: In Å.

    Returns:
        One row per wavelength, in fm for neutrons and in electrons for X-rays; NaN where there is
        no value (see `missing_elements`).

    Raises:
        InputError: There is no such radiation or table.
    """
    if _is_xray(radiation):
        columns = [_dispersion(element_of(name), wavelengths) for name in species]
        return np.stack(columns, axis=1) if columns else np.empty((len(wavelengths), 0), complex)
    constants, curves = _lengths(tuple(species), table)
    values = np.repeat(constants, len(wavelengths), axis=0)
    for column, curve in curves:
        values[:, column] = np.interp(wavelengths, *curve)
    return values


def form_factors(species: Sequence[str], radiation: str) -> Float64[np.ndarray, "species 9"]:
    """Returns the coefficients of the X-ray form factors of the neutral atoms.

    f0(s) = Σ a exp(−b s²) + c, with s = sinθ/λ up to 2 Å⁻¹ (International Tables for
    Crystallography C (1992), table 6.1.1.4, as gemmi gives it). Isotopes count as their element.

    Args:
        species: Element symbols or isotopes.
        radiation: One of `RADIATIONS`.

    Returns:
        Rows a1, b1, …, a4, b4, c: a and c in electrons, b in Å2. NaN where there is no value; zeros
        for neutrons. The array is cached and read-only.

    Raises:
        InputError: There is no such radiation.
    """
    return _form_factors(tuple(species), _is_xray(radiation))


@cache
def missing_elements(radiation: str, table: str) -> tuple[str, ...]:
    """Returns the elements up to Cf whose scattering is not known, in order of atomic number.

    Raises:
        InputError: There is no such radiation or table.
    """
    symbols = sorted(ELEMENTS - {"D"}, key=lambda symbol: gemmi.Element(symbol).atomic_number)
    unknown = np.isnan(amplitudes(symbols, radiation, table, np.ones(1))[0])
    unknown |= np.isnan(form_factors(symbols, radiation)).any(axis=1)
    return tuple(symbol for symbol, missing in zip(symbols, unknown, strict=True) if missing)


def notes(species: Sequence[str], radiation: str, table: str, wavelength: float) -> tuple[str, ...]:
    """Returns sentences on where the values used for a crystal are less than exact.

    Args:
        species: Element symbols or isotopes; repetitions count once.
        radiation: One of `RADIATIONS`.
        table: One of `TABLES`; X-rays do not need it.
        wavelength: In Å.

    Raises:
        InputError: There is no such radiation or table.
    """
    present = tuple(dict.fromkeys(species))
    if _is_xray(radiation):
        return _xray_notes(present)
    sentences = [_range_note(name, _curve(name, table), wavelength) for name in present]
    resonant = _RESONANT if table == "sears1992" else _RESONANT_CONSTANTS
    constant = [name for name in present if name in resonant]
    if constant:
        sentences.append(
            f"{', '.join(constant)}: resonant, but constant in table {table}; "
            "the scattering length is inexact at most wavelengths."
        )
    return tuple(sentence for sentence in sentences if sentence)


# ---------------------------------------------------------------- neutrons


@lru_cache(maxsize=4096)
def _lengths(
    species: tuple[str, ...], table: str
) -> tuple[Complex128[np.ndarray, "1 species"], tuple[tuple[int, _Curve], ...]]:
    """Returns the constants as one row, and the curves of those columns that are none."""
    curves = [_curve(name, table) for name in species]
    constants = np.array([[curve.values[0] for curve in curves]], dtype=np.complex128)
    varying = [(column, curve) for column, curve in enumerate(curves) if len(curve.values) > 1]
    return constants, tuple(varying)


@lru_cache(maxsize=4096)
def _curve(species: str, table: str) -> _Curve:
    readers: dict[str, Callable[[str], _Curve]] = dict(
        zip(TABLES, (_current, _sears_1992), strict=True)
    )
    if table not in readers:
        raise InputError(f"scattering lengths {table!r}: choose one of {', '.join(TABLES)}")
    return readers[table](species)


def _current(species: str) -> _Curve:
    import periodictable  # half of this module's import time, and not needed for every table

    match = _SPECIES.fullmatch(species)
    if match is None:
        return _constant(_MISSING)
    mass, symbol = match.groups()
    try:
        atom = periodictable.elements.symbol(symbol)
        neutron = (atom[int(mass)] if mass else atom).neutron
    except (ValueError, KeyError):
        return _constant(_MISSING)
    if neutron.nsf_table is not None:
        return _Curve(*neutron.nsf_table)
    return _constant(_MISSING if neutron.b_c_complex is None else neutron.b_c_complex)


def _sears_1992(species: str) -> _Curve:
    length = gemmi.Element(species).neutron92.calculate_sf(0.0)
    return _constant(length or _MISSING)  # gemmi answers 0 where the table has no entry


def _constant(value: complex) -> _Curve:
    return _Curve(np.ones(1), np.array([value], dtype=np.complex128))


def _range_note(species: str, curve: _Curve, wavelength: float) -> str:
    first, last = curve.wavelengths[0], curve.wavelengths[-1]
    if len(curve.wavelengths) == 1 or first <= wavelength <= last:
        return ""
    return (
        f"{species}: tabulated from {first:.2f} to {last:.2f} Å; "
        f"at {wavelength:g} Å the value at the end is used."
    )


# ---------------------------------------------------------------- X-rays


def _is_xray(radiation: str) -> bool:
    if radiation not in RADIATIONS:
        raise InputError(f"radiation {radiation!r}: choose one of {', '.join(RADIATIONS)}")
    return radiation == "xray"


def _dispersion(
    element: str, wavelengths: Float64[np.ndarray, " n"]
) -> Complex128[np.ndarray, " n"]:
    values = [_dispersion_at(element, wavelength) for wavelength in wavelengths.tolist()]
    return np.array(values, dtype=np.complex128)


@lru_cache(maxsize=65536)
def _dispersion_at(element: str, wavelength: float) -> complex:
    number = gemmi.Element(element).atomic_number
    if number in _DISPERSION:
        return complex(*gemmi.cromer_liberman(z=number, energy=_HC / wavelength))
    return 0j if 0 < number < _DISPERSION.start else _MISSING


@lru_cache(maxsize=4096)
def _form_factors(species: tuple[str, ...], xray: bool) -> Float64[np.ndarray, "species 9"]:
    rows = [_form_factor(element_of(name)) if xray else (0.0,) * 9 for name in species]
    table = np.array(rows, dtype=np.float64).reshape(-1, 9)
    table.flags.writeable = False
    return table


@cache
def _form_factor(element: str) -> tuple[float, ...]:
    atom = gemmi.Element(element)
    if not atom.atomic_number or atom.it92 is None:
        return (np.nan,) * 9
    gaussians = zip(atom.it92.a, atom.it92.b, strict=True)
    return (*(value for pair in gaussians for value in pair), atom.it92.c)


def _xray_notes(species: tuple[str, ...]) -> tuple[str, ...]:
    sentences = ["Form factors are those of neutral atoms."]
    isotopes = [name for name in species if name != element_of(name)]
    if isotopes:
        sentences.append(f"{', '.join(isotopes)}: X-rays see the element, not the isotope.")
    return tuple(sentences)
