"""Special positions, multiplicities, atoms of the unit cell."""

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.orbits import (
    cell_of_metric,
    metric_tensor,
    multiplicities,
    shared_places,
    snap,
    unit_cell_sites,
)

CUBIC = np.array([5.0, 5.0, 5.0, 90.0, 90.0, 90.0])
FM3M = gemmi.SpaceGroup("F m -3 m").hall
WYCKOFF = np.array([[0, 0, 0], [0.25, 0.25, 0.25], [0.1, 0, 0], [0.1, 0.1, 0.3], [0.11, 0.2, 0.37]])
WYCKOFF_MULTIPLICITIES = [4, 8, 24, 96, 192]  # International Tables A, Fm-3m: a, c, e, k, l


def test_metric_tensor_and_cell_are_inverse() -> None:
    cell = np.array([5.0, 6.0, 7.0, 80.0, 95.0, 110.0])
    metric = metric_tensor(cell)
    assert np.sqrt(np.linalg.det(metric)) == pytest.approx(gemmi.UnitCell(*cell).volume)
    np.testing.assert_allclose(cell_of_metric(metric), cell)


def test_multiplicities_of_wyckoff_positions() -> None:
    assert multiplicities(FM3M, WYCKOFF).tolist() == WYCKOFF_MULTIPLICITIES


def test_every_atom_of_the_cell_comes_once() -> None:
    atoms = unit_cell_sites(FM3M, WYCKOFF)
    assert np.bincount(atoms.site).tolist() == WYCKOFF_MULTIPLICITIES
    assert atoms.positions.min() >= 0
    assert atoms.positions.max() < 1
    for site in range(len(WYCKOFF)):
        rows = np.round(atoms.positions[atoms.site == site], 6) % 1
        assert len(np.unique(rows, axis=0)) == len(rows)


@settings(deadline=None)
@given(
    st.integers(1, 230),
    st.tuples(*[st.sampled_from([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 0.2, 0.37, 1 / 2, 2 / 3])] * 3),
    st.tuples(*[st.floats(-0.0004, 0.0004)] * 3),
)
def test_rounding_does_not_change_multiplicities(
    number: int, position: tuple[float, ...], error: tuple[float, ...]
) -> None:
    setting = gemmi.get_spacegroup_reference_setting(number).hall
    metric = 25 * np.eye(3)
    exact = snap(metric, setting, np.array([position]), np.ones(1))
    rounded = snap(metric, setting, exact + np.array([error]), np.ones(1))
    assert multiplicities(setting, rounded) <= 192
    counts = np.bincount(unit_cell_sites(setting, rounded).site)
    assert counts == multiplicities(setting, rounded)
    if multiplicities(setting, exact) == multiplicities(setting, rounded):
        np.testing.assert_allclose(rounded, exact, atol=0.001)


def test_half_filled_split_sites_stay_split() -> None:
    position = np.array([[0.03, 0.0, 0.0]])  # 0.3 Å from its mirror image
    metric = metric_tensor(CUBIC)
    split = snap(metric, FM3M, position, np.array([0.5]))
    merged = snap(metric, FM3M, position, np.array([1.0]))
    np.testing.assert_array_equal(split, position)
    np.testing.assert_allclose(merged, 0.0, atol=1e-12)


def test_sites_that_share_a_place() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.002], [0.5, 0.5, 0.5]])
    positions[1, 2] = 0.0
    places = shared_places(metric_tensor(CUBIC), FM3M, positions, np.array([0.6, 0.3, 1.0]))
    assert places == {0: {0: 0.6, 1: pytest.approx(0.3)}, 1: {1: 0.3, 0: pytest.approx(0.6)}}
