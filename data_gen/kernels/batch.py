"""Stick lists and patterns of many crystals in one call."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64, Num

from data_gen.kernels.compiled import kernel
from data_gen.kernels.crystals import (
    DONE,
    NO_INTENSITY,
    NO_REFLECTIONS,
    PackedCrystals,
    PackedSettings,
    Scatterers,
    UnpackedCrystal,
    check,
    range_of_inverse_squares,
    unpack,
)
from data_gen.kernels.enumeration import unique_reflections
from data_gen.kernels.intensities import apply_march_dollase, lorentz_polarisation
from data_gen.kernels.motion import motion_of_images, primitive_displacements
from data_gen.kernels.peaks import draw_peaks
from data_gen.kernels.sites import distinct_images, primitive_positions
from data_gen.kernels.structure_factors import (
    squares_of_constant_amplitudes,
    squares_of_varying_amplitudes,
)


class _Reflections(NamedTuple):
    """Reflections of one crystal.

    Indices and |F|² are those of the primitive cell; `strength` is what a set of equivalent
    reflections contributes, before the angular factor.
    """

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
        crystal = unpack(which[n], cells[n], distorted, crystals, settings, scatterers, rows[n])
        statuses[n] = check(crystal, conditions[n])
        if statuses[n] == DONE:
            found = _reflections(crystal, scatterers.vary, conditions[n])
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
    Float64[np.ndarray, "n 4"],
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
    values = np.empty((len(hkl), 4))
    n = 0
    for i in range(first, end):
        crystal = unpack(i, cells[i], False, crystals, settings, scatterers, 0)
        statuses[i - first] = check(crystal, condition[0])
        begins[i - first + 1] = n
        if statuses[i - first] != DONE:
            continue
        found = _reflections(crystal, scatterers.vary, condition[0])
        end_of_it = n + len(found.strength)
        if end_of_it > len(hkl):
            hkl = _grown(hkl, 2 * end_of_it)
            multiplicity = _grown(multiplicity, 2 * end_of_it)
            values = _grown(values, 2 * end_of_it)
        _write(
            found, crystal.setting.index_basis, condition[0], hkl[n:], multiplicity[n:], values[n:]
        )
        begins[i - first + 1] = n = end_of_it
    return statuses, begins, hkl[:n], multiplicity[:n], values[:n]


@kernel
def _grown(rows: Num[np.ndarray, "n ..."], capacity: int) -> Num[np.ndarray, "capacity ..."]:
    """Returns a longer array that begins with the same rows."""
    longer = np.empty((capacity, *rows.shape[1:]), dtype=rows.dtype)
    longer[: len(rows)] = rows
    return longer


@kernel
def _write(
    found: _Reflections,
    basis: Int64[np.ndarray, "3 3"],
    condition: Any,  # noqa: ANN401
    hkl: Int64[np.ndarray, "n 3"],
    multiplicity: Int64[np.ndarray, " n"],
    values: Float64[np.ndarray, "n 4"],
) -> None:
    """Writes reflections as those of the conventional cell, see `stick_lists`."""
    cells_squared = (basis[0, 0] * basis[1, 1] * basis[2, 2]) ** 2
    two_theta, intensity = _observe(found, condition.wavelength, 1.0, condition)
    for q in range(len(found.strength)):
        for column in range(3):
            hkl[q, column] = 0
            for row in range(column + 1):
                hkl[q, column] += found.indices[q, row] * basis[row, column]
        multiplicity[q] = found.multiplicity[q]
        values[q, 0] = 1 / math.sqrt(found.inverse_squares[q])
        values[q, 1] = two_theta[q]
        values[q, 2] = found.f_squared[q] * cells_squared
        values[q, 3] = intensity[q] * cells_squared


@kernel
def _reflections(
    crystal: UnpackedCrystal,
    vary: bool,
    condition: Any,  # noqa: ANN401
) -> _Reflections:
    """Finds the reflections of a crystal within the range of the condition, and their |F|²."""
    least, most = range_of_inverse_squares(condition)
    indices, inverse_squares, multiplicity = unique_reflections(
        crystal.metric,
        least,
        most,
        crystal.setting.laue,
        crystal.setting.shifts,
        crystal.setting.k_bounds,
        crystal.setting.l_bounds,
    )
    f_squared = _squares(crystal, indices, inverse_squares, vary, condition.displacements)
    strength = multiplicity * f_squared
    if condition.march != 1:
        given = (condition.axis_h, condition.axis_k, condition.axis_l)
        axis = np.zeros(3)
        for column in range(3):
            for row in range(3):
                axis[column] += given[row] * crystal.setting.axes[row, column]
        apply_march_dollase(
            strength, indices, crystal.metric, crystal.setting.laue, axis, condition.march
        )
    return _Reflections(indices, inverse_squares, multiplicity, f_squared, strength)


@kernel
def _squares(
    crystal: UnpackedCrystal,
    indices: Int64[np.ndarray, "n 3"],
    inverse_squares: Float64[np.ndarray, " n"],
    vary: bool,
    move: bool,
) -> Float64[np.ndarray, " n"]:
    """Returns |F|² of the primitive cell."""
    setting = crystal.setting
    rotations, translations, centric = setting.rotations, setting.translations, setting.centric
    positions = primitive_positions(setting.index_basis, crystal.positions)
    site_of, images, stands_for = distinct_images(rotations, translations, positions, centric)
    weights = crystal.occupancies[site_of] * stands_for
    if not vary and not move:
        constant = crystal.amplitudes[site_of] * weights
        return squares_of_constant_amplitudes(indices, images, constant, centric)
    motion = np.empty((6, 0))
    if move:
        tensors = primitive_displacements(
            crystal.displacements, crystal.metric, setting.index_basis
        )
        motion = motion_of_images(
            tensors, positions, images, site_of, rotations, translations, centric
        )
    return squares_of_varying_amplitudes(
        indices,
        inverse_squares,
        images,
        weights,
        site_of,
        crystal.amplitudes,
        crystal.form_factors,
        motion,
        centric,
    )
