"""Displacement parameters: from columns and labels to tensors."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.sites import Sites, displacement_tensors, rows_by_label

CUBIC = np.array([5.0, 5.0, 5.0, 90.0, 90.0, 90.0])
NONE = [np.nan] * 6


def tensors_of(isotropic=None, anisotropic=None, cell=CUBIC):
    """Displacement tensors of sites for which these values are given."""
    given = [None if v is None else np.array(v, dtype=float) for v in (isotropic, anisotropic)]
    count = max(len(values) for values in given if values is not None)
    sites = Sites(("Na",) * count, np.ones(count), np.zeros((count, 3)), *given)
    return displacement_tensors(sites, cell)


@given(
    st.lists(st.floats(60, 119), min_size=3, max_size=3),
    st.lists(st.integers(-5, 5), min_size=3, max_size=3),
)
def test_an_isotropic_tensor_damps_by_the_length_of_the_vector(angles, hkl):
    cell = gemmi.UnitCell(4.0, 5.0, 7.0, *angles)
    if not cell.volume > 20:
        return
    (tensor,) = tensors_of([0.02], cell=np.array(cell.parameters))
    reciprocal = cell.reciprocal()
    h = np.array(hkl) * np.array([reciprocal.a, reciprocal.b, reciprocal.c])
    exponent = h**2 @ tensor[:3] + 2 * (h[[1, 0, 0]] * h[[2, 2, 1]]) @ tensor[3:]
    assert exponent == pytest.approx(0.02 * cell.calculate_1_d2(hkl), abs=1e-12)


def test_where_nothing_is_given_there_are_no_tensors():
    sites = Sites(("Na",), np.ones(1), np.zeros((1, 3)))
    np.testing.assert_array_equal(displacement_tensors(sites, CUBIC), [NONE])


@pytest.mark.parametrize("value", [-0.001, 1.5, np.nan, np.inf])
def test_impossible_isotropic_values_count_as_not_given(value):
    np.testing.assert_array_equal(tensors_of([value, 0.01])[:, 0], [np.nan, 0.01])


@pytest.mark.parametrize(
    ("tensor", "possible"),
    [
        ([0.02, 0.01, 0.03, 0.001, -0.002, 0.003], True),
        ([0.0, 0.0, 0.01, 0.0, 0.0, 0.0], True),
        ([0.01, 0.01, 0.01, 0.0, 0.0, 0.0102], True),  # negative by rounding at most
        ([0.01, 0.01, 0.01, 0.0, 0.0, 0.02], False),
        ([-0.01, 0.01, 0.01, 0.0, 0.0, 0.0], False),
        ([1.2, 1.2, 1.2, 0.0, 0.0, 0.0], False),
        ([0.01, 0.01, 0.01, 0.0, 0.0, 1e300], False),
        ([0.01, 0.01, 0.01, 0.0, 0.0, np.nan], False),
    ],
)
def test_impossible_tensors_give_way_to_isotropic_values(tensor, possible):
    np.testing.assert_array_equal(tensors_of(None, [tensor])[0], tensor if possible else NONE)
    isotropic = [0.02, 0.02, 0.02, 0.0, 0.0, 0.0]
    found = tensors_of([0.02], [tensor])[0]
    np.testing.assert_allclose(found, tensor if possible else isotropic, atol=1e-15)


def test_rows_are_found_by_label():
    rows = np.arange(8.0).reshape(4, 2)
    found = rows_by_label(["A", "B", "C", ""], ["B", "A", "X", ""], rows)
    np.testing.assert_array_equal(found, [[2, 3], [0, 1], [np.nan] * 2, [np.nan] * 2])


def test_repeated_labels_take_their_rows_in_turn():
    rows = np.arange(6.0).reshape(3, 2)
    found = rows_by_label(["A", "B", "A", "A", "B"], ["A", "B", "A"], rows)
    np.testing.assert_array_equal(found[:, 0], [0, 2, 4, 4, 2])


def test_chosen_sites_keep_their_values():
    sites = Sites(
        ("Na", "K", "Cl"), np.array([1.0, 0.0, 0.5]), np.eye(3), np.array([0.1, 0.2, 0.3]), None
    )
    chosen = sites.select([0, 2])
    assert chosen.species == ("Na", "Cl")
    np.testing.assert_array_equal(chosen.isotropic, [0.1, 0.3])
    np.testing.assert_array_equal(chosen.positions, np.eye(3)[[0, 2]])
    assert chosen.anisotropic is None
    assert sites.select([0, 1, 2]) is sites
