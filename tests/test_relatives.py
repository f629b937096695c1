"""Patterns of imagined relatives of crystals, beside those of real ones."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from direct_sum import crystal_of_setting

from configs import base
from data_gen.crystal import crystals_from_cif_text
from data_gen.instrument import instrument
from data_gen.simulate import simulate
from sgan_jax.relatives import make_relatives, with_other_intensities, with_smaller_cells

BT1 = instrument("bt1_ge311")
HALITE = (Path(__file__).parent / "data" / "halite.cif").read_text()


def crystals():
    """A cubic one and a triclinic one, whose peaks overlap."""
    ((_, halite),) = crystals_from_cif_text(HALITE)
    positions = [(0.1, 0.2, 0.3), (0.6, 0.5, 0.9)]
    return [halite, crystal_of_setting("P 1", positions, species=("Si", "O"))]


@pytest.mark.parametrize("shrinkage", [0.01, 0.05])
def test_a_pattern_of_a_smaller_cell_is_that_of_the_smaller_crystal(shrinkage):
    """Up to what vibrations and the width of peaks make of higher angles."""
    for crystal in crystals():
        lengths = crystal.cell * np.repeat([1 - shrinkage, 1], 3)
        smaller = type(crystal)(
            lengths, crystal.setting, crystal.species, crystal.occupancies, crystal.positions
        )
        pattern, expected = simulate(crystal, BT1), simulate(smaller, BT1)
        shares = jnp.array([shrinkage])
        (moved,) = np.asarray(with_smaller_cells(jnp.array(pattern[None]), shares, BT1.two_theta))
        moved = moved / moved.max()
        assert np.abs(moved - expected).max() < 0.1
        cosine = moved @ expected / np.linalg.norm(moved) / np.linalg.norm(expected)
        before = pattern @ expected / np.linalg.norm(pattern) / np.linalg.norm(expected)
        assert cosine > 0.995
        assert before < 0.9


def test_a_cell_of_the_same_size_has_the_same_pattern():
    pattern = simulate(crystals()[0], BT1)[None]
    same = with_smaller_cells(jnp.array(pattern), jnp.zeros(1), BT1.two_theta)
    np.testing.assert_allclose(same, pattern, atol=2e-4)


def test_nothing_comes_in_from_below_the_range():
    flat = jnp.ones((1, len(BT1.two_theta)))
    moved = np.asarray(with_smaller_cells(flat, jnp.array([0.05]), BT1.two_theta))[0]
    new = BT1.two_theta < 2 * np.degrees(np.arcsin(np.sin(np.radians(BT1.two_theta[0] / 2)) / 0.95))
    assert not moved[new][:-1].any()
    np.testing.assert_allclose(moved[~new], 1, rtol=1e-6)


def test_intensities_change_by_their_factors_and_peaks_keep_their_shape():
    pattern = simulate(crystals()[0], BT1)
    logarithms = np.random.default_rng(0).normal(size=(1, 30)).astype(np.float32)
    (changed,) = np.asarray(with_other_intensities(jnp.array(pattern[None]), logarithms))
    places = np.linspace(BT1.two_theta[0], BT1.two_theta[-1], 30)
    expected = pattern * np.exp(np.interp(BT1.two_theta, places, logarithms[0]))
    np.testing.assert_allclose(changed, expected, rtol=1e-3, atol=1e-6)


def test_relatives_are_scaled_and_all_different_and_where_nothing_was_nothing_is():
    config = base.get_config("supervised")
    patterns = jnp.array(np.repeat(simulate(crystals()[0], BT1)[None], 64, axis=0))
    made = np.asarray(make_relatives(config)(patterns, jnp.arange(64), jax.random.key(0)))
    np.testing.assert_allclose(made.max(axis=1), 1, rtol=1e-6)
    assert made.min() >= 0
    assert len(np.unique(made, axis=0)) == 64
    # The first reflection of halite, 111 at d = 3.256 Å, is at 36.9° and moves to 38.9° at most.
    first = BT1.two_theta[(made > 0.02).argmax(axis=1)]
    assert first.min() > 35.5
    assert first.max() < 39.5
    assert first.max() - first.min() > 1.5


def test_a_relative_depends_on_the_place_of_an_example_and_not_on_the_batch():
    draw = make_relatives(base.get_config("supervised"))
    patterns = jnp.array(np.repeat(simulate(crystals()[0], BT1)[None], 4, axis=0))
    whole = draw(patterns, jnp.arange(4), jax.random.key(0))
    half = draw(patterns[2:], jnp.arange(2, 4), jax.random.key(0))
    np.testing.assert_array_equal(whole[2:], half)
