"""Sums over the atoms of a primitive cell: |F|² and powder intensity of reflections."""

import math

import numpy as np
from jaxtyping import Complex128, Float64, Int64, Num

from data_gen.compiled import kernel

_NEGLIGIBLE_ABSORPTION = 3e-4
"""b'' below this fraction of the largest b' changes |F|² by less than 1e-7 of its largest value."""


@kernel
def powder_intensities(
    indices: Int64[np.ndarray, "n 3"],
    inverse_squares: Float64[np.ndarray, " n"],
    multiplicity: Int64[np.ndarray, " n"],
    images: Float64[np.ndarray, "images 3"],
    weights: Complex128[np.ndarray, " images"],
    centric: bool,
    wavelength: float,
    index_basis: Int64[np.ndarray, "3 3"],
) -> tuple[
    Int64[np.ndarray, "n 3"],
    Float64[np.ndarray, " n"],
    Float64[np.ndarray, " n"],
    Float64[np.ndarray, " n"],
    Float64[np.ndarray, " n"],
]:
    """Computes what a stick list says of each reflection.

    Args:
        indices: In the primitive cell, in lexicographic order.
        inverse_squares: 1/d² in Å⁻².
        multiplicity: Multiplicities.
        images: Coordinates of the atoms of the primitive cell.
        weights: Their scattering lengths in fm.
        centric: Whether each atom's inverse is there too; half the weight stands for it.
        wavelength: In Å.
        index_basis: See `data_gen.setting.PreparedSetting`.

    Returns:
        Indices, d in Å, 2θ in degrees, |F|² in fm² and intensity, for the conventional cell.
    """
    basis = index_basis
    f_squared = _squared_structure_factors(indices, images, weights, centric)
    f_squared *= (basis[0, 0] * basis[1, 1] * basis[2, 2]) ** 2
    n = len(indices)
    hkl, d, two_theta, intensity = np.empty_like(indices), np.empty(n), np.empty(n), np.empty(n)
    for q in range(n):
        h, k, l = indices[q, 0], indices[q, 1], indices[q, 2]  # noqa: E741
        hkl[q, 0] = h * basis[0, 0]
        hkl[q, 1] = h * basis[0, 1] + k * basis[1, 1]
        hkl[q, 2] = h * basis[0, 2] + k * basis[1, 2] + l * basis[2, 2]
        d[q] = 1 / math.sqrt(inverse_squares[q])
        sine = wavelength / (2 * d[q])
        two_theta[q] = math.degrees(2 * math.asin(sine))
        intensity[q] = multiplicity[q] * f_squared[q] * _lorentz_factor(sine)
    return hkl, d, two_theta, f_squared, intensity


@kernel
def _lorentz_factor(sin_theta: float) -> float:
    """Returns 1 / (sin²θ cosθ), the factor of a powder at constant wavelength."""
    return 1 / (sin_theta * sin_theta * math.sqrt(1 - sin_theta * sin_theta))


@kernel
def _squared_structure_factors(
    hkl: Int64[np.ndarray, "n 3"],
    images: Float64[np.ndarray, "images 3"],
    weights: Complex128[np.ndarray, " images"],
    centric: bool,
) -> Float64[np.ndarray, " n"]:
    """Returns |F|² of the primitive cell in fm², the mean over Friedel mates.

    With complex scattering lengths F(h) and F(−h) differ in magnitude; the mean of their squares
    is the sum of what the real and the imaginary parts give alone.
    """
    squared = np.zeros(len(hkl))
    tables = _phase_tables(hkl, images)
    real = np.real(weights).copy()
    imaginary = np.imag(weights).copy()
    _add_squares(hkl, tables, real, centric, squared)
    if _largest(imaginary) > _NEGLIGIBLE_ABSORPTION * _largest(real):
        _add_squares(hkl, tables, imaginary, centric, squared)
    return squared


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
