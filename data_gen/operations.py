"""Arithmetic of symmetry operations as rows of integers: products, closure, primitive lattice.

A row holds the nine entries of a rotation and the translation in 24ths of the cell edges.
"""

from collections.abc import Sequence

import gemmi
import numpy as np
from jaxtyping import Float, Int

from data_gen.errors import Reason, StructureError

_MAX_OPERATIONS = 384  # 192 in the table's largest; a cell of twice the size may hold twice as many
_MAX_ENTRY = 7  # of a rotation matrix; 1 in the axes that people choose


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
    determinants = np.linalg.det(rotations.reshape(-1, 3, 3) / gemmi.Op.DEN)
    if (rotations % gemmi.Op.DEN).any() or not np.allclose(np.abs(determinants), 1.0):
        detail = "an operation does not map the lattice onto itself"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    return np.concatenate([rotations // gemmi.Op.DEN, translations], axis=1)


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
    return np.concatenate(
        [turned.reshape(count, 9), moved.reshape(count, 3) % gemmi.Op.DEN], axis=1
    )


def distinct(elements: Int[np.ndarray, "n 12"]) -> Int[np.ndarray, "distinct 12"]:
    """Returns each operation once, in an order that does not depend on theirs."""
    if np.abs(elements[:, :9]).max(initial=0) > _MAX_ENTRY:
        detail = "the axes are too oblique, or the operations are no group"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    digits = [2 * _MAX_ENTRY + 1] * 9 + [gemmi.Op.DEN] * 3
    offset = np.array([_MAX_ENTRY] * 9 + [0] * 3)
    keys = np.ravel_multi_index(tuple((elements + offset).T), digits)
    return elements[np.unique(keys, return_index=True)[1]]


def group_of_rows(elements: Int[np.ndarray, "ops 12"]) -> gemmi.GroupOps:
    """Returns a complete list of operations as gemmi's group."""
    operations = []
    for row in elements.tolist():
        operation = gemmi.Op()
        operation.rot = [[gemmi.Op.DEN * x for x in row[i : i + 3]] for i in (0, 3, 6)]
        operation.tran = row[9:]
        operations.append(operation)
    return gemmi.GroupOps(operations)


def primitive_lattice(centring: Sequence[Sequence[int]]) -> Float[np.ndarray, "3 3"]:
    """Returns, as columns, basis vectors of the lattice that the centring vectors complete.

    Integer row reduction (Hermite normal form) of the cell axes and the centring vectors.
    """
    den = gemmi.Op.DEN
    rows = [list(vector) for vector in centring] + (den * np.eye(3, dtype=int)).tolist()
    basis = []
    for axis in range(3):
        pivot = next(row for row in rows if row[axis])
        for row in rows:
            while row is not pivot and row[axis]:
                quotient = pivot[axis] // row[axis]
                pivot[:] = [p - quotient * r for p, r in zip(pivot, row, strict=True)]
                pivot[:], row[:] = row[:], pivot[:]
        basis.append(list(pivot))
        rows.remove(pivot)
    return np.array(basis, dtype=np.float64).T / den
