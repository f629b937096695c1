"""The grids on which networks see patterns."""

import numpy as np
import pytest

from data_gen.instrument import instrument
from sgan_jax.grids import GRIDS, POINTS


@pytest.mark.parametrize("grid", GRIDS.values(), ids=lambda grid: grid.axis)
def test_a_grid_ascends_and_has_as_many_points_as_the_paper(grid):
    assert len(grid.centres) == POINTS == len(grid.edges) - 1
    assert np.all(np.diff(grid.edges) > 0)


def test_the_grid_of_the_paper_is_that_of_its_instrument():
    paper = instrument("bt1_ge311")
    angles = 2 * np.degrees(np.arcsin(GRIDS["two_theta"].centres * paper.wavelength / 2))
    np.testing.assert_allclose(angles, paper.two_theta, atol=1e-4)


def test_steps_are_equal_in_what_names_the_grid():
    np.testing.assert_allclose(np.diff(GRIDS["inverse_d"].edges, 2), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(GRIDS["log_d"].edges), 2), 0, atol=1e-12)


def test_a_larger_cell_is_a_shift_of_the_logarithmic_grid():
    edges = GRIDS["log_d"].edges
    np.testing.assert_allclose(edges[10:] / edges[:-10], edges[10] / edges[0])
