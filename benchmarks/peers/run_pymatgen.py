"""pymatgen: `NDCalculator` for neutrons, `XRDCalculator` for X-rays."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, cast

from measuring import TWO_THETA, WAVELENGTH, Lines, Peer, each, measure, options
from pymatgen.analysis.diffraction.core import DiffractionPattern
from pymatgen.analysis.diffraction.neutron import ATOMIC_SCATTERING_LEN, NDCalculator
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.core import Lattice, Structure


def prepare(crystal: Mapping[str, Any]) -> Structure:
    """Makes a structure of all atoms of the cell: these calculators use no symmetry."""
    lattice = Lattice.from_parameters(*crystal["cell"])
    return Structure(lattice, crystal["atoms"]["species"], crystal["atoms"]["positions"])


def lines(pattern: DiffractionPattern) -> Lines:
    """Returns d and intensity."""
    return list(pattern.d_hkls), list(pattern.y)


def main() -> None:
    """Measures pymatgen."""
    chosen = options()
    neutrons = chosen.radiation == "neutron"
    calculator = NDCalculator(WAVELENGTH) if neutrons else XRDCalculator(cast(Any, WAVELENGTH))

    def calculate(structure: Structure) -> DiffractionPattern:
        return calculator.get_pattern(structure, scaled=False, two_theta_range=TWO_THETA)

    peer = Peer(
        version=version("pymatgen"),
        prepare=prepare,
        calculate=each(calculate),
        lines=lines,
        scattering_length=ATOMIC_SCATTERING_LEN.__getitem__ if neutrons else None,
    )
    measure(peer, chosen)


if __name__ == "__main__":
    main()
