"""Random keys, derived from the run's root key by name and step, never threaded or saved.

A run that starts again at step n draws the same numbers as one that never stopped.
"""

import zlib

import jax
from jaxtyping import Array, Float, Int


def stream(root: Array, name: str) -> Array:
    """Key of a named stream of random numbers."""
    return jax.random.fold_in(root, zlib.crc32(name.encode()))


def at_step(root: Array, name: str, step: Int[Array, ""]) -> Array:
    """Key of a named stream at a training step."""
    return jax.random.fold_in(stream(root, name), step)


def normal_per_example(
    key: Array, examples: Int[Array, "batch"], length: int
) -> Float[Array, "batch length"]:
    """Standard normal numbers keyed by global example index.

    The numbers of an example do not depend on how the batch is split over devices.
    """
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (length,)))(examples)


def uniform_per_example(key: Array, examples: Int[Array, "batch"]) -> Float[Array, "batch"]:
    """Uniform numbers in [0, 1), one per example, keyed by global example index."""
    return jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i)))(examples)
