"""LeakyReLU with batch normalisation: compiled against plain, plain against Flax."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from sgan_jax import kernels
from sgan_jax.models import batch_norm
from sgan_jax.models.layers import Affine
from tests.gradients import assert_same, random_arrays, value_and_gradients


def arrays():
    x, scale, bias = random_arrays(0, (6, 215, 32), (32,), (32,))
    return 2 * x + 0.5, 1 + 0.1 * scale, bias


def normalised(x, scale, bias):
    return batch_norm.leaky_normalised(x, Affine(scale, bias), None)[0]


def test_compiled_equals_plain(monkeypatch):
    compiled = value_and_gradients(normalised, *arrays())
    monkeypatch.setattr(kernels, "serve", lambda _: False)
    plain = value_and_gradients(lambda *a: normalised(*a), *arrays())
    assert_same(compiled, plain)


def test_equals_flaxs_batch_norm():
    x, scale, bias = arrays()
    norm = nn.BatchNorm(use_running_average=False, momentum=0.9, epsilon=1e-4)
    variables = {
        "params": {"scale": scale, "bias": bias},
        "batch_stats": {"mean": jnp.zeros(32), "var": jnp.ones(32)},
    }
    h = jax.nn.leaky_relu(x, 0.2)
    expected, moved = norm.apply(variables, h, mutable=["batch_stats"])
    out, moments = batch_norm.leaky_normalised(x, Affine(scale, bias), None)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(0.1 * moments.mean, moved["batch_stats"]["mean"], rtol=1e-5)
    np.testing.assert_allclose(0.9 + 0.1 * moments.var, moved["batch_stats"]["var"], rtol=1e-5)


def test_running_averages_normalise_outside_of_training():
    x, scale, bias = arrays()
    _, moments = batch_norm.leaky_normalised(x, Affine(scale, bias), None)
    out = batch_norm.leaky_scaled(x, Affine(scale, bias), moments)
    assert_same(out, normalised(x, scale, bias))
