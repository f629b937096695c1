"""Enumeration of the reflections that the symmetry leaves distinct."""

import math

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.kernels.compiled import kernel

DEN = 24
"""Translations are whole multiples of 1/DEN of the cell edges, as in gemmi."""


@kernel
def unique_reflections(
    metric: Float64[np.ndarray, "3 3"],
    least: float,
    most: float,
    laue: Int64[np.ndarray, "laue 3 3"],
    shifts: Int64[np.ndarray, "laue 3"],
    k_bounds: Int64[np.ndarray, "k_bounds 2"],
    l_bounds: Int64[np.ndarray, "l_bounds 3"],
) -> tuple[Int64[np.ndarray, "n 3"], Float64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Lists one reflection of each set that the Laue group relates, without absent ones.

    Args:
        metric: Metric tensor of a primitive cell in Å².
        least: Smallest 1/d² in Å⁻².
        most: Largest 1/d² in Å⁻².
        laue: This and what follows: see `data_gen.setting.PreparedSetting`.
        shifts: Translations.
        k_bounds: Bounds on k.
        l_bounds: Bounds on l.

    Returns:
        Indices, in lexicographic order; 1/d²; multiplicity.
    """
    reciprocal = reciprocal_metric(metric)
    rows, capacity = _rows(metric, reciprocal, most, k_bounds, l_bounds)
    hkl = np.empty((capacity, 3), dtype=np.int64)
    squared = np.empty(capacity)
    multiplicity = np.empty(capacity, dtype=np.int64)
    n = 0
    for row in range(len(rows)):
        h, k, start, end, inner_start, inner_end = rows[row]
        base, slope = _along_l(reciprocal, h, k)
        for l in range(start, end):  # noqa: E741
            value = base + (2 * slope + reciprocal[2, 2] * l) * l
            if value < least or value > most:
                continue
            # Strictly within all bounds only the identity fixes a reflection.
            inside = inner_start <= l < inner_end
            order = 1 if inside else _stabiliser_order(laue, shifts, h, k, l)
            if order > 0:
                hkl[n, 0], hkl[n, 1], hkl[n, 2] = h, k, l
                squared[n] = value
                multiplicity[n] = len(laue) // order
                n += 1
    return hkl[:n], squared[:n], multiplicity[:n]


@kernel
def _rows(
    metric: Float64[np.ndarray, "3 3"],
    reciprocal: Float64[np.ndarray, "3 3"],
    most: float,
    k_bounds: Int64[np.ndarray, "k_bounds 2"],
    l_bounds: Int64[np.ndarray, "l_bounds 3"],
) -> tuple[Int64[np.ndarray, "rows 6"], int]:
    """Lists the rows of constant h, k that hold representative reflections with 1/d² ≤ most.

    Returns:
        h, k, first l, last l + 1, and the same of the part strictly within all bounds; the number
        of reflections in all rows together.
    """
    h_most = math.floor(math.sqrt(most * metric[0, 0]))
    k_most = math.floor(math.sqrt(most * metric[1, 1]))
    rows = np.empty(((h_most + 1) * (2 * k_most + 1), 6), dtype=np.int64)
    count = total = 0
    for h in range(h_most + 1):
        k_range = _tighten_k(k_bounds, h, -k_most, k_most, 0)
        k_inner = _tighten_k(k_bounds, h, -k_most, k_most, 1)
        for k in range(k_range[0], k_range[1] + 1):
            base, slope = _along_l(reciprocal, h, k)
            low, high = _roots(reciprocal[2, 2], slope, base - most)
            start, last = _tighten_l(l_bounds, h, k, low, high, 0)
            if start > last:
                continue
            inner_start, inner_last = _tighten_l(l_bounds, h, k, low, high, 1)
            if h == 0 or k < k_inner[0] or k > k_inner[1]:
                inner_last = inner_start - 1
            row = rows[count]
            row[0], row[1], row[2], row[3] = h, k, start, last + 1
            row[4], row[5] = inner_start, inner_last + 1
            count += 1
            total += last + 1 - start
    return rows[:count], total


@kernel
def _along_l(reciprocal: Float64[np.ndarray, "3 3"], h: int, k: int) -> tuple[float, float]:
    """Returns a and b such that 1/d² = a + 2 b l + (c*)² l² in a row of constant h, k."""
    base = reciprocal[0, 0] * h * h + 2 * reciprocal[0, 1] * h * k + reciprocal[1, 1] * k * k
    return base, reciprocal[0, 2] * h + reciprocal[1, 2] * k


@kernel
def _roots(a: float, half_b: float, c: float) -> tuple[int, int]:
    """Returns the first and last whole x with a x² + 2 half_b x + c ≤ 0, in doubt one too many."""
    discriminant = half_b * half_b - a * c
    if discriminant < -1e-9 * half_b * half_b:
        return 0, -1
    spread = math.sqrt(max(discriminant, 0.0))
    margin = 1e-9
    return (
        math.ceil((-half_b - spread) / a - margin),
        math.floor((-half_b + spread) / a + margin),
    )


@kernel
def _tighten(constant: int, factor: int, low: int, high: int) -> tuple[int, int]:
    """Narrows low ≤ x ≤ high by constant + factor x ≤ 0."""
    if factor == 1:  # the most frequent cases, without the slow division of integers
        return low, min(high, -constant)
    if factor == -1:
        return max(low, constant), high
    if factor > 0:
        return low, min(high, (-constant) // factor)
    return max(low, -((-constant) // -factor)), high


@kernel
def _tighten_k(
    bounds: Int64[np.ndarray, "k_bounds 2"], h: int, low: int, high: int, margin: int
) -> tuple[int, int]:
    for i in range(len(bounds)):
        low, high = _tighten(bounds[i, 0] * h + margin, bounds[i, 1], low, high)
    return low, high


@kernel
def _tighten_l(
    bounds: Int64[np.ndarray, "l_bounds 3"], h: int, k: int, low: int, high: int, margin: int
) -> tuple[int, int]:
    for i in range(len(bounds)):
        constant = bounds[i, 0] * h + bounds[i, 1] * k + margin
        low, high = _tighten(constant, bounds[i, 2], low, high)
    return low, high


@kernel
def _stabiliser_order(
    laue: Int64[np.ndarray, "laue 3 3"],
    shifts: Int64[np.ndarray, "laue 3"],
    h: int,
    k: int,
    l: int,  # noqa: E741
) -> int:
    """Returns how many Laue rotations fix a reflection; 0 if it is not to be listed.

    It is not if an equivalent one is lexicographically larger, or if it is absent: an operation
    with rotation R and translation t multiplies F(h R) by exp(2πi h · t), so F = 0 where h R = h
    and h · t is not whole.
    """
    order = 0
    for i in range(len(laue)):
        x = h * laue[i, 0, 0] + k * laue[i, 1, 0] + l * laue[i, 2, 0]
        if x != h:
            if x > h:
                return 0
            continue
        y = h * laue[i, 0, 1] + k * laue[i, 1, 1] + l * laue[i, 2, 1]
        if y != k:
            if y > k:
                return 0
            continue
        z = h * laue[i, 0, 2] + k * laue[i, 1, 2] + l * laue[i, 2, 2]
        if z > l:
            return 0
        if z == l:
            shift = h * shifts[i, 0] + k * shifts[i, 1] + l * shifts[i, 2]
            if shift % DEN != 0:
                return 0
            order += 1
    return order


@kernel
def reciprocal_metric(metric: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
    """Returns the inverse, by cofactors."""
    inverse = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
            inverse[i, j] = metric[a, c] * metric[b, d] - metric[a, d] * metric[b, c]
    return inverse / (
        metric[0, 0] * inverse[0, 0] + metric[0, 1] * inverse[0, 1] + metric[0, 2] * inverse[0, 2]
    )
