"""The discriminator's fused operations: compiled against plain, plain against Flax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy.special import erf

from sgan_jax.grids import NOT_MEASURED
from sgan_jax.models import fused
from sgan_jax.models.layers import Affine
from tests.gradients import assert_same, random_arrays, value_and_gradients

RATES = [0.0, 0.1]
GRID = 3041


def settings(rate, window=1):
    return fused._settings(fused.Dropout(jnp.uint32(12345), rate), window)


def stem_arrays():
    x, weight, scale, bias = random_arrays(0, (3, GRID), (13, 1, 32), (32,), (32,))
    # Real patterns are flat over long stretches, where points of a window are equal.
    patterns = jnp.where(jnp.arange(GRID) % 500 < 120, 0.0, jnp.abs(x))
    return patterns, 0.3 * weight, 1 + 0.1 * scale, 0.1 * bias


def one_input(window, *arrays):
    return fused._fused_stem(window, *arrays, jnp.zeros((0, 1, 32)))


@pytest.mark.parametrize("window", [1, 2, 7, 8])
@pytest.mark.parametrize("rate", RATES)
def test_compiled_stem_equals_the_plain_one(window, rate):
    arrays = stem_arrays()
    compiled = lambda *a: one_input(window, *a, settings(rate, window))  # noqa: E731
    plain = lambda *a: fused.plain_stem(window, *a, settings(rate, window))  # noqa: E731
    assert_same(value_and_gradients(compiled, *arrays), value_and_gradients(plain, *arrays))


@pytest.mark.parametrize("window", [1, 7, 8])
@pytest.mark.parametrize("rate", RATES)
def test_compiled_stem_with_coverage_equals_the_plain_one(window, rate):
    patterns, _, scale, bias = stem_arrays()
    (weight,) = random_arrays(2, (13, 2, 32))
    points = jnp.arange(GRID)
    ends = (points < 400) | (points >= 2900)
    holes = (points == 700) | ((points > 1000) & (points < 1009))
    nothing = points >= 0
    patterns = jnp.where(jnp.stack([ends, ends | holes, nothing]), NOT_MEASURED, patterns)
    arrays = patterns, 0.3 * weight, scale, bias
    dropout = fused.Dropout(jnp.uint32(12345), rate)
    compiled = lambda x, w, *affine: fused.stem_block(x, w, Affine(*affine), dropout, window)  # noqa: E731
    plain = lambda *a: fused.plain_stem(window, *a, settings(rate, window))  # noqa: E731
    assert_same(value_and_gradients(compiled, *arrays), value_and_gradients(plain, *arrays))


def test_what_was_not_measured_is_unlike_zero():
    patterns, _, scale, bias = stem_arrays()
    (weight,) = random_arrays(2, (13, 2, 32))
    hidden = patterns.at[:, 500:].set(NOT_MEASURED)
    zero = patterns.at[:, 500:].set(0.0)
    given = [
        fused.stem_block(x, weight, Affine(scale, bias), fused.NO_DROPOUT, 7)
        for x in (hidden, zero)
    ]
    assert jnp.array_equal(given[0][:, :70], given[1][:, :70])
    assert jnp.abs(given[0] - given[1])[:, 75:].max() > 0.1


def test_stem_takes_other_lengths_of_patterns():
    for length in (13, 14, 20, 100, 1001):
        for window in (1, 7):
            patterns, *weights = stem_arrays()
            patterns = patterns[:, 130 : 130 + length]
            compiled = one_input(window, patterns, *weights, settings(0.1, window))
            plain = fused.plain_stem(window, patterns, *weights, settings(0.1, window))
            assert_same(compiled, plain)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [32, 64])
@pytest.mark.parametrize("with_shortcut", [False, True])
def test_compiled_normalisation_equals_the_plain_one(rate, channels, with_shortcut):
    points = (5, 41, channels)
    other = points if with_shortcut else (5, 0, channels)
    weights = (channels,) if with_shortcut else (0,)
    shapes = (points, (channels,), (channels,), other, weights, weights)
    arrays = random_arrays(1, *shapes)
    compiled = lambda *a: fused._fused_normalised_gelu(*a, settings(rate))  # noqa: E731
    plain = lambda *a: fused.plain_normalised_gelu(*a, settings(rate))  # noqa: E731
    assert_same(value_and_gradients(compiled, *arrays), value_and_gradients(plain, *arrays))


def test_plain_normalisation_is_flaxs():
    x, scale, bias = random_arrays(2, (4, 10, 32), (32,), (32,))
    norm = nn.LayerNorm(epsilon=1e-5)
    expected = nn.gelu(norm.apply({"params": {"scale": scale, "bias": bias}}, x), approximate=False)
    result = fused.normalised_gelu(x, Affine(scale, bias), fused.NO_DROPOUT)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_gelu_is_exact_over_its_whole_range():
    """Of single values, through a layer norm of two lanes up and the rest down."""
    bias = np.linspace(-12, 12, 32, dtype=np.float32)
    x = jnp.zeros((1, 1, 32))
    affine = Affine(jnp.zeros(32), jnp.asarray(bias))
    wanted = bias.astype(np.float64) / 2 * (1 + erf(bias.astype(np.float64) / np.sqrt(2)))
    np.testing.assert_allclose(
        fused.normalised_gelu(x, affine, fused.NO_DROPOUT)[0, 0], wanted, rtol=1e-6, atol=3e-7
    )


@pytest.mark.parametrize("length", [3029, 433, 14, 8])
def test_max_pool_equals_flax(length):
    (x,) = random_arrays(2, (3, length, 4))
    expected = nn.max_pool(x, (7,), (7,), padding=((3, 3),))
    np.testing.assert_array_equal(fused.max_pool(x, 7, 3), expected)


def test_dropout_drops_its_share_independently():
    ones = jnp.ones((100, 50, 64))
    masks = [np.asarray(fused._drop(ones, settings(0.1))) for _ in range(2)]
    np.testing.assert_array_equal(*masks)
    dropped = masks[0] == 0
    n = dropped.size
    assert abs(dropped.mean() - 0.1) < 4 * (0.09 / n) ** 0.5
    np.testing.assert_allclose(masks[0][~dropped], 1 / 0.9, rtol=1e-6)
    # Neither along points, channels or examples, nor between layers with other seeds.
    other = np.asarray(fused._drop(ones, fused._settings(fused.Dropout(jnp.uint32(7), 0.1), 1)))
    pairs = [(dropped, other == 0)]
    pairs += [(np.roll(dropped, 1, axis), dropped) for axis in range(3)]
    for first, second in pairs:
        assert abs((first & second).mean() - 0.01) < 4 * (0.01 * 0.99 / n) ** 0.5


def test_kernels_work_on_eight_parts_at_once():
    """Many calls under way together, each with threads of its own to wait for."""
    x, scale, bias = random_arrays(3, (64, 50, 32), (32,), (32,))

    def many(x):
        parts = [
            fused.normalised_gelu(x + i, Affine(scale, bias), fused.NO_DROPOUT) for i in range(16)
        ]
        return jnp.stack(parts).sum()

    value = jax.jit(many)(x)
    for _ in range(20):
        np.testing.assert_array_equal(jax.jit(many)(x), value)
