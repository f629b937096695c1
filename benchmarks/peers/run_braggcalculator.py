"""braggcalculator: lines, and profiles of Gauss shape, with NumPy.

Loading a structure is part of what is timed: there the reflections are enumerated, after a search
for symmetry that this package does not do without.
"""
# pyright: reportMissingImports=false

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from braggcalculator import BraggCalculator
from braggcalculator.profiles import GaussianProfile
from measuring import (
    PATTERN_TWO_THETA,
    PATTERN_WAVELENGTH,
    STEP,
    TWO_THETA,
    WAVELENGTH,
    Lines,
    Peer,
    each,
    measure,
    options,
)
from pymatgen.analysis.diffraction.neutron import ATOMIC_SCATTERING_LEN
from pymatgen.core import Lattice, Structure

_FWHM = 0.4  # degrees: about the mean of the instrument's over its range


def prepare(crystal: Mapping[str, Any]) -> Structure:
    """Makes a structure of all atoms of the cell; the package finds its symmetry itself."""
    lattice = Lattice.from_parameters(*crystal["cell"])
    return Structure(lattice, crystal["atoms"]["species"], crystal["atoms"]["positions"])


def calculator(
    radiation: str, wavelength: float, two_theta: tuple[float, float]
) -> BraggCalculator:
    """Returns a calculator that enumerates no more reflections than asked for."""
    most = 4 * math.pi / wavelength * math.sin(math.radians(two_theta[1] / 2))
    return BraggCalculator(
        mode=radiation,
        wavelength=wavelength,
        two_theta_range=two_theta,
        two_theta_step=STEP,
        q_range=(0.0, most),
        profile=GaussianProfile(_FWHM),
    )


def lines(result: tuple[Any, Any]) -> Lines:
    """Returns d and intensity."""
    two_theta, intensity = result
    d = [WAVELENGTH / 2 / math.sin(math.radians(angle / 2)) for angle in two_theta]
    return d, intensity


def main() -> None:
    """Measures braggcalculator."""
    chosen = options()
    patterns = chosen.task == "patterns"
    if patterns:
        calculated = calculator(chosen.radiation, PATTERN_WAVELENGTH, PATTERN_TWO_THETA)
    else:
        calculated = calculator(chosen.radiation, WAVELENGTH, TWO_THETA)

    def calculate(structure: Structure) -> tuple[Any, Any]:
        calculated.load(structure)
        return calculated.pattern() if patterns else calculated.line_pattern()

    peer = Peer(
        version=version("braggcalculator"),
        prepare=prepare,
        calculate=each(calculate),
        lines=None if patterns else lines,
        scattering_length=ATOMIC_SCATTERING_LEN.__getitem__
        if chosen.radiation == "neutron"
        else None,
    )
    measure(peer, chosen)


if __name__ == "__main__":
    main()
