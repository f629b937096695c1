"""gemmi: one reflection after the other in a Python loop, as its documentation shows."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import gemmi
import numpy as np
from measuring import D_MAX, D_MIN, WAVELENGTH, Lines, Peer, each, measure, options

Calculator = gemmi.StructureFactorCalculatorN | gemmi.StructureFactorCalculatorX

_EV = 12398.4198  # eV Å


def prepare(crystal: Mapping[str, Any]) -> gemmi.SmallStructure:
    """Makes a small structure with its images."""
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*crystal["cell"])
    operations = gemmi.symops_from_hall(crystal["hall"])
    structure.spacegroup = gemmi.find_spacegroup_by_ops(operations)
    structure.setup_cell_images()
    rows = zip(crystal["species"], crystal["positions"], crystal["occupancies"], strict=True)
    for symbol, position, occupancy in rows:
        site = gemmi.SmallStructure.Site()
        site.label, site.type_symbol, site.element = symbol, symbol, gemmi.Element(symbol)
        site.fract, site.occ = gemmi.Fractional(*position), occupancy
        structure.add_site(site)
    structure.change_occupancies_to_crystallographic()
    return structure


def neutron_calculator(structure: gemmi.SmallStructure) -> gemmi.StructureFactorCalculatorN:
    """Returns a calculator for one cell."""
    return gemmi.StructureFactorCalculatorN(structure.cell)


def xray_calculator(structure: gemmi.SmallStructure) -> gemmi.StructureFactorCalculatorX:
    """Returns a calculator for one cell that knows the real part of the dispersion."""
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    for element in {site.element.atomic_number for site in structure.sites}:
        calculator.addends.set(gemmi.Element(element), f_prime(element))
    return calculator


@cache
def f_prime(number: int) -> float:
    """Returns f' of an element in electrons; none is tabulated for the lightest."""
    return gemmi.cromer_liberman(number, _EV / WAVELENGTH)[0] if number > 2 else 0.0


def intensities(
    structure: gemmi.SmallStructure, calculator: Calculator, polarised: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns d and intensity of the unique reflections."""
    hkl = gemmi.make_miller_array(structure.cell, structure.spacegroup, D_MIN, D_MAX)
    amplitude = calculator.calculate_sf_from_small_structure
    factors = np.array([amplitude(structure, index) for index in hkl.tolist()])
    operations = structure.spacegroup.operations()
    multiplicity = len(operations.sym_ops) / operations.epsilon_factor_without_centering_array(hkl)
    if not operations.is_centrosymmetric():
        multiplicity = multiplicity * np.where(operations.centric_flag_array(hkl), 1, 2)
    d = structure.cell.calculate_d_array(hkl)
    sine2 = (WAVELENGTH / 2 / d) ** 2
    corrections = multiplicity / (sine2 * np.sqrt(1 - sine2))
    if polarised:
        corrections *= 1 + (1 - 2 * sine2) ** 2
    return d, np.abs(factors) ** 2 * corrections


def lines(result: tuple[np.ndarray, np.ndarray]) -> Lines:
    """Returns d and intensity."""
    return result[0].tolist(), result[1].tolist()


def main() -> None:
    """Measures gemmi."""
    chosen = options()
    neutrons = chosen.radiation == "neutron"
    calculator = neutron_calculator if neutrons else xray_calculator

    def length(symbol: str) -> complex:
        return gemmi.Element(symbol).neutron92.calculate_sf(0.0)

    peer = Peer(
        version=version("gemmi"),
        prepare=prepare,
        calculate=each(lambda s: intensities(s, calculator(s), polarised=not neutrons)),
        lines=lines,
        scattering_length=length if neutrons else None,
    )
    measure(peer, chosen)


if __name__ == "__main__":
    main()
