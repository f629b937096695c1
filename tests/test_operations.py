"""Products and closure of symmetry operations, axes of a primitive cell."""

import gemmi
import numpy as np
import pytest

from data_gen.errors import StructureError
from data_gen.operations import (
    DEN,
    closure,
    group_of_rows,
    primitive_operations,
    rows_of_triplets,
)


@pytest.mark.parametrize(
    ("generators", "size"),
    [(["-x,-y,-z"], 2), (["x+1/2,y+1/2,z", "-x,y,-z+1/2"], 4), (["z,x,y", "-y,x,z"], 24),
     (["x,y,z+1/3"], 3), ([], 1)],
)  # fmt: skip
def test_closure_counts_centring_vectors(generators: list[str], size: int) -> None:
    assert len(closure(rows_of_triplets(generators))) == size


def test_rows_and_groups_are_equivalent() -> None:
    operations = gemmi.SpaceGroup("I a -3 d").operations()
    triplets = [op.wrap().triplet() for op in operations]
    group = group_of_rows(rows_of_triplets(triplets))
    assert gemmi.find_spacegroup_by_ops(group) == gemmi.SpaceGroup("I a -3 d")


@pytest.mark.parametrize("generators", [["x+y,y,z"], ["x+1/24,y,z", "x,y+1/24,z"]])
def test_endless_products_are_given_up(generators: list[str]) -> None:
    with pytest.raises(StructureError):
        closure(rows_of_triplets(generators))


def test_long_lists_are_refused() -> None:
    with pytest.raises(StructureError, match="1000 operations"):
        rows_of_triplets(["x,y,z"] * 1000)


@pytest.mark.parametrize(("centring", "points"), [("P", 1), ("A", 2), ("I", 2), ("R", 3), ("F", 4)])
def test_primitive_axes(centring: str, points: int) -> None:
    group = gemmi.symops_from_hall(f"{centring} 1")
    primitive = primitive_operations(group)
    assert abs(np.linalg.det(primitive.axes)) == pytest.approx(1 / points)
    whole = primitive.index_basis @ np.array(group.cen_ops).T / DEN
    np.testing.assert_array_equal(whole, np.rint(whole))


@pytest.mark.parametrize("hall", ["-P 2ybc", '-R 3 2"c', "F 4d 2 3 -1d", "P 61 2 (0 0 -1)"])
def test_primitive_operations_multiply_among_themselves(hall: str) -> None:
    _, _, rotations, shifts = primitive_operations(gemmi.symops_from_hall(hall))
    known = {
        (rotation.tobytes(), tuple(shift % DEN))
        for rotation, shift in zip(rotations, shifts, strict=True)
    }
    products = {
        ((a @ b).tobytes(), tuple((a @ t + s) % DEN))
        for a, s in zip(rotations, shifts, strict=True)
        for b, t in zip(rotations, shifts, strict=True)
    }
    assert products == known


def test_translations_are_counted_as_in_gemmi() -> None:
    assert DEN == gemmi.Op.DEN
