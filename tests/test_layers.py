"""Convolutions and pooling against independent formulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from sgan_jax.models import layers


def random_pair(seed, shape, weight_shape):
    keys = jax.random.split(jax.random.key(seed))
    return jax.random.normal(keys[0], shape), jax.random.normal(keys[1], weight_shape)


def gradients(function, x, weight):
    """Value and both gradients of a nonlinear scalar of the layer's output."""
    scalar = lambda x, w: jnp.sin(function(x, w)).sum()  # noqa: E731
    return jax.jit(jax.value_and_grad(scalar, (0, 1)))(x, weight)


def assert_same(first, second):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        scale = float(jnp.abs(b).max())
        np.testing.assert_allclose(a, b, atol=2e-5 * scale, rtol=2e-5)


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "padding"),
    [(3041, 13, 1, 0), (1000, 5, 4, 2), (2000, 1, 4, 0), (1200, 1, 1, 0), (700, 9, 2, 4)],
)
def test_long_convolution_equals_the_plain_one(length, kernel, stride, padding):
    x, weight = random_pair(0, (2, length, 3), (kernel, 3, 4))
    plain = lambda x, w: jax.lax.conv_general_dilated(  # noqa: E731
        x, w, (stride,), ((padding, padding),), dimension_numbers=("NWC", "WIO", "NWC")
    )
    cut = lambda x, w: layers.convolve(x, w, stride, (padding, padding))  # noqa: E731
    assert cut(x, weight).shape == plain(x, weight).shape
    assert_same(gradients(cut, x, weight), gradients(plain, x, weight))


@pytest.mark.parametrize(("kernel", "stride"), [(17, 2), (18, 3), (11, 4), (9, 1), (3, 5)])
def test_transposed_convolution_equals_its_definition(kernel, stride):
    length = 12
    x, weight = random_pair(1, (2, length, 3), (kernel, 3, 5))

    def definition(x, weight):
        y = jnp.zeros((2, (length - 1) * stride + kernel, 5))
        for point in range(length):
            start = point * stride
            y = y.at[:, start : start + kernel].add(jnp.einsum("bc,kco->bko", x[:, point], weight))
        return y

    phased = lambda x, w: layers.convolve_transposed(x, w, stride)  # noqa: E731
    assert phased(x, weight).shape == (2, (length - 1) * stride + kernel, 5)
    assert_same(gradients(phased, x, weight), gradients(definition, x, weight))


@pytest.mark.parametrize("length", [3029, 433, 14, 8])
def test_max_pool_equals_flax(length):
    x, _ = random_pair(2, (3, length, 4), (1,))
    expected = nn.max_pool(x, (7,), (7,), padding=((3, 3),))
    np.testing.assert_array_equal(layers.max_pool(x, 7, 3), expected)


def test_initial_weights_are_pytorchs():
    x = jnp.zeros((1, 50, 8))
    kernel = layers.Conv1D(64, 5).init(jax.random.key(0), x)["params"]["kernel"]
    bound = (8 * 5) ** -0.5
    assert 0.95 * bound < float(jnp.abs(kernel).max()) <= bound
    transposed = layers.ConvTranspose1D(64, 5).init(jax.random.key(0), x)["params"]["kernel"]
    bound = (64 * 5) ** -0.5
    assert 0.95 * bound < float(jnp.abs(transposed).max()) <= bound
