"""Crystals as packed arrays, and one of them unpacked and checked."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex128, Float64, Int64

from data_gen.kernels.compiled import kernel
from data_gen.kernels.sites import congruent, metric_tensor, symmetric_metric

(
    DONE,
    NO_CELL,
    TOO_LARGE,
    NO_AMPLITUDE,
    NO_DISPLACEMENT,
    NO_REFLECTIONS,
    NO_INTENSITY,
) = range(7)
"""What became of a crystal."""

MAX_REFLECTIONS = 1_000_000
MAX_TERMS = 1_000_000_000
"""Largest number of reflections times sites: about one second of work."""

_FLATTEST = 1e-9  # square of a cell's volume over that of a box with the same edges


class PackedSettings(NamedTuple):
    """Settings one after another; attributes as in `data_gen.setting.PreparedSetting`.

    Entries n of the ``…_from`` arrays are where the rows of setting n begin, and n + 1 where they
    end.
    """

    index_basis: Int64[np.ndarray, "settings 3 3"]
    axes: Float64[np.ndarray, "settings 3 3"]
    centric: Bool[np.ndarray, " settings"]
    operations_from: Int64[np.ndarray, " settings+1"]
    rotations: Float64[np.ndarray, "ops 3 3"]
    translations: Float64[np.ndarray, "ops 3"]
    laue_from: Int64[np.ndarray, " settings+1"]
    laue: Int64[np.ndarray, "laue 3 3"]
    shifts: Int64[np.ndarray, "laue 3"]
    k_bounds_from: Int64[np.ndarray, " settings+1"]
    k_bounds: Int64[np.ndarray, "k_bounds 2"]
    l_bounds_from: Int64[np.ndarray, " settings+1"]
    l_bounds: Int64[np.ndarray, "l_bounds 3"]


class PackedCrystals(NamedTuple):
    """Crystals one after another; attributes as in `data_gen.crystal.Crystal`.

    `setting` and `species` are numbers of rows in the tables of settings and scatterers; the sites
    of crystal n are those from sites_from[n] to before sites_from[n + 1].
    """

    setting: Int64[np.ndarray, " crystals"]
    sites_from: Int64[np.ndarray, " crystals+1"]
    species: Int64[np.ndarray, " sites"]
    occupancies: Float64[np.ndarray, " sites"]
    positions: Float64[np.ndarray, "sites 3"]
    displacements: Float64[np.ndarray, "sites 6"]


class Scatterers(NamedTuple):
    """What atoms scatter; see `data_gen.scattering`.

    Attributes:
        amplitudes: For each wavelength and species, NaN where unknown.
        form_factors: For each species.
        vary: Whether form factors are other than zero.
    """

    amplitudes: Complex128[np.ndarray, "wavelengths species"]
    form_factors: Float64[np.ndarray, "species 9"]
    vary: bool


class UnpackedCrystal(NamedTuple):
    """One crystal, unpacked; attributes as in `PackedCrystals` and `PackedSettings`.

    Amplitudes and form factors are those of its sites; the metric tensor is that of the primitive
    cell, in Å2.
    """

    cell: Float64[np.ndarray, "6"]
    metric: Float64[np.ndarray, "3 3"]
    index_basis: Int64[np.ndarray, "3 3"]
    axes: Float64[np.ndarray, "3 3"]
    centric: bool
    rotations: Float64[np.ndarray, "ops 3 3"]
    translations: Float64[np.ndarray, "ops 3"]
    laue: Int64[np.ndarray, "laue 3 3"]
    shifts: Int64[np.ndarray, "laue 3"]
    k_bounds: Int64[np.ndarray, "k_bounds 2"]
    l_bounds: Int64[np.ndarray, "l_bounds 3"]
    occupancies: Float64[np.ndarray, " sites"]
    positions: Float64[np.ndarray, "sites 3"]
    displacements: Float64[np.ndarray, "sites 6"]
    amplitudes: Complex128[np.ndarray, " sites"]
    form_factors: Float64[np.ndarray, "sites 9"]


@kernel
def unpack(
    i: int,
    cell: Float64[np.ndarray, "6"],
    distorted: bool,
    crystals: PackedCrystals,
    settings: PackedSettings,
    scatterers: Scatterers,
    row: int,
) -> UnpackedCrystal:
    """Returns crystal `i` with another cell and the amplitudes of a wavelength."""
    n = crystals.setting[i]
    sites = slice(crystals.sites_from[i], crystals.sites_from[i + 1])
    operations = slice(settings.operations_from[n], settings.operations_from[n + 1])
    laue = slice(settings.laue_from[n], settings.laue_from[n + 1])
    species = crystals.species[sites]
    metric = congruent(metric_tensor(cell), settings.axes[n])
    if distorted:
        metric = symmetric_metric(metric, settings.rotations[operations])
    return UnpackedCrystal(
        cell,
        metric,
        settings.index_basis[n],
        settings.axes[n],
        bool(settings.centric[n]),
        settings.rotations[operations],
        settings.translations[operations],
        settings.laue[laue],
        settings.shifts[laue],
        settings.k_bounds[settings.k_bounds_from[n] : settings.k_bounds_from[n + 1]],
        settings.l_bounds[settings.l_bounds_from[n] : settings.l_bounds_from[n + 1]],
        crystals.occupancies[sites],
        crystals.positions[sites],
        crystals.displacements[sites],
        scatterers.amplitudes[row][species],
        scatterers.form_factors[species],
    )


@kernel
def check(crystal: UnpackedCrystal, condition: Any) -> int:  # noqa: ANN401
    """Returns whether the crystal can be simulated, before any memory is taken for it."""
    for amplitude in crystal.amplitudes:
        if math.isnan(amplitude.real):
            return NO_AMPLITUDE
    if condition.displacements and np.isnan(crystal.displacements).any():
        return NO_DISPLACEMENT
    metric = crystal.metric
    squared_volume = _determinant(metric)
    if not squared_volume > _FLATTEST * metric[0, 0] * metric[1, 1] * metric[2, 2]:
        return NO_CELL  # also where something is not a number
    _, most = range_of_inverse_squares(condition)
    # Half of the sphere of radius 1/d is searched in rows of constant h, k.
    in_sphere = 2 / 3 * math.pi * most**1.5 * math.sqrt(squared_volume)
    searched = max(in_sphere, 2 * math.sqrt(metric[0, 0] * metric[1, 1]) * most)
    terms = searched * len(crystal.positions) * len(crystal.rotations)
    return DONE if searched <= MAX_REFLECTIONS and terms <= MAX_TERMS else TOO_LARGE


@kernel
def _determinant(g: Float64[np.ndarray, "3 3"]) -> float:
    """Returns the determinant of a metric tensor, the square of the cell's volume."""
    return (
        g[0, 0] * (g[1, 1] * g[2, 2] - g[1, 2] * g[1, 2])
        - g[0, 1] * (g[0, 1] * g[2, 2] - g[1, 2] * g[0, 2])
        + g[0, 2] * (g[0, 1] * g[1, 2] - g[1, 1] * g[0, 2])
    )


@kernel
def range_of_inverse_squares(condition: Any) -> tuple[float, float]:  # noqa: ANN401
    """Returns the smallest and largest 1/d² in Å⁻² that either wavelength shows."""
    long = max(condition.wavelength, condition.wavelength_2)
    short = condition.wavelength
    if condition.wavelength_2 > 0:
        short = min(short, condition.wavelength_2)
    low = math.sin(math.radians(condition.two_theta_min / 2))
    high = math.sin(math.radians(condition.two_theta_max / 2))
    return (2 * low / long) ** 2, (2 * high / short) ** 2
