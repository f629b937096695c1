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

MAX_PHASES = 10_000_000
"""Largest number of sites times indices h, k, l: their phases take 16 bytes each."""

_FLATTEST = 1e-9  # square of a cell's volume over that of a box with the same edges


class PreparedSetting(NamedTuple):
    """A setting as arrays, in the axes of a primitive cell.

    Operations are taken modulo the lattice, so centring translations are left out.

    Attributes:
        index_basis: The primitive cell, see `data_gen.operations.PrimitiveOperations`.
        axes: Its inverse.
        centric: Whether there is an inversion centre.
        rotations: Rotation matrices, acting on columns of coordinates; in a centrosymmetric group
            the proper ones only, as the inversion makes the rest.
        translations: Their translations, as fractions. In a centrosymmetric group they lead to
            coordinates with the origin in an inversion centre, wherever it lies.
        laue: Rotations of the Laue group, acting on rows of indices from the right.
        shifts: Translations, in 1/DEN, of the operations with these rotations; zeros where the
            rotation belongs to the Laue group alone.
        k_bounds: Rows (α, β); every representative reflection has α h + β k ≤ 0.
        l_bounds: Rows (α, β, γ); every representative reflection has α h + β k + γ l ≤ 0.
    """

    index_basis: Int64[np.ndarray, "3 3"]
    axes: Float64[np.ndarray, "3 3"]
    centric: bool
    rotations: Float64[np.ndarray, "ops 3 3"]
    translations: Float64[np.ndarray, "ops 3"]
    laue: Int64[np.ndarray, "laue 3 3"]
    shifts: Int64[np.ndarray, "laue 3"]
    k_bounds: Int64[np.ndarray, "k_bounds 2"]
    l_bounds: Int64[np.ndarray, "l_bounds 3"]


class PackedSettings(NamedTuple):
    """Settings one after another; attributes as in `PreparedSetting`.

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
    """One crystal by itself.

    Attributes:
        metric: Metric tensor of the primitive cell, in Å2.
        setting: Its setting.
        occupancies: This and what follows: of its sites.
        positions: Conventional coordinates.
        displacements: See `data_gen.crystal.Crystal`.
        amplitudes: See `Scatterers`.
        form_factors: See `Scatterers`.
    """

    metric: Float64[np.ndarray, "3 3"]
    setting: PreparedSetting
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
    setting = _unpack_setting(settings, crystals.setting[i])
    metric = congruent(metric_tensor(cell), setting.axes)
    if distorted:
        metric = symmetric_metric(metric, setting.rotations)
    sites = slice(crystals.sites_from[i], crystals.sites_from[i + 1])
    species = crystals.species[sites]
    return UnpackedCrystal(
        metric,
        setting,
        crystals.occupancies[sites],
        crystals.positions[sites],
        crystals.displacements[sites],
        scatterers.amplitudes[row][species],
        scatterers.form_factors[species],
    )


@kernel
def _unpack_setting(settings: PackedSettings, n: int) -> PreparedSetting:
    operations = slice(settings.operations_from[n], settings.operations_from[n + 1])
    laue = slice(settings.laue_from[n], settings.laue_from[n + 1])
    return PreparedSetting(
        settings.index_basis[n],
        settings.axes[n],
        bool(settings.centric[n]),
        settings.rotations[operations],
        settings.translations[operations],
        settings.laue[laue],
        settings.shifts[laue],
        settings.k_bounds[settings.k_bounds_from[n] : settings.k_bounds_from[n + 1]],
        settings.l_bounds[settings.l_bounds_from[n] : settings.l_bounds_from[n + 1]],
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
    images = len(crystal.positions) * len(crystal.setting.rotations)
    indices = 0.0
    for i in range(3):
        indices += math.sqrt(most * metric[i, i]) + 1
    possible = (
        searched <= MAX_REFLECTIONS
        and searched * images <= MAX_TERMS
        and indices * images <= MAX_PHASES
    )
    return DONE if possible else TOO_LARGE


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
    long = short = condition.wavelength
    if condition.ratio_2 > 0:
        long, short = max(long, condition.wavelength_2), min(short, condition.wavelength_2)
    low = math.sin(math.radians(condition.two_theta_min / 2))
    high = math.sin(math.radians(condition.two_theta_max / 2))
    return (2 * low / long) ** 2, (2 * high / short) ** 2
