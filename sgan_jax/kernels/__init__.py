"""Compiled functions for the networks on CPUs, where XLA leaves most of the speed unused.

Each is a custom call of XLA's, on all cores. What they compute is defined in plain JAX, in
`sgan_jax.models`; on other devices, and in float64, that is what runs.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array


def serve(x: Array) -> bool:
    """Whether the compiled functions are for arrays like this one, on this machine."""
    return jax.default_backend() == "cpu" and x.dtype == jnp.float32
