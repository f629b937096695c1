"""What a symmetry setting means for diffraction, prepared once per setting for the kernels."""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float64, Int64

from data_gen.symmetry import group_operations

DEN = gemmi.Op.DEN
"""Translations are whole multiples of 1/DEN (1/24) of the cell edges."""


class PreparedSetting(NamedTuple):
    """A setting as arrays, in the axes of a primitive cell.

    Operations are taken modulo the lattice, so centring translations are left out. In a
    centrosymmetric group the first half of the operations are the proper rotations, and the second
    half is each of these times the inversion.

    Attributes:
        index_basis: The primitive cell: rows span the indices h, k, l of the conventional cell
            that its centring allows, in Hermite normal form (upper triangular). Times a column of
            conventional coordinates it gives primitive ones; a row of primitive indices times it
            gives conventional ones.
        axes: Its inverse; the columns are the primitive axes.
        rotations: Rotation matrices, acting on columns of coordinates.
        translations: Translations, as fractions.
        products: ``products[i, j]`` is the number of operation i · j (j acts first).
        distinct: How many leading operations give images that no inversion relates: all, or half.
        centre: An inversion centre, or zeros.
        laue: Rotations of the Laue group, acting on rows of indices from the right.
        shifts: Translations, in 1/DEN, of the operations with these rotations; zeros where the
            rotation belongs to the Laue group alone.
        k_bounds: Rows (α, β); every representative reflection has α h + β k ≤ 0.
        l_bounds: Rows (α, β, γ); every representative reflection has α h + β k + γ l ≤ 0.
    """

    index_basis: Int64[np.ndarray, "3 3"]
    axes: Float64[np.ndarray, "3 3"]
    rotations: Float64[np.ndarray, "ops 3 3"]
    translations: Float64[np.ndarray, "ops 3"]
    products: Int64[np.ndarray, "ops ops"]
    distinct: int
    centre: Float64[np.ndarray, "3"]
    laue: Int64[np.ndarray, "laue 3 3"]
    shifts: Int64[np.ndarray, "laue 3"]
    k_bounds: Int64[np.ndarray, "k_bounds 2"]
    l_bounds: Int64[np.ndarray, "l_bounds 3"]

    @property
    def centric(self) -> bool:
        """Whether there is an inversion centre."""
        return self.distinct < len(self.rotations)

    @property
    def n_centring(self) -> int:
        """How many primitive cells the conventional cell holds."""
        return int(np.prod(np.diagonal(self.index_basis)))


@lru_cache(maxsize=1024)
def prepare_setting(setting: str) -> PreparedSetting:
    """Prepares a setting.

    Args:
        setting: As in `data_gen.symmetry.group_operations`.

    Raises:
        StructureError: The setting is no crystallographic group.
    """
    operations = group_operations(setting)
    basis = _allowed_indices(np.array(operations.cen_ops))
    axes = np.linalg.inv(basis)
    conventional = np.array([op.rot for op in operations.sym_ops]) / DEN
    rotations = np.rint(basis @ conventional @ axes).astype(np.int64)
    shifts = np.array([op.tran for op in operations.sym_ops]) @ basis.T
    centre = np.zeros(3)
    inversion = np.flatnonzero((rotations == -np.eye(3)).all(axis=(1, 2)))
    if inversion.size:
        centre = shifts[inversion[0]] / (2 * DEN)
        rotations, shifts = _proper_first(rotations, shifts, shifts[inversion[0]])
        laue, laue_shifts = rotations, shifts
    else:
        laue = np.concatenate([rotations, -rotations])
        laue_shifts = np.concatenate([shifts, np.zeros_like(shifts)])
    k_bounds, l_bounds = _bounds_of_representatives(laue)
    return PreparedSetting(
        index_basis=basis,
        axes=axes,
        rotations=rotations.astype(np.float64),
        translations=shifts / DEN,
        products=_multiplication_table(rotations),
        distinct=len(rotations) // 2 if inversion.size else len(rotations),
        centre=centre,
        laue=laue,
        shifts=laue_shifts,
        k_bounds=k_bounds,
        l_bounds=l_bounds,
    )


def _allowed_indices(centring: Int64[np.ndarray, "vectors 3"]) -> Int64[np.ndarray, "3 3"]:
    """Returns a basis of the indices h with h · c whole for every centring vector c (in 1/DEN)."""
    basis = np.zeros((3, 3), dtype=np.int64)
    for row in (2, 1, 0):
        leading = [range(1)] * row + [range(1, DEN + 1)]
        rest = [range(basis[column, column]) for column in range(row + 1, 3)]
        basis[row] = next(h for h in product(*leading, *rest) if not (centring @ h % DEN).any())
    return basis


def _proper_first(
    rotations: Int64[np.ndarray, "ops 3 3"],
    shifts: Int64[np.ndarray, "ops 3"],
    inversion_shift: Int64[np.ndarray, "3"],
) -> tuple[Int64[np.ndarray, "ops 3 3"], Int64[np.ndarray, "ops 3"]]:
    proper = np.linalg.det(rotations) > 0
    rotations, shifts = rotations[proper], shifts[proper]
    return (
        np.concatenate([rotations, -rotations]),
        np.concatenate([shifts, inversion_shift - shifts]),
    )


def _multiplication_table(rotations: Int64[np.ndarray, "ops 3 3"]) -> Int64[np.ndarray, "ops ops"]:
    number = {rotation.tobytes(): i for i, rotation in enumerate(rotations)}
    return np.array([[number[(a @ b).tobytes()] for b in rotations] for a in rotations])


def _bounds_of_representatives(
    laue: Int64[np.ndarray, "laue 3 3"],
) -> tuple[Int64[np.ndarray, "k_bounds 2"], Int64[np.ndarray, "l_bounds 3"]]:
    """Returns linear bounds on the lexicographically largest of equivalent reflections.

    No equivalent (h', k', l') is larger, so the first of its components that differs from its
    counterpart as a linear form in h, k, l does not exceed it. A bound on h alone can only say
    h ≥ 0, and that is where the enumeration starts.
    """
    differences = (laue - np.eye(3, dtype=np.int64)).transpose(0, 2, 1)
    bounds = set()
    for forms in differences:
        first = next((form for form in forms if form.any()), None)
        if first is not None:
            bounds.add(tuple(first // np.gcd.reduce(first)))
    on_k = [bound[:2] for bound in sorted(bounds) if bound[1] and not bound[2]]
    on_l = [bound for bound in sorted(bounds) if bound[2]]
    return (
        np.array(on_k, dtype=np.int64).reshape(-1, 2),
        np.array(on_l, dtype=np.int64).reshape(-1, 3),
    )
