"""Initial weights of the layers."""

import jax
import jax.numpy as jnp

from sgan_jax.models import layers


def largest(module, *arguments):
    params = module.init(jax.random.key(0), *arguments)["params"]
    return float(jnp.abs(params["kernel"]).max())


def test_initial_weights_are_pytorchs():
    x = jnp.zeros((1, 50, 8))
    bound = (8 * 5) ** -0.5
    assert 0.95 * bound < largest(layers.Conv1D(64, 5), x) <= bound
    assert 0.95 * bound < largest(layers.Kernel(64, 5, 8)) <= bound
    bound = (64 * 5) ** -0.5
    assert 0.95 * bound < largest(layers.ConvTranspose1D(64, 5), x) <= bound
