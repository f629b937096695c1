"""Products and closure of symmetry operations, primitive lattices."""

import gemmi
import numpy as np
import pytest

from data_gen.errors import StructureError
from data_gen.operations import closure, group_of_rows, primitive_lattice, rows_of_triplets


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
def test_primitive_lattices(centring: str, points: int) -> None:
    vectors = gemmi.symops_from_hall(f"{centring} 1").cen_ops
    axes = primitive_lattice(vectors)
    assert abs(np.linalg.det(axes)) == pytest.approx(1 / points)
    whole = np.linalg.solve(axes, np.array(vectors).T / gemmi.Op.DEN)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-12)
