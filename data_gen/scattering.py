"""Bound coherent neutron scattering lengths of elements and isotopes."""

import re
from functools import cache

import gemmi
import numpy as np

from data_gen.errors import InputError, Reason, StructureError

TABLES = ("periodictable", "sears1992")

_SPECIES = re.compile(r"(\d{0,3})([A-Z][a-z]?)")


@cache
def scattering_length(species: str, table: str, wavelength: float) -> complex:
    """Returns the bound coherent scattering length b = b' − i b'' of a species.

    Table ``"periodictable"`` holds current values. Its resonant absorbers Sm, Eu, Gd, Er, Yb and
    Lu (and some of their isotopes) depend on the wavelength (J. E. Lynn and P. A. Seeger, At. Data
    Nucl. Data Tables 44 (1990) 191), with the value at the end of the table beyond it (about
    0.3 to 2.0–6.4 Å). All others are constants, Cd and Dy among them although they absorb too;
    their b'' follows from the absorption cross section at 1.798 Å. There are no values for Po, At,
    Rn, Fr, Ac and the elements from Bk on.

    Table ``"sears1992"`` holds the real values of V. F. Sears, Neutron News 3(3) (1992) 26, for
    elements in natural abundance and for D, as gemmi gives them; it serves comparison with other
    programs.

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
    if table == "periodictable":
        value = _current(species, wavelength)
    elif table == "sears1992":
        value = _sears_1992(species)
    else:
        raise InputError(f"scattering lengths {table!r}: choose one of {', '.join(TABLES)}")
    if value is None:
        raise StructureError(Reason.NO_SCATTERING_LENGTH, f"{species} in table {table}")
    return value


def _current(species: str, wavelength: float) -> complex | None:
    import periodictable  # half of this module's import time, and not needed for every table

    match = _SPECIES.fullmatch(species)
    if match is None:
        return None
    mass, symbol = match.groups()
    try:
        atom = periodictable.elements.symbol(symbol)
        neutron = (atom[int(mass)] if mass else atom).neutron
    except (ValueError, KeyError):
        return None
    if neutron.nsf_table is not None:
        return complex(np.interp(wavelength, *neutron.nsf_table))
    return None if neutron.b_c_complex is None else complex(neutron.b_c_complex)


def _sears_1992(species: str) -> complex | None:
    length = gemmi.Element(species).neutron92.calculate_sf(0.0)
    return complex(length) if length else None  # gemmi answers 0 where the table has no entry
