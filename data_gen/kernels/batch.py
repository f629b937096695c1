"""Stick lists and patterns of many crystals in one call."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex128, Float32, Float64, Int64

from data_gen.kernels.compiled import kernel
from data_gen.kernels.enumeration import unique_reflections
from data_gen.kernels.intensities import apply_march_dollase, lorentz_polarisation
from data_gen.kernels.motion import motion_of_images, primitive_displacements
from data_gen.kernels.peaks import draw_peaks
from data_gen.kernels.sites import (
    congruent,
    distinct_images,
    metric_tensor,
    primitive_positions,
    symmetric_metric,
)
from data_gen.kernels.structure_factors import (
    squares_of_constant_amplitudes,
    squares_of_varying_amplitudes,
)

DONE, TOO_LARGE, NO_AMPLITUDE, NO_DISPLACEMENT, NO_REFLECTIONS, NO_INTENSITY = range(6)
"""What became of a crystal."""

MAX_REFLECTIONS = 1_000_000
MAX_TERMS = 1_000_000_000
"""Largest number of reflections times sites: about one second of work."""


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


class _Reflections(NamedTuple):
    """Reflections of one crystal, in the primitive cell; `strength` is what one d contributes."""

    status: int
    indices: Int64[np.ndarray, "n 3"]
    inverse_squares: Float64[np.ndarray, " n"]
    multiplicity: Int64[np.ndarray, " n"]
    f_squared: Float64[np.ndarray, " n"]
    strength: Float64[np.ndarray, " n"]


@kernel
def fill_patterns(
    which: Int64[np.ndarray, " patterns"],
    cells: Float64[np.ndarray, "patterns 6"],
    distorted: bool,
    crystals: PackedCrystals,
    settings: PackedSettings,
    scatterers: Scatterers,
    conditions: np.ndarray,
    rows: Int64[np.ndarray, " patterns"],
    start: float,
    step: float,
    patterns: Float32[np.ndarray, "patterns points"],
    statuses: Int64[np.ndarray, " patterns"],
) -> None:
    """Simulates patterns on one grid.

    Args:
        which: Number of the crystal that each pattern is of.
        cells: Cell of each.
        distorted: Whether these are to be given the exact shape of their symmetry first.
        crystals: The crystals.
        settings: Their settings.
        scatterers: Their species.
        conditions: Rows of `data_gen.conditions.CONDITIONS`, one per pattern.
        rows: Row of `scatterers.amplitudes` for each pattern.
        start: First point of the grid, in degrees.
        step: Distance of its points, in degrees.
        patterns: Receives the patterns, from 0 to 1; zeros where one could not be made.
        statuses: Receives `DONE` or what was wrong.
    """
    for n in range(len(which)):
        patterns[n] = 0
        amplitudes = scatterers.amplitudes[rows[n]]
        found = _reflections(
            which[n], cells[n], distorted, crystals, settings, amplitudes, scatterers, conditions[n]
        )
        statuses[n] = found.status
        if found.status == DONE:
            statuses[n] = _draw(found, conditions[n], start, step, patterns[n])


@kernel
def _draw(
    found: _Reflections,
    condition: Any,  # noqa: ANN401
    start: float,
    step: float,
    pattern: Float32[np.ndarray, " points"],
) -> int:
    """Draws the reflections of one crystal and scales the pattern; returns the status."""
    wavelengths = (condition.wavelength, condition.wavelength_2)
    shares = (1.0, condition.ratio_2)
    end = start + step * (len(pattern) - 1)
    inside = False
    for n in range(2):
        if shares[n] > 0:
            two_theta, intensity = _observe(found, wavelengths[n], shares[n], condition)
            draw_peaks(pattern, two_theta, intensity, condition, start, step)
            for angle in two_theta:
                inside |= start <= angle <= end
    if not inside:
        pattern[:] = 0
        return NO_REFLECTIONS
    lowest, highest = pattern[0], pattern[0]
    for value in pattern:
        lowest, highest = min(lowest, value), max(highest, value)
    if not highest > lowest:
        pattern[:] = 0
        return NO_INTENSITY
    span = highest - lowest
    for i in range(len(pattern)):
        pattern[i] = (pattern[i] - lowest) / span
    return DONE


@kernel
def _observe(
    found: _Reflections,
    wavelength: float,
    share: float,
    condition: Any,  # noqa: ANN401
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Returns 2θ in degrees and intensity of reflections at a wavelength."""
    n = len(found.strength)
    two_theta, intensity = np.zeros(n), np.zeros(n)
    low = math.sin(math.radians(condition.two_theta_min / 2)) * (1 - 1e-12)
    high = math.sin(math.radians(condition.two_theta_max / 2)) * (1 + 1e-12)
    for q in range(n):
        sine = wavelength / 2 * math.sqrt(found.inverse_squares[q])
        if low <= sine <= high:
            two_theta[q] = math.degrees(2 * math.asin(sine))
            factor = lorentz_polarisation(sine, condition.monochromator)
            intensity[q] = share * factor * found.strength[q]
    return two_theta, intensity


@kernel
def stick_lists(
    crystals: PackedCrystals,
    cells: Float64[np.ndarray, "crystals 6"],
    settings: PackedSettings,
    scatterers: Scatterers,
    condition: np.ndarray,
    first: int,
    end: int,
) -> tuple[
    Int64[np.ndarray, " end-first"],
    Int64[np.ndarray, " end-first+1"],
    Int64[np.ndarray, "n 3"],
    Int64[np.ndarray, " n"],
    Float64[np.ndarray, "4 n"],
]:
    """Lists the reflections of the crystals from `first` to before `end`.

    Returns:
        Status of each crystal; where its reflections begin in what follows; conventional indices;
        multiplicities; d in Å, 2θ in degrees, |F|² of the conventional cell and intensity.
    """
    statuses = np.zeros(end - first, dtype=np.int64)
    begins = np.zeros(end - first + 1, dtype=np.int64)
    hkl = np.empty((512 * (end - first), 3), dtype=np.int64)
    multiplicity = np.empty(len(hkl), dtype=np.int64)
    values = np.empty((4, len(hkl)))
    n = 0
    for i in range(first, end):
        amplitudes = scatterers.amplitudes[0]
        found = _reflections(
            i, cells[i], False, crystals, settings, amplitudes, scatterers, condition[0]
        )
        statuses[i - first] = found.status
        count = len(found.strength)
        if n + count > len(hkl):
            capacity = 2 * (n + count)
            hkl = np.concatenate((hkl[:n], np.empty((capacity - n, 3), dtype=np.int64)))
            multiplicity = np.concatenate(
                (multiplicity[:n], np.empty(capacity - n, dtype=np.int64))
            )
            larger = np.empty((4, capacity))
            larger[:, :n] = values[:, :n]
            values = larger
        basis = settings.index_basis[crystals.setting[i]]
        cells_squared = (basis[0, 0] * basis[1, 1] * basis[2, 2]) ** 2
        two_theta, intensity = _observe(found, condition[0].wavelength, 1.0, condition[0])
        for q in range(count):
            for column in range(3):
                hkl[n, column] = 0
                for row in range(column + 1):
                    hkl[n, column] += found.indices[q, row] * basis[row, column]
            multiplicity[n] = found.multiplicity[q]
            values[0, n] = 1 / math.sqrt(found.inverse_squares[q])
            values[1, n] = two_theta[q]
            values[2, n] = found.f_squared[q] * cells_squared
            values[3, n] = intensity[q] * cells_squared
            n += 1
        begins[i - first + 1] = n
    return statuses, begins, hkl[:n], multiplicity[:n], values[:, :n]


@kernel
def _reflections(
    i: int,
    cell: Float64[np.ndarray, "6"],
    distorted: bool,
    crystals: PackedCrystals,
    settings: PackedSettings,
    amplitudes: Complex128[np.ndarray, " species"],
    scatterers: Scatterers,
    condition: Any,  # noqa: ANN401
) -> _Reflections:
    """Finds the reflections of crystal `i` within the range of the condition, and their |F|²."""
    n = crystals.setting[i]
    sites = slice(crystals.sites_from[i], crystals.sites_from[i + 1])
    operations = slice(settings.operations_from[n], settings.operations_from[n + 1])
    laue_rows = slice(settings.laue_from[n], settings.laue_from[n + 1])
    rotations, laue = settings.rotations[operations], settings.laue[laue_rows]
    basis, axes = settings.index_basis[n], settings.axes[n]
    metric = congruent(metric_tensor(cell), axes)
    if distorted:
        metric = symmetric_metric(metric, rotations)
    least, most = _range_of_inverse_squares(condition)
    status = DONE
    for species in crystals.species[sites]:
        if math.isnan(amplitudes[species].real):
            status = NO_AMPLITUDE
    if condition.displacements and np.isnan(crystals.displacements[sites]).any():
        status = NO_DISPLACEMENT
    if _is_too_large(metric, most, (sites.stop - sites.start) * len(rotations)):
        status = TOO_LARGE
    if status != DONE:
        empty = np.empty(0)
        none = np.empty(0, dtype=np.int64)
        return _Reflections(status, np.empty((0, 3), dtype=np.int64), empty, none, empty, empty)

    indices, inverse_squares, multiplicity = unique_reflections(
        metric,
        least,
        most,
        laue,
        settings.shifts[laue_rows],
        settings.k_bounds[settings.k_bounds_from[n] : settings.k_bounds_from[n + 1]],
        settings.l_bounds[settings.l_bounds_from[n] : settings.l_bounds_from[n + 1]],
    )
    f_squared = _squares(
        indices,
        inverse_squares,
        cell,
        basis,
        rotations,
        settings.translations[operations],
        settings.centric[n],
        crystals.positions[sites],
        crystals.occupancies[sites],
        crystals.displacements[sites],
        amplitudes[crystals.species[sites]],
        scatterers.form_factors[crystals.species[sites]],
        scatterers.vary,
        condition.displacements,
    )
    strength = multiplicity * f_squared
    if condition.march != 1:
        given = (condition.axis_h, condition.axis_k, condition.axis_l)
        axis = np.zeros(3)
        for column in range(3):
            for row in range(3):
                axis[column] += given[row] * axes[row, column]
        apply_march_dollase(strength, indices, metric, laue, axis, condition.march)
    return _Reflections(DONE, indices, inverse_squares, multiplicity, f_squared, strength)


@kernel
def _squares(
    indices: Int64[np.ndarray, "n 3"],
    inverse_squares: Float64[np.ndarray, " n"],
    cell: Float64[np.ndarray, "6"],
    basis: Int64[np.ndarray, "3 3"],
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    centric: bool,
    positions: Float64[np.ndarray, "sites 3"],
    occupancies: Float64[np.ndarray, " sites"],
    displacements: Float64[np.ndarray, "sites 6"],
    amplitudes: Complex128[np.ndarray, " sites"],
    form_factors: Float64[np.ndarray, "sites 9"],
    vary: bool,
    move: bool,
) -> Float64[np.ndarray, " n"]:
    """Returns |F|² of the primitive cell."""
    primitive = primitive_positions(basis, positions)
    site_of, images, stands_for = distinct_images(rotations, translations, primitive, centric)
    weights = occupancies[site_of] * stands_for
    if not vary and not move:
        constant = amplitudes[site_of] * weights
        return squares_of_constant_amplitudes(indices, images, constant, centric)
    motion = np.empty((6, 0))
    if move:
        tensors = primitive_displacements(displacements, cell, basis)
        motion = motion_of_images(
            tensors, primitive, images, site_of, rotations, translations, centric
        )
    return squares_of_varying_amplitudes(
        indices,
        inverse_squares,
        images,
        weights,
        site_of,
        amplitudes,
        form_factors,
        motion,
        centric,
    )


@kernel
def _range_of_inverse_squares(condition: Any) -> tuple[float, float]:  # noqa: ANN401
    """Returns the smallest and largest 1/d² in Å⁻² that either wavelength shows."""
    long = max(condition.wavelength, condition.wavelength_2)
    short = condition.wavelength
    if condition.wavelength_2 > 0:
        short = min(short, condition.wavelength_2)
    low = math.sin(math.radians(condition.two_theta_min / 2))
    high = math.sin(math.radians(condition.two_theta_max / 2))
    return (2 * low / long) ** 2, (2 * high / short) ** 2


@kernel
def _is_too_large(metric: Float64[np.ndarray, "3 3"], most: float, images: int) -> bool:
    """Returns whether reflections or terms are too many, before any memory is taken for them.

    Half of the sphere of radius 1/d is searched in rows of constant h, k.
    """
    g = metric
    squared_volume = (
        g[0, 0] * (g[1, 1] * g[2, 2] - g[1, 2] * g[1, 2])
        - g[0, 1] * (g[0, 1] * g[2, 2] - g[1, 2] * g[0, 2])
        + g[0, 2] * (g[0, 1] * g[1, 2] - g[1, 1] * g[0, 2])
    )
    in_sphere = 2 / 3 * math.pi * most**1.5 * math.sqrt(max(squared_volume, 0.0))
    searched = max(in_sphere, 2 * math.sqrt(g[0, 0] * g[1, 1]) * most)
    return searched > MAX_REFLECTIONS or searched * images > MAX_TERMS
