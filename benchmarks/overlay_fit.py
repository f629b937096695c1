"""Lays simulated patterns over a measured one: cell, zero shift, scale and background.

The structure stays as it is. One displacement parameter B for all atoms and the widths U, V, W are
fitted too, to see what they explain; with atoms at rest and the widths of the named instrument, and
the scale fitted anew, the pattern is that of the simulator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.optimize import least_squares

from data_gen.conditions import conditions, reaching_in
from data_gen.crystal import Crystal
from data_gen.instrument import Instrument
from data_gen.orbits import cell_of_metric, metric_tensor
from data_gen.profile import render
from data_gen.reflections import StickList, reflections
from data_gen.sample import IDEAL
from data_gen.symmetry import average_metric

_STEP = 0.02  # degrees: of the grid on which patterns are drawn before they are compared
_MARGIN = 1.0  # degrees: what that grid has at either end beyond the measured one
_BACKGROUND = 8  # Chebyshev polynomials, beside 1/2θ for what comes from the direct beam
_STRAINS = np.linspace(-0.03, 0.03, 61)  # of all axes, tried before the axes are fitted
_BLURS = (1.0, 0.4, 0.15, 0.0)  # degrees: peaks made wider first, so that they find one another
_CELL_SIZE = 1e-3  # usual relative change of a cell
_OTHER_SIZES = (0.02, 0.5, 0.1, 0.1, 0.1)  # usual zero shift in degrees, B in Å2, widths
_ABOVE = 0.01  # of the highest point: where peaks are
_STEP_SHARE = 0.02  # of these: steps of numerical derivatives


class Measurement(NamedTuple):
    """A measured pattern as it is fitted.

    Attributes:
        two_theta: In degrees.
        intensity: In counts or in any other unit.
        sigma: Standard uncertainty of the intensity; infinite where it is to have no weight.
    """

    two_theta: Float64[np.ndarray, " points"]
    intensity: Float64[np.ndarray, " points"]
    sigma: Float64[np.ndarray, " points"]


class Curve(NamedTuple):
    """A simulated pattern over a measured one.

    Attributes:
        values: Sum of the phases and the background at the measured points.
        weighted_residual: Rwp: √(Σ w (y − f)² / Σ w y²) with w = 1/σ².
        peak_residual: The same over the points where the peaks rise above the background, with the
            background taken off: not made small by a high background.
    """

    values: Float64[np.ndarray, " points"]
    weighted_residual: float
    peak_residual: float


@dataclass(frozen=True, eq=False)
class Fit:
    """Simulated patterns fitted to a measured one.

    Attributes:
        crystals: The phases with the cells found.
        zero: Shift of 2θ in degrees: measured minus simulated.
        displacement: B of all atoms in Å2.
        widths: Factors on the widths of the instrument at the low end, in the middle and at the
            high end of the pattern.
        background: At the measured points.
        sticks: Reflections of each phase, at measured 2θ.
        plain: With the widths of the instrument and atoms at rest.
        adapted: With the factors on the widths and with B.
    """

    crystals: tuple[Crystal, ...]
    zero: float
    displacement: float
    widths: tuple[float, float, float]
    background: Float64[np.ndarray, " points"]
    sticks: tuple[StickList, ...]
    plain: Curve
    adapted: Curve


class _Model:
    """The phases over one measurement.

    Parameters are, in this order, the coordinates of each phase's metric tensor among those that
    its symmetry allows (relative changes), the zero shift in degrees, B in Å² and the logarithms of
    the three factors on the widths.
    """

    def __init__(
        self, crystals: Sequence[Crystal], measured: Measurement, instrument: Instrument
    ) -> None:
        self.crystals = tuple(crystals)
        self.measured = measured
        low, high = measured.two_theta[0] - _MARGIN, measured.two_theta[-1] + _MARGIN
        self.instrument = replace(
            instrument,
            two_theta_min=max(low, 0.5),
            two_theta_max=min(high, 179.0),
            two_theta_step=_STEP,
        )
        self.directions = [_free_directions(crystal) for crystal in self.crystals]
        tangents = np.tan(np.radians(np.linspace(low + _MARGIN, high - _MARGIN, 3) / 2))
        self._powers = np.vander(tangents, 3)
        self._squares = self._powers @ [instrument.u, instrument.v, instrument.w]
        self._smooth = _smooth_functions(measured.two_theta)
        self._basis, self._triangle = np.linalg.qr(self._smooth / measured.sigma[:, None])
        self._net = self._foreground(measured.intensity)

    @property
    def n_cell(self) -> int:
        return sum(map(len, self.directions))

    def changed(self, parameters: np.ndarray) -> tuple[Crystal, ...]:
        """Returns the crystals with other cells."""
        changed, first = [], 0
        for crystal, directions in zip(self.crystals, self.directions, strict=True):
            end = first + len(directions)
            metric = metric_tensor(crystal.cell)
            metric = metric + np.tensordot(parameters[first:end], directions, 1)
            changed.append(replace(crystal, cell=cell_of_metric(metric)))
            first = end
        return tuple(changed)

    def sticks(self, parameters: np.ndarray) -> tuple[StickList, ...]:
        chosen = self.instrument
        found = []
        for crystal in self.changed(parameters):
            sticks = reflections(crystal, chosen.wavelength, _seen_range(chosen))
            weakening = np.exp(-parameters[-4] / (2 * sticks.d**2))
            found.append(replace(sticks, intensity=sticks.intensity * weakening))
        return tuple(found)

    def patterns(self, parameters: np.ndarray, blur: float) -> np.ndarray:
        """Returns the phases' patterns, not yet scaled, at the measured points."""
        u, v, w = np.linalg.solve(self._powers, self._squares * np.exp(2 * parameters[-3:]))
        wide = replace(self.instrument, u=u, v=v, w=w + blur**2)
        places = self.measured.two_theta - parameters[-5]
        drawn = [
            np.interp(places, wide.two_theta, render(sticks.two_theta, sticks.intensity, wide))
            for sticks in self.sticks(parameters)
        ]
        return np.column_stack(drawn)

    def scales(self, patterns: np.ndarray) -> np.ndarray:
        """Returns the factors with which the patterns, with a background, fit best."""
        return np.linalg.lstsq(self._foreground(patterns), self._net)[0]

    def residuals(self, parameters: np.ndarray, blur: float) -> np.ndarray:
        """Returns what the best scales and background leave, in units of the uncertainty."""
        patterns = self.patterns(parameters, blur)
        return self._net - self._foreground(patterns) @ self.scales(patterns)

    def background(self, parameters: np.ndarray) -> np.ndarray:
        """Returns the background that fits best under the scaled patterns."""
        patterns = self.patterns(parameters, 0.0)
        peaks = patterns @ self.scales(patterns)
        rest = (self.measured.intensity - peaks) / self.measured.sigma
        return self._smooth @ np.linalg.solve(self._triangle, self._basis.T @ rest)

    def curve(self, parameters: np.ndarray, background: np.ndarray) -> Curve:
        """Returns the whole pattern, scaled to fit best over a background."""
        _, intensity, sigma = self.measured
        patterns, net = self.patterns(parameters, 0.0), (intensity - background) / sigma
        peaks = patterns @ np.linalg.lstsq((patterns.T / sigma).T, net)[0]
        difference = net - peaks / sigma
        above = peaks > _ABOVE * peaks.max()
        return Curve(
            background + peaks,
            weighted_residual=_norm(difference) / _norm(intensity / sigma),
            peak_residual=_norm(difference[above]) / _norm(net[above]),
        )

    def _foreground(self, patterns: np.ndarray) -> np.ndarray:
        """Returns weighted columns without what a background can make of them."""
        weighted = (patterns.T / self.measured.sigma).T
        return weighted - self._basis @ (self._basis.T @ weighted)


def fit(crystals: Sequence[Crystal], measured: Measurement, instrument: Instrument) -> Fit:
    """Fits cells, zero shift, scales and background, one factor on the widths and one B.

    Args:
        crystals: The phases.
        measured: The pattern.
        instrument: Wavelength and widths; its grid does not matter.
    """
    model = _Model(crystals, measured, instrument)
    parameters = _coarse(model)
    for blur in _BLURS:
        parameters = _refined(model, parameters, model.n_cell + 1, blur)
    parameters = _refined(model, parameters, len(parameters), 0.0)
    return _result(model, parameters)


def _coarse(model: _Model) -> np.ndarray:
    """Returns the parameters of the best common strain of all axes of all phases."""
    whole = [  # the metric tensor of each phase, in the coordinates that are its parameters
        np.linalg.lstsq(directions.reshape(-1, 9).T, metric_tensor(crystal.cell).ravel())[0]
        for directions, crystal in zip(model.directions, model.crystals, strict=True)
    ]
    whole = np.concatenate([*whole, np.zeros(len(_OTHER_SIZES))])
    tried = [((1 + strain) ** 2 - 1) * whole for strain in _STRAINS]
    return min(tried, key=lambda p: float(np.sum(model.residuals(p, _BLURS[0]) ** 2)))


def _refined(model: _Model, start: np.ndarray, free: int, blur: float) -> np.ndarray:
    """Returns the best parameters, of which only the first few are free."""
    sizes = np.concatenate([np.full(model.n_cell, _CELL_SIZE), _OTHER_SIZES])[:free]

    def residuals(values: np.ndarray) -> np.ndarray:
        return model.residuals(np.concatenate([values, start[free:]]), blur)

    def slopes(values: np.ndarray) -> np.ndarray:
        # Patterns are single precision: the steps that least_squares would take drown in rounding.
        steps = np.diag(_STEP_SHARE * sizes)
        changes = [residuals(values + step) - residuals(values - step) for step in steps]
        return np.column_stack(changes) / (2 * _STEP_SHARE * sizes)

    jacobian: Any = slopes  # the stubs know of names of schemes alone
    found = least_squares(residuals, start[:free], jac=jacobian, x_scale=sizes, ftol=1e-6)
    return np.concatenate([found.x, start[free:]])


def _result(model: _Model, parameters: np.ndarray) -> Fit:
    background = model.background(parameters)
    zero, displacement, *widths = parameters[-5:]
    plain = np.concatenate([parameters[:-4], np.zeros(4)])
    return Fit(
        crystals=model.changed(parameters),
        zero=float(zero),
        displacement=float(displacement),
        widths=tuple(np.exp(widths).tolist()),
        background=background,
        sticks=tuple(
            replace(sticks, two_theta=sticks.two_theta + zero) for sticks in model.sticks(plain)
        ),
        plain=model.curve(plain, background),
        adapted=model.curve(parameters, background),
    )


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.sum(values**2)))


def _free_directions(crystal: Crystal) -> Float64[np.ndarray, "free 3 3"]:
    """Returns metric tensors, of the size of the crystal's, that span what its symmetry allows."""
    lengths = crystal.cell[:3]
    found: list[np.ndarray] = []
    for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        unit = np.zeros((3, 3))
        unit[i, j] = unit[j, i] = lengths[i] * lengths[j]
        direction = average_metric(unit, crystal.setting)
        rank = np.linalg.matrix_rank(
            np.array([*found, direction]).reshape(-1, 9) / np.max(lengths) ** 2, tol=1e-6
        )
        if rank > len(found):
            found.append(direction)
    return np.array(found)


def _smooth_functions(two_theta: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n functions"]:
    reduced = 2 * (two_theta - two_theta[0]) / (two_theta[-1] - two_theta[0]) - 1
    chebyshev = np.polynomial.chebyshev.chebvander(reduced, _BACKGROUND)
    return np.column_stack([chebyshev, two_theta[0] / two_theta])


def _seen_range(chosen: Instrument) -> tuple[float, float]:
    """Returns the range of reflections whose peaks or tails lie on the grid."""
    row = reaching_in(conditions(chosen, IDEAL), chosen.two_theta_min, chosen.two_theta_max)[0]
    return float(row["two_theta_min"]), float(row["two_theta_max"])
