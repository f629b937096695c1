"""Arithmetic of symmetry operations: products, closure, the axes of a primitive cell.

Where they are many, or not known to be a group, operations are rows of integers: the nine entries
of a rotation and the translation in 24ths of the cell edges.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float64, Int, Int64

from data_gen.errors import Reason, StructureError
from data_gen.kernels.enumeration import DEN as DEN

_MAX_OPERATIONS = 384  # 192 in the table's largest; a cell of twice the size may hold twice as many
_MAX_ENTRY = 15  # of a rotation matrix; 1 in the axes that people choose


def rows_of_triplets(triplets: Sequence[str]) -> Int[np.ndarray, "ops 12"]:
    """Returns coordinate triplets as rows.

    Raises:
        StructureError: One cannot be read or does not keep the lattice, or there are too many.
    """
    if len(triplets) > _MAX_OPERATIONS:
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, f"{len(triplets)} operations")
    try:
        parsed = [gemmi.Op(triplet).wrap() for triplet in triplets]
    except (RuntimeError, ValueError) as error:
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, str(error)) from None
    rotations = np.array([op.rot for op in parsed], dtype=np.int64).reshape(-1, 9)
    translations = np.array([op.tran for op in parsed], dtype=np.int64).reshape(-1, 3)
    determinants = np.linalg.det(rotations.reshape(-1, 3, 3) / DEN)
    if (rotations % DEN).any() or not np.allclose(np.abs(determinants), 1.0):
        detail = "an operation does not map the lattice onto itself"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    return np.concatenate([rotations // DEN, translations], axis=1)


def closure(generators: Int[np.ndarray, "ops 12"]) -> Int[np.ndarray, "all 12"]:
    """Returns, sorted, all products of the generators and the identity.

    gemmi's own completion takes the centring vectors for known, so it does not serve here.

    Raises:
        StructureError: The products do not end at the size of a space group.
    """
    elements = np.array([[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]])
    size = 0
    while size < len(elements):
        size = len(elements)
        products = _products(elements, generators)
        elements = distinct(np.concatenate([elements, products]))
        if len(elements) > _MAX_OPERATIONS:
            detail = "the operations generate no space group"
            raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    return elements


def _products(
    left: Int[np.ndarray, "m 12"], right: Int[np.ndarray, "n 12"]
) -> Int[np.ndarray, "mn 12"]:
    rotations = left[:, None, :9].reshape(-1, 1, 3, 3)
    turned = rotations @ right[None, :, :9].reshape(1, -1, 3, 3)
    moved = (rotations @ right[None, :, 9:, None])[..., 0] + left[:, None, 9:]
    count = len(left) * len(right)
    return np.concatenate([turned.reshape(count, 9), moved.reshape(count, 3) % DEN], axis=1)


def distinct(elements: Int[np.ndarray, "n 12"]) -> Int[np.ndarray, "distinct 12"]:
    """Returns each operation once, in an order that does not depend on theirs."""
    if np.abs(elements[:, :9]).max(initial=0) > _MAX_ENTRY:
        detail = "the axes are too oblique, or the operations are no group"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    digits = [2 * _MAX_ENTRY + 1] * 9 + [DEN] * 3
    offset = np.array([_MAX_ENTRY] * 9 + [0] * 3)
    keys = np.ravel_multi_index(tuple((elements + offset).T), digits)
    return elements[np.unique(keys, return_index=True)[1]]


def group_of_rows(elements: Int[np.ndarray, "ops 12"]) -> gemmi.GroupOps:
    """Returns a complete list of operations as gemmi's group."""
    operations = []
    for row in elements.tolist():
        operation = gemmi.Op()
        operation.rot = [[DEN * x for x in row[i : i + 3]] for i in (0, 3, 6)]
        operation.tran = row[9:]
        operations.append(operation)
    return gemmi.GroupOps(operations)


class PrimitiveOperations(NamedTuple):
    """The operations of a group modulo its lattice, in the axes of a primitive cell.

    Attributes:
        index_basis: The primitive cell: rows span the indices h, k, l of the conventional cell
            that its centring allows, in Hermite normal form (upper triangular). Times a column of
            conventional coordinates it gives primitive ones; a row of primitive indices times it
            gives conventional ones.
        axes: Its inverse; the columns are the primitive axes.
        rotations: Rotation matrices, acting on columns of coordinates.
        shifts: Translations in 1/DEN.
    """

    index_basis: Int64[np.ndarray, "3 3"]
    axes: Float64[np.ndarray, "3 3"]
    rotations: Int64[np.ndarray, "ops 3 3"]
    shifts: Int64[np.ndarray, "ops 3"]


def primitive_operations(group: gemmi.GroupOps) -> PrimitiveOperations:
    """Returns the operations of a group without its centring."""
    basis = _allowed_indices(np.array(group.cen_ops))
    axes = np.linalg.inv(basis)
    rotations = np.array([op.rot for op in group.sym_ops]) / DEN
    shifts = np.array([op.tran for op in group.sym_ops]) @ basis.T
    return PrimitiveOperations(
        basis, axes, np.rint(basis @ rotations @ axes).astype(np.int64), shifts
    )


def _allowed_indices(centring: Int64[np.ndarray, "vectors 3"]) -> Int64[np.ndarray, "3 3"]:
    """Returns a basis of the indices h with h · c whole for every centring vector c (in 1/DEN)."""
    basis = np.zeros((3, 3), dtype=np.int64)
    for row in (2, 1, 0):
        leading = [range(1)] * row + [range(1, DEN + 1)]
        rest = [range(basis[column, column]) for column in range(row + 1, 3)]
        basis[row] = next(h for h in product(*leading, *rest) if not (centring @ h % DEN).any())
    return basis
