"""Atoms of a primitive cell, from cell, symmetry and asymmetric unit."""

import math

import numpy as np
from jaxtyping import Bool, Complex128, Float64, Int64

from data_gen.compiled import kernel

_SPECIAL_POSITION_TOLERANCE = 0.05
"""How far, in Å, rounding may have moved a site from its image under an operation that fixes it."""


@kernel
def primitive_cell(
    cell: Float64[np.ndarray, "6"],
    positions: Float64[np.ndarray, "sites 3"],
    lengths: Complex128[np.ndarray, " sites"],
    index_basis: Int64[np.ndarray, "3 3"],
    axes: Float64[np.ndarray, "3 3"],
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    products: Int64[np.ndarray, "ops ops"],
    distinct: int,
    centre: Float64[np.ndarray, "3"],
) -> tuple[
    Float64[np.ndarray, "3 3"],
    Float64[np.ndarray, "images 3"],
    Complex128[np.ndarray, " images"],
]:
    """Fills a primitive cell with the images of the asymmetric unit.

    In a centrosymmetric group the origin moves to the inversion centre, and one image stands for
    itself and its inverse.

    Args:
        cell: a, b, c in Å and α, β, γ in degrees of the conventional cell.
        positions: Coordinates of the asymmetric unit in that cell.
        lengths: Scattering length times occupancy of each site, fm.
        index_basis: This and what follows: see `data_gen.setting.PreparedSetting`.
        axes: Primitive axes.
        rotations: Rotation matrices.
        translations: Translations.
        products: Multiplication table.
        distinct: How many operations give images that no inversion relates.
        centre: An inversion centre, or zeros.

    Returns:
        The metric tensor of the primitive cell in Å²; the coordinates of the images in it; the
        scattering length of each, times the number of images that it stands for.
    """
    metric = _primitive_metric(_metric_tensor(cell), axes)
    capacity = len(positions) * distinct
    images = np.empty((capacity, 3))
    weights = np.empty(capacity, dtype=np.complex128)
    stabiliser = np.empty(len(rotations), dtype=np.int64)
    pending = np.empty(len(rotations), dtype=np.bool_)
    n = 0
    for site in range(len(positions)):
        position = _primitive_position(positions[site], index_basis)
        order = _snap(position, metric, rotations, translations, products, stabiliser, pending)
        pending[:] = True
        for operation in range(distinct):
            if not pending[operation]:
                continue
            _strike(products, operation, stabiliser[:order], pending)
            _apply(rotations, translations, operation, position, images[n])
            images[n] -= centre
            weights[n] = lengths[site]
            inverse = operation + distinct
            if inverse < len(pending) and pending[inverse]:
                _strike(products, inverse, stabiliser[:order], pending)
                weights[n] *= 2
            n += 1
    return metric, images[:n], weights[:n]


@kernel
def _metric_tensor(cell: Float64[np.ndarray, "6"]) -> Float64[np.ndarray, "3 3"]:
    """Returns the scalar products of the axes, in Å²."""
    metric = np.empty((3, 3))
    for i in range(3):
        metric[i, i] = cell[i] * cell[i]
        j, k = (i + 1) % 3, (i + 2) % 3
        metric[j, k] = metric[k, j] = cell[j] * cell[k] * math.cos(math.radians(cell[3 + i]))
    return metric


@kernel
def _primitive_metric(
    metric: Float64[np.ndarray, "3 3"], axes: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "3 3"]:
    primitive = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                for m in range(3):
                    primitive[i, j] += axes[k, i] * metric[k, m] * axes[m, j]
    return primitive


@kernel
def _primitive_position(
    position: Float64[np.ndarray, "3"], index_basis: Int64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "3"]:
    primitive = np.zeros(3)
    for i in range(3):
        for j in range(i, 3):
            primitive[i] += index_basis[i, j] * position[j]
    return primitive


@kernel
def _strike(
    products: Int64[np.ndarray, "ops ops"],
    operation: int,
    stabiliser: Int64[np.ndarray, " order"],
    pending: Bool[np.ndarray, " ops"],
) -> None:
    """Strikes off all operations that give the same image as this one."""
    for element in stabiliser:
        pending[products[operation, element]] = False


@kernel
def _apply(
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    operation: int,
    position: Float64[np.ndarray, "3"],
    image: Float64[np.ndarray, "3"],
) -> None:
    for axis in range(3):
        image[axis] = translations[operation, axis] + (
            rotations[operation, axis, 0] * position[0]
            + rotations[operation, axis, 1] * position[1]
            + rotations[operation, axis, 2] * position[2]
        )


@kernel
def _snap(
    position: Float64[np.ndarray, "3"],
    metric: Float64[np.ndarray, "3 3"],
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    products: Int64[np.ndarray, "ops ops"],
    stabiliser: Int64[np.ndarray, " ops"],
    member: Bool[np.ndarray, " ops"],
) -> int:
    """Moves a site, in place, to the point that its stabiliser fixes.

    The stabiliser is the group generated by the operations that move the site less than the
    tolerance; the mean of the site's images under it is fixed by all of it. Their numbers are
    written to `stabiliser`, and its order is returned.
    """
    shift = np.empty(3)
    order = 0
    for operation in range(len(rotations)):
        _displacement(rotations, translations, operation, position, shift)
        member[operation] = _squared_length(shift, metric) < _SPECIAL_POSITION_TOLERANCE**2
        if member[operation]:
            stabiliser[order] = operation
            order += 1
    if order == 1:
        return order
    order = _close(products, stabiliser, order, member)
    mean = np.zeros(3)
    for i in range(order):
        _displacement(rotations, translations, stabiliser[i], position, shift)
        mean += shift
    position += mean / order
    return order


@kernel
def _displacement(
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    operation: int,
    position: Float64[np.ndarray, "3"],
    shift: Float64[np.ndarray, "3"],
) -> None:
    """Writes the vector from a site to the nearest copy of its image."""
    _apply(rotations, translations, operation, position, shift)
    for axis in range(3):
        shift[axis] -= position[axis]
        shift[axis] -= math.floor(shift[axis] + 0.5)


@kernel
def _squared_length(vector: Float64[np.ndarray, "3"], metric: Float64[np.ndarray, "3 3"]) -> float:
    return (
        metric[0, 0] * vector[0] * vector[0]
        + metric[1, 1] * vector[1] * vector[1]
        + metric[2, 2] * vector[2] * vector[2]
        + 2 * metric[0, 1] * vector[0] * vector[1]
        + 2 * metric[0, 2] * vector[0] * vector[2]
        + 2 * metric[1, 2] * vector[1] * vector[2]
    )


@kernel
def _close(
    products: Int64[np.ndarray, "ops ops"],
    elements: Int64[np.ndarray, " ops"],
    order: int,
    member: Bool[np.ndarray, " ops"],
) -> int:
    """Completes a set of operations to the group it generates; returns the group's order."""
    first = 0
    while first < order:
        for second in range(order):
            for result in (
                products[elements[first], elements[second]],
                products[elements[second], elements[first]],
            ):
                if not member[result]:
                    member[result] = True
                    elements[order] = result
                    order += 1
        first += 1
    return order
