"""Patterns of imagined relatives of crystals, beside those of real ones."""

from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from direct_sum import crystal_of_setting

from configs import base
from data_gen.crystal import crystals_from_cif_text
from data_gen.instrument import instrument
from data_gen.profile import render
from data_gen.simulate import simulate
from sgan_jax.relatives import make_relatives, with_smaller_cells

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


def width_of(peak):
    """Full width at half maximum in steps of the grid, of a single maximum."""
    half = peak.max() / 2
    above = np.flatnonzero(peak >= half)
    first, last = above[0], above[-1]
    rise = (peak[first] - half) / (peak[first] - peak[first - 1])
    fall = (peak[last] - half) / (peak[last] - peak[last + 1])
    return last - first + rise + fall


def maxima(peak):
    """Points higher than their neighbours, but for what lies in the tails."""
    inner = peak[1:-1]
    highest = (inner > peak[:-2]) & (inner >= peak[2:]) & (inner > 0.05 * peak.max())
    return int(highest.sum())


def test_up_to_60_degrees_peaks_keep_their_shape_and_change_their_heights():
    """With three keys at most 1.2 % got a second maximum, and 2 % a width that is a quarter off.

    Half the widths grow by 5 % or more, since a smaller cell draws the curve over a longer axis.
    """
    config = base.get_config("supervised")
    angles = np.array([30.0, 45.0, 60.0])
    pattern = render(angles, np.ones(3), BT1)
    many = jnp.array(np.repeat(pattern[None], 256, axis=0))
    made = np.asarray(make_relatives(config)(many, jnp.arange(256), jax.random.key(0)))
    heights = []
    for angle in angles:
        around = (BT1.two_theta > angle - 3) & (BT1.two_theta < angle + 6)
        peaks = made[:, around]
        assert np.mean([maxima(peak) == 1 for peak in peaks]) > 0.97
        widths = np.array([width_of(peak) for peak in peaks])
        assert np.mean(np.abs(widths / width_of(pattern[around]) - 1) < 0.25) > 0.97
        heights.append(np.log(peaks.max(axis=1)))
    for one, other in pairwise(heights):
        assert np.std(one - other) > 0.5


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
