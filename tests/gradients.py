"""Comparison of two forms of one operation, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np


def random_arrays(seed, *shapes):
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def value_and_gradients(function, *arguments):
    """The result, and the gradients of a nonlinear scalar of it by every argument."""

    def scalar(*arguments):
        result = function(*arguments)
        return jnp.sin(2 * result).sum(), result

    numbers = tuple(range(len(arguments)))
    gradients, result = jax.jit(jax.grad(scalar, numbers, has_aux=True))(*arguments)
    return result, *gradients


def assert_same(first, second, tolerance=2e-5):
    """Each array differs by at most `tolerance` of its norm."""
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert a.shape == b.shape
        difference = np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64))
        assert difference <= tolerance * np.linalg.norm(np.asarray(b, np.float64))
