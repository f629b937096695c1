"""|F|² of reflections: sums over the atoms of a primitive cell."""

import math

import numpy as np
from jaxtyping import Complex128, Float64, Int64, Num

from data_gen.kernels.compiled import kernel

_NEGLIGIBLE_ABSORPTION = 1e-4
"""Σ|b''| below this fraction of Σ|b'| changes |F|² by less than 1e-8 of (Σ|b'|)²."""


@kernel
def squares_of_constant_amplitudes(
    hkl: Int64[np.ndarray, "n 3"],
    images: Float64[np.ndarray, "images 3"],
    weights: Complex128[np.ndarray, " images"],
    centric: bool,
) -> Float64[np.ndarray, " n"]:
    """Returns |F|² where atoms scatter alike in all directions: neutrons, atoms at rest.

    With complex amplitudes F(h) and F(−h) differ in magnitude; the mean of their squares, which a
    powder shows, is the sum of what the real and the imaginary parts give alone.

    Args:
        hkl: Indices in the primitive cell, in lexicographic order.
        images: Coordinates of its atoms.
        weights: Their amplitudes.
        centric: Whether each atom's inverse is there too; half the weight stands for it.

    Returns:
        |F|² of the primitive cell, the mean over Friedel mates.
    """
    squared = np.zeros(len(hkl))
    tables = _phase_tables(hkl, images)
    real = np.real(weights).copy()
    imaginary = np.imag(weights).copy()
    _add_squares(hkl, tables, real, centric, squared)
    if np.abs(imaginary).sum() > _NEGLIGIBLE_ABSORPTION * np.abs(real).sum():
        _add_squares(hkl, tables, imaginary, centric, squared)
    return squared


@kernel
def squares_of_varying_amplitudes(
    hkl: Int64[np.ndarray, "n 3"],
    inverse_squares: Float64[np.ndarray, " n"],
    images: Float64[np.ndarray, "images 3"],
    weights: Float64[np.ndarray, " images"],
    site_of: Int64[np.ndarray, " images"],
    amplitudes: Complex128[np.ndarray, " sites"],
    form_factors: Float64[np.ndarray, "sites 9"],
    motion: Float64[np.ndarray, "6 images"],
    centric: bool,
) -> Float64[np.ndarray, " n"]:
    """Returns |F|² where what an atom scatters depends on the reflection.

    Args:
        hkl: As in `squares_of_constant_amplitudes`.
        inverse_squares: 1/d² in Å⁻².
        images: As there.
        weights: Occupancy of each, times the number of atoms that it stands for.
        site_of: The site that each is an image of, in ascending order.
        amplitudes: What does not depend on the angle, for each site.
        form_factors: What does: a1, b1, … a4, b4, c of f0 = Σ a exp(−b s²) + c, s = 1/(2d).
        motion: Displacement tensor of each image, see `data_gen.kernels.motion`; none for atoms at
            rest.
        centric: As there.
    """
    squared = np.zeros(len(hkl))
    x_table, y_table, z_table = _phase_tables(hkl, images)
    row, parts = np.empty((2, len(images))), np.empty((2, len(images)))
    heights = np.ascontiguousarray(form_factors[:, 0:8:2]).reshape(-1)
    falls = np.ascontiguousarray(form_factors[:, 1:8:2]).reshape(-1)
    constants = amplitudes + form_factors[:, 8]
    terms, factors = np.empty(len(falls)), np.empty(len(images))
    previous_h, previous_k = -1, 0
    for q in range(len(hkl)):
        h, k, l = hkl[q, 0], hkl[q, 1], hkl[q, 2]  # noqa: E741
        if h != previous_h or k != previous_k:
            _multiply_phases(x_table, h, y_table, k, weights, row)
            previous_h, previous_k = h, k
        for i in range(len(falls)):
            terms[i] = falls[i] * inverse_squares[q] / 4
        _decay(terms)
        _fill_amplitudes(constants, heights, terms, site_of, parts)
        if motion.shape[1] > 0:
            _fill_exponents(h, k, l, motion, factors)
            _decay(factors)
            parts *= factors
        squared[q] = _square_of_sum(row, z_table, l, parts[0], centric)
        squared[q] += _square_of_sum(row, z_table, l, parts[1], centric)
    return squared


@kernel
def _decay(values: Float64[np.ndarray, " n"]) -> None:
    """Replaces each value y, which rounding alone may make negative, by exp(−y).

    It is exp(y/64) to the power −64, with the Taylor series to eighth order and y up to 60: off by
    less than 1e-9, and made of nothing but vector instructions, unlike a call of the exponential
    function, which took half the time of X-ray patterns.
    """
    for i in range(len(values)):
        x = min(values[i], 60.0) / 64
        series = 1 + x / 5 * (1 + x / 6 * (1 + x / 7 * (1 + x / 8)))
        power = 1 / (1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * series))))
        power *= power
        power *= power
        power *= power
        power *= power
        power *= power
        power *= power
        values[i] = power


@kernel
def _fill_amplitudes(
    constants: Complex128[np.ndarray, " sites"],
    heights: Float64[np.ndarray, " 4*sites"],
    terms: Float64[np.ndarray, " 4*sites"],
    site_of: Int64[np.ndarray, " images"],
    parts: Float64[np.ndarray, "2 images"],
) -> None:
    """Writes real and imaginary part of the amplitude of each image."""
    image = 0
    for site in range(len(constants)):
        real = constants[site].real
        for i in range(4 * site, 4 * site + 4):
            real += heights[i] * terms[i]
        while image < len(site_of) and site_of[image] == site:
            parts[0, image] = real
            parts[1, image] = constants[site].imag
            image += 1


@kernel
def _fill_exponents(
    h: int,
    k: int,
    l: int,  # noqa: E741
    motion: Float64[np.ndarray, "6 images"],
    exponents: Float64[np.ndarray, " images"],
) -> None:
    """Writes the exponent of the Debye–Waller factor of each image."""
    for j in range(len(exponents)):
        squares = h * h * motion[0, j] + k * k * motion[1, j] + l * l * motion[2, j]
        mixed = k * l * motion[3, j] + h * l * motion[4, j] + h * k * motion[5, j]
        exponents[j] = squares + 2 * mixed


@kernel
def _square_of_sum(
    row: Float64[np.ndarray, "2 images"],
    z_table: Float64[np.ndarray, "z 2 images"],
    l: int,  # noqa: E741
    amplitudes: Float64[np.ndarray, " images"],
    centric: bool,
) -> float:
    sign = -1.0 if l < 0 else 1.0
    l = abs(l)  # noqa: E741
    real = imaginary = 0.0
    for j in range(row.shape[1]):
        cos_z, sin_z = z_table[l, 0, j], sign * z_table[l, 1, j]
        real += amplitudes[j] * (row[0, j] * cos_z - row[1, j] * sin_z)
        imaginary += amplitudes[j] * (row[0, j] * sin_z + row[1, j] * cos_z)
    return real * real if centric else real * real + imaginary * imaginary


@kernel
def _largest(values: Num[np.ndarray, " n"]) -> float:
    """Returns the largest magnitude."""
    largest = 0.0
    for value in values:
        largest = max(largest, abs(value))
    return largest


@kernel
def _phase_tables(
    hkl: Int64[np.ndarray, "n 3"], images: Float64[np.ndarray, "images 3"]
) -> tuple[Float64[np.ndarray, "x 2 images"], ...]:
    return (
        _powers(images[:, 0], int(_largest(hkl[:, 0]))),
        _powers(images[:, 1], int(_largest(hkl[:, 1]))),
        _powers(images[:, 2], int(_largest(hkl[:, 2]))),
    )


@kernel
def _powers(
    coordinates: Float64[np.ndarray, " images"], most: int
) -> Float64[np.ndarray, "most 2 images"]:
    """Returns cos and sin of 2π i x for i from 0 to most, by multiplying exp(2πi x) up."""
    count = len(coordinates)
    table = np.empty((most + 1, 2, count))
    table[0, 0] = 1.0
    table[0, 1] = 0.0
    if most == 0:
        return table
    for j in range(count):
        angle = 2 * math.pi * coordinates[j]
        table[1, 0, j] = math.cos(angle)
        table[1, 1, j] = math.sin(angle)
    for i in range(2, most + 1):
        for j in range(count):
            cos, sin = table[1, 0, j], table[1, 1, j]
            table[i, 0, j] = table[i - 1, 0, j] * cos - table[i - 1, 1, j] * sin
            table[i, 1, j] = table[i - 1, 1, j] * cos + table[i - 1, 0, j] * sin
    return table


@kernel
def _add_squares(
    hkl: Int64[np.ndarray, "n 3"],
    tables: tuple[Float64[np.ndarray, "x 2 images"], ...],
    weights: Float64[np.ndarray, " images"],
    centric: bool,
    squared: Float64[np.ndarray, " n"],
) -> None:
    """Adds |Σ w exp(2πi h · x)|² of each reflection, with real weights."""
    x_table, y_table, z_table = tables
    row = np.empty((2, len(weights)))
    previous_h, previous_k = -1, 0
    for q in range(len(hkl)):
        h, k, l = hkl[q, 0], hkl[q, 1], hkl[q, 2]  # noqa: E741
        if h != previous_h or k != previous_k:
            _multiply_phases(x_table, h, y_table, k, weights, row)
            previous_h, previous_k = h, k
        if centric:
            squared[q] += _real_sum(row, z_table, l) ** 2
        else:
            real, imaginary = _complex_sum(row, z_table, l)
            squared[q] += real * real + imaginary * imaginary


@kernel
def _multiply_phases(
    x_table: Float64[np.ndarray, "x 2 images"],
    h: int,
    y_table: Float64[np.ndarray, "y 2 images"],
    k: int,
    weights: Float64[np.ndarray, " images"],
    row: Float64[np.ndarray, "2 images"],
) -> None:
    """Writes real and imaginary part of w exp(2πi (h x + k y))."""
    sign = -1.0 if k < 0 else 1.0
    k = abs(k)
    for j in range(len(weights)):
        cos_x, sin_x = x_table[h, 0, j], x_table[h, 1, j]
        cos_y, sin_y = y_table[k, 0, j], sign * y_table[k, 1, j]
        row[0, j] = weights[j] * (cos_x * cos_y - sin_x * sin_y)
        row[1, j] = weights[j] * (cos_x * sin_y + sin_x * cos_y)


@kernel
def _real_sum(
    row: Float64[np.ndarray, "2 images"],
    z_table: Float64[np.ndarray, "z 2 images"],
    l: int,  # noqa: E741
) -> float:
    sign = -1.0 if l < 0 else 1.0
    l = abs(l)  # noqa: E741
    total = 0.0
    for j in range(row.shape[1]):
        total += row[0, j] * z_table[l, 0, j] - sign * row[1, j] * z_table[l, 1, j]
    return total


@kernel
def _complex_sum(
    row: Float64[np.ndarray, "2 images"],
    z_table: Float64[np.ndarray, "z 2 images"],
    l: int,  # noqa: E741
) -> tuple[float, float]:
    sign = -1.0 if l < 0 else 1.0
    l = abs(l)  # noqa: E741
    real = imaginary = 0.0
    for j in range(row.shape[1]):
        cos_z, sin_z = z_table[l, 0, j], sign * z_table[l, 1, j]
        real += row[0, j] * cos_z - row[1, j] * sin_z
        imaginary += row[0, j] * sin_z + row[1, j] * cos_z
    return real, imaginary
