"""Constant-wavelength powder diffractometers: wavelength, grid and resolution."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from data_gen.errors import InputError
from data_gen.scattering import RADIATIONS

_POINTS_PER_FWHM = 2.5  # with fewer, the points of a Lorentz peak miss 0.1 % of its area
_MAX_POINTS = 100_000
LIMITS = {
    "wavelength": (0.05, 20),
    "eta": (0, 1),
    "x": (0, 200),
    "y": (0, 200),
    "ratio_2": (0, 1),
    "s_l": (0, 0.2),
    "h_l": (0, 0.2),
}
"""Least and largest value of what instruments and conditions of a pattern have in common."""


@dataclass(frozen=True)
class Instrument:
    """A diffractometer at one wavelength, and the 2θ grid on which its patterns are given.

    The full width at half maximum of a peak follows G. Caglioti, A. Paoletti and F. P. Ricci, Nucl.
    Instrum. 3 (1958) 223: FWHM² = U tan²θ + V tanθ + W. Its shape is a pseudo-Voigt function,
    η · Lorentz + (1 − η) · Gauss, which the Lorentz functions of width X tanθ + Y/cosθ broaden as
    P. Thompson, D. E. Cox and J. B. Hastings, J. Appl. Cryst. 20 (1987) 79, prescribe. With η = 0,
    U, V, W and X, Y are the Gauss and Lorentz widths of their function.

    Attributes:
        name: What the instrument is called in file names and reports.
        radiation: ``"neutron"`` or ``"xray"``.
        wavelength: In Å; of X-ray tubes that of Kα1.
        two_theta_min: First grid point, in degrees.
        two_theta_max: Last grid point, in degrees.
        two_theta_step: Distance of grid points, in degrees.
        u: Caglioti U in degrees².
        v: Caglioti V in degrees².
        w: Caglioti W in degrees².
        eta: Share η of the Lorentz function, 0 to 1.
        x: Lorentz width X in degrees.
        y: Lorentz width Y in degrees.
        wavelength_2: A second wavelength in Å, such as Kα2; 0 for none.
        ratio_2: Its intensity, as a fraction of that of the first.
        monochromator_two_theta: Scattering angle in degrees of a crystal monochromator, which
            polarises X-rays; 0 for none.
        s_l: Half height of the illuminated sample over its distance from the detector.
        h_l: Half height of the detector over that distance. With both above 0 peaks are asymmetric
            as in L. W. Finger, D. E. Cox and A. P. Jephcoat, J. Appl. Cryst. 27 (1994) 892.

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
    x: float = 0.0
    y: float = 0.0
    wavelength_2: float = 0.0
    ratio_2: float = 0.0
    monochromator_two_theta: float = 0.0
    s_l: float = 0.0
    h_l: float = 0.0

    def __post_init__(self) -> None:
        if self.radiation not in RADIATIONS:
            known = " or ".join(map(repr, RADIATIONS))
            raise InputError(f"radiation {self.radiation!r}: choose {known}")
        limits = LIMITS | {"monochromator_two_theta": (0, 90)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} {value}: give a number from {low:g} to {high:g}")
        if self.ratio_2 and not 0.98 < self.wavelength_2 / self.wavelength < 1.02:
            raise InputError(
                f"second wavelength {self.wavelength_2} Å: give one within 2 % of the first, "
                f"{self.wavelength} Å, or a ratio of 0"
            )
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

    def fwhm(self, two_theta: float) -> float:
        """Returns the width by Caglioti's formula of a peak, in degrees, at 2θ in degrees."""
        return float(self._squared_fwhm(np.array([two_theta]))[0]) ** 0.5

    def _squared_fwhm(self, two_theta: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        tangent = np.tan(np.radians(two_theta / 2))
        return (self.u * tangent + self.v) * tangent + self.w


DEFAULT_INSTRUMENT = "bt1_ge311"
"""The paper's."""

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
    # Widths from refinements of data measured on them, ranges and steps as in files users have.
    # `python -m benchmarks.overlay` shows how far they hold: mostly 0.7 to 1.6 times the measured.
    _named("bt1_cu311", 1.5403, (3.0, 167.75, 0.05), (0.133, -0.165, 0.100)),  # NIST
    _named("d1a", 1.909, (10.0, 156.0, 0.05), (0.196, -0.422, 0.361)),  # ILL
    _named("d20", 1.87, (10.0, 150.0, 0.1), (0.241, -0.528, 0.384)),  # ILL
    _named("hrpt", 1.494, (5.0, 165.0, 0.05), (0.084, -0.120, 0.126)),  # PSI
    _named("hb2a", 2.406, (2.0, 125.0, 0.05), (0.443, -0.246, 0.134)),  # ORNL
    _named("3t2", 1.2253, (2.0, 125.0, 0.05), (0.275, -0.394, 0.216)),  # LLB
    _named("d1b", 2.394, (4.0, 128.0, 0.05), (0.043, -0.089, 0.077)),  # ILL
)
# Of no machine in particular: what a laboratory's Bragg–Brentano diffractometer reaches with a
# copper tube, no monochromator and Soller slits. Wavelengths: G. Hölzer et al., Phys. Rev. A 56
# (1997) 4554.
_LABORATORY = Instrument(
    "cu_kalpha",
    radiation="xray",
    wavelength=1.540593,
    wavelength_2=1.544427,
    ratio_2=0.5,
    two_theta_min=5.0,
    two_theta_max=126.6,
    two_theta_step=0.02,
    u=0.006,
    v=-0.004,
    w=0.005,
    eta=0.5,
    s_l=0.02,
    h_l=0.02,
)
INSTRUMENTS = {instrument.name: instrument for instrument in (*_NAMED, _LABORATORY)}
"""Named instruments."""
DEFAULT_OF_RADIATION = {"neutron": DEFAULT_INSTRUMENT, "xray": _LABORATORY.name}
"""The instrument to take where only the radiation is given."""


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
