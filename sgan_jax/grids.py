"""The grids on which networks see patterns: 3041 points, from large lattice spacings to small.

A measured intensity is a density over 2θ: a reflection of strength m|F|² makes a peak of area
m|F|²/(sin²θ cosθ) there. Over 1/d = 2 sinθ/λ the same curve, point for point, has peaks of area
m|F|²/(sin²θ λ), which is 4/λ³ · m|F|² d²: a constant of the instrument times a property of the
crystal. So the curve is drawn over another axis, intensities as they are, and the Lorentz factor is
corrected for; the constant goes with the division by the maximum.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64

from data_gen.instrument import DEFAULT_INSTRUMENT, instrument

POINTS = 3041
NOT_MEASURED = -1.0
"""What stands in a pattern where the measurement did not reach; intensities are from 0 to 1."""

_LEAST_INVERSE_D = {"inverse_d": 0.03, "log_d": 0.04}  # Å⁻¹
_LARGEST_INVERSE_D = 0.94  # Å⁻¹: as far as the paper's instrument sees


@dataclass(frozen=True)
class Grid:
    """Points at which patterns of any wavelength and range are given.

    Attributes:
        axis: `two_theta`, of the paper's instrument; `inverse_d`, equal steps in 1/d; or `log_d`,
            equal steps in the logarithm of d, on which a change of cell size is a shift.
    """

    axis: str

    @cached_property
    def edges(self) -> Float64[np.ndarray, "points+1"]:
        """Limits between the points in 1/d, Å⁻¹, ascending."""
        if self.axis == "two_theta":
            paper = instrument(DEFAULT_INSTRUMENT)
            angles = paper.two_theta_min + paper.two_theta_step * (np.arange(POINTS + 1) - 0.5)
            edges = 2 * np.sin(np.radians(angles / 2)) / paper.wavelength
        elif self.axis == "inverse_d":
            edges = np.linspace(_LEAST_INVERSE_D[self.axis], _LARGEST_INVERSE_D, POINTS + 1)
        else:
            ends = math.log(_LEAST_INVERSE_D[self.axis]), math.log(_LARGEST_INVERSE_D)
            edges = np.exp(np.linspace(*ends, POINTS + 1))
        edges.flags.writeable = False
        return edges

    @cached_property
    def centres(self) -> Float64[np.ndarray, "points"]:
        """The points in 1/d, Å⁻¹, ascending."""
        return (self.edges[1:] + self.edges[:-1]) / 2


GRIDS: Mapping[str, Grid] = MappingProxyType(
    {axis: Grid(axis) for axis in ("two_theta", "inverse_d", "log_d")}
)
"""The grids by their axis."""
