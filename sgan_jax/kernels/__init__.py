"""Compiled functions for the networks on CPUs, where XLA leaves most of the speed unused.

Each is a custom call of XLA's, on all cores. What they compute is defined in plain JAX, in
`sgan_jax.models`; on other devices, and in float64, that is what runs.
"""

import contextlib
import threading
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Array

_thread = threading.local()


def serve(x: Array) -> bool:
    """Whether the compiled functions are for arrays like this one, on this machine."""
    if getattr(_thread, "plain", False):
        return False
    return jax.default_backend() == "cpu" and x.dtype == jnp.float32


@contextlib.contextmanager
def unused() -> Iterator[None]:
    """Within this block, in this thread, plain JAX is compiled: for what is to run only once."""
    _thread.plain = True
    try:
        yield
    finally:
        _thread.plain = False
