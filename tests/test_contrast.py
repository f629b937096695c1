"""Which relatives are of the same crystal."""

import math
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import jaxtyped

from configs import base
from sgan_jax.contrast import contrastive_loss, make_pairs
from sgan_jax.relatives import make_relatives


def test_counterparts_that_are_alike_and_unlike_all_others_cost_next_to_nothing():
    features = jnp.tile(jnp.eye(4), (2, 1))
    expected = math.log(1 + 6 * math.exp(-1 / 0.2))
    assert contrastive_loss(features) == pytest.approx(expected, rel=1e-4)
    assert contrastive_loss(7 * features) == pytest.approx(expected, rel=1e-4)


def test_features_that_tell_nothing_cost_a_guess_among_all_others():
    assert contrastive_loss(jnp.ones((8, 5))) == pytest.approx(math.log(7), rel=1e-5)
    swapped = jnp.concatenate([jnp.eye(4), jnp.roll(jnp.eye(4), 1, axis=0)])
    assert contrastive_loss(swapped) > math.log(7)


def test_features_that_vanish_have_a_gradient():
    gradient = jax.grad(contrastive_loss)(jnp.zeros((4, 3)))
    assert np.isfinite(gradient).all()


def test_two_relatives_of_each_pattern_are_drawn_by_its_place():
    draw = make_pairs(base.get_config())
    patterns = jnp.array(np.random.default_rng(0).random((4, 3041), dtype=np.float32))
    key = jax.random.key(0)
    whole = np.asarray(draw(patterns, jnp.arange(4), key))
    assert whole.shape == (8, 3041)
    assert not np.array_equal(whole[:4], whole[4:])
    half = draw(patterns[2:], jnp.arange(2, 4), key)
    np.testing.assert_array_equal(half, np.concatenate([whole[2:4], whole[6:]]))


@pytest.mark.parametrize("make", [make_relatives, make_pairs])
def test_the_types_tell_how_many_patterns_are_drawn(make):
    (given, places, _), promised = get_args(make.__annotations__["return"])
    patterns, examples = jnp.ones((4, 3041)), jnp.arange(4)
    drawn = make(base.get_config())(patterns, examples, jax.random.key(0))
    with jaxtyped("context"):  # a name in the types stands for one number in here
        assert isinstance(patterns, given)
        assert isinstance(examples, places)
        assert isinstance(drawn, promised)
