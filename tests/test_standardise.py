"""Symmetry and asymmetric unit from coordinates."""

import gemmi
import numpy as np
import pytest

from data_gen.errors import Reason, StructureError
from data_gen.limits import MAX_SITES
from data_gen.orbits import metric_tensor, multiplicities, unit_cell_sites
from data_gen.standardise import standardise


@pytest.mark.parametrize(
    "name", ["P -1", "C 1 2/c 1", "P n m a", "I 41/a", "R -3 m:H", "F d -3 m:2"]
)
def test_the_asymmetric_unit_gives_back_all_atoms(name: str) -> None:
    group = gemmi.SpaceGroup(name)
    cell = {"triclinic": [5, 6, 7, 80, 95, 105], "monoclinic": [5, 6, 7, 90, 105, 90],
            "orthorhombic": [5, 6, 7, 90, 90, 90], "tetragonal": [5, 5, 7, 90, 90, 90],
            "trigonal": [5, 5, 12, 90, 90, 120], "cubic": [9, 9, 9, 90, 90, 90]}  # fmt: skip
    axes = np.linalg.cholesky(metric_tensor(np.array(cell[group.crystal_system_str()], float)))
    sites = np.array([[0.02, 0.11, 0.23], [0.31, 0.43, 0.08]])
    atoms = unit_cell_sites(group.hall, sites)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1e-3, atoms.positions.shape)
    found = standardise(axes, atoms.positions + noise, atoms.site.tolist())
    assert found.space_group == group.number
    assert multiplicities(found.setting, found.positions).sum() == len(atoms.site)


@pytest.mark.parametrize(
    ("count", "reason"), [(0, Reason.NO_ATOMS), (MAX_SITES + 1, Reason.TOO_LARGE)]
)
def test_number_of_atoms_is_limited(count: int, reason: Reason) -> None:
    with pytest.raises(StructureError) as caught:
        standardise(np.eye(3), np.zeros((count, 3)), [1] * count)
    assert caught.value.reason is reason


def test_coinciding_atoms_have_no_symmetry() -> None:
    with pytest.raises(StructureError) as caught:
        standardise(3 * np.eye(3), np.zeros((2, 3)), [1, 1])
    assert caught.value.reason is Reason.IMPOSSIBLE_SYMMETRY
