"""Constant-wavelength powder diffractometers: wavelength, grid and resolution."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from data_gen.errors import InputError

_POINTS_PER_FWHM = 2.5  # with fewer, the points of a Lorentz peak miss 0.1 % of its area
_MAX_POINTS = 100_000
_REACH_IN = 3.0  # FWHM: peaks within this distance outside the grid are drawn for their tails
_LARGEST_TWO_THETA = 179.0  # beyond, the Lorentz factor grows without bound


@dataclass(frozen=True)
class Instrument:
    """A diffractometer at one wavelength, and the 2θ grid on which its patterns are given.

    The full width at half maximum of a peak follows G. Caglioti, A. Paoletti and F. P. Ricci, Nucl.
    Instrum. 3 (1958) 223: FWHM² = U tan²θ + V tanθ + W. Its shape is a pseudo-Voigt function,
    η · Lorentz + (1 − η) · Gauss.

    Attributes:
        name: What the instrument is called in file names and reports.
        radiation: ``"neutron"``.
        wavelength: In Å.
        two_theta_min: First grid point, in degrees.
        two_theta_max: Last grid point, in degrees.
        two_theta_step: Distance of grid points, in degrees.
        u: Caglioti U in degrees².
        v: Caglioti V in degrees².
        w: Caglioti W in degrees².
        eta: Share η of the Lorentz function, 0 to 1.

    Raises:
        InputError: A value is impossible, or the grid is too coarse for the narrowest peak.
    """

    name: str
    _: KW_ONLY
    radiation: str = "neutron"
    wavelength: float
    two_theta_min: float
    two_theta_max: float
    two_theta_step: float
    u: float
    v: float
    w: float
    eta: float

    def __post_init__(self) -> None:
        if self.radiation != "neutron":
            raise InputError(f"radiation {self.radiation!r}: only 'neutron' is known")
        if not 0.05 <= self.wavelength <= 20:
            raise InputError(f"wavelength {self.wavelength} Å: give one from 0.05 to 20 Å")
        if not 0 <= self.eta <= 1:
            raise InputError(f"mixing eta {self.eta}: give a number from 0 to 1")
        self._check_grid()
        self._check_resolution()

    def _check_grid(self) -> None:
        low, high, step = self.two_theta_min, self.two_theta_max, self.two_theta_step
        remedy = "give start < stop, both within 0 to 180 degrees, and a positive step"
        if not (0 < low < high < 180 and 0 < step <= high - low):
            raise InputError(f"two-theta range {low}:{high}:{step}: {remedy}")
        if (high - low) / step > _MAX_POINTS:
            raise InputError(
                f"two-theta range {low}:{high}:{step} has over {_MAX_POINTS} points: "
                "give a larger step"
            )

    def _check_resolution(self) -> None:
        squared = float(np.min(self._squared_fwhm(self.two_theta)))
        least = _POINTS_PER_FWHM * self.two_theta_step
        if not squared >= least**2:
            width = f"{squared**0.5:.3g}°" if squared > 0 else "not positive"
            raise InputError(
                f"instrument {self.name}: the narrowest peak width is {width}, and the step "
                f"{self.two_theta_step}° asks for at least {least:g}°: give a smaller step or "
                "other U, V, W"
            )

    @cached_property
    def two_theta(self) -> Float64[np.ndarray, "points"]:
        """The grid, in degrees."""
        span = self.two_theta_max - self.two_theta_min
        points = int(span / self.two_theta_step + 1e-6) + 1
        grid = self.two_theta_min + self.two_theta_step * np.arange(points)
        grid.flags.writeable = False
        return grid

    @cached_property
    def reflection_range(self) -> tuple[float, float]:
        """First and last 2θ, in degrees, of the reflections that a pattern is made of."""
        low, high = self.two_theta_min, self.two_theta_max
        outside = max(low - _REACH_IN * self.fwhm(low), low / 2)
        beyond = min(high + _REACH_IN * self.fwhm(high), _LARGEST_TWO_THETA)
        return outside, max(beyond, high)

    def fwhm(self, two_theta: float) -> float:
        """Returns the full width at half maximum of a peak, in degrees, at 2θ in degrees."""
        return float(self._squared_fwhm(np.array([two_theta]))[0]) ** 0.5

    def _squared_fwhm(self, two_theta: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        tangent = np.tan(np.radians(two_theta / 2))
        return (self.u * tangent + self.v) * tangent + self.w


DEFAULT_INSTRUMENT = "bt1_ge311"

_USUAL_ETA = 0.15  # where the mixing is not documented: the middle of what is usual, 0 to 0.3


def _named(
    name: str,
    wavelength: float,
    grid: tuple[float, float, float],
    caglioti: tuple[float, float, float],
    eta: float = _USUAL_ETA,
) -> Instrument:
    low, high, step = grid
    u, v, w = caglioti
    return Instrument(
        name,
        wavelength=wavelength,
        two_theta_min=low,
        two_theta_max=high,
        two_theta_step=step,
        u=u,
        v=v,
        w=w,
        eta=eta,
    )


_NAMED = (
    # BT-1, NIST, with Ge(311): grid, width and mixing of the paper's simulated patterns.
    _named("bt1_ge311", 2.0785, (3.0, 155.0, 0.05), (0.327, -0.017, 0.026), 0.12),
    # Widths from refinements of data measured on them; ranges and steps as in files users have.
    _named("bt1_cu311", 1.5403, (3.0, 167.75, 0.05), (0.133, -0.165, 0.100)),  # NIST
    _named("d1a", 1.909, (10.0, 156.0, 0.05), (0.196, -0.422, 0.361)),  # ILL
    _named("d20", 1.87, (10.0, 150.0, 0.1), (0.241, -0.528, 0.384)),  # ILL
    _named("hrpt", 1.494, (5.0, 165.0, 0.05), (0.084, -0.120, 0.126)),  # PSI
    _named("hb2a", 2.406, (2.0, 125.0, 0.05), (0.443, -0.246, 0.134)),  # ORNL
    _named("3t2", 1.2253, (2.0, 125.0, 0.05), (0.275, -0.394, 0.216)),  # LLB
    _named("d1b", 2.394, (4.0, 128.0, 0.05), (0.043, -0.089, 0.077)),  # ILL
)
INSTRUMENTS = {instrument.name: instrument for instrument in _NAMED}
"""Named instruments."""


def instrument(name: str) -> Instrument:
    """Returns one of `INSTRUMENTS`.

    Raises:
        InputError: The name is unknown.
    """
    try:
        return INSTRUMENTS[name]
    except KeyError:
        known = ", ".join(INSTRUMENTS)
        raise InputError(f"unknown instrument {name!r}: choose one of {known}") from None
