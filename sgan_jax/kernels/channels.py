"""What happens to the channels of one point: dropout and layer normalisation, both ways."""

import numpy as np

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.calls import bits
from sgan_jax.kernels.vectors import Lanes, Pointer, fma, is_at_least, lanes, select, splat, total

_f = np.float32
EPSILON = 1e-5
"""Of the layer norms: PyTorch's, with which the paper was made."""

_EPSILON = _f(EPSILON)
_GOLDEN = np.uint32(0x9E3779B9)


@kernel
def dropout_scale(threshold: int) -> np.float32:
    """What kept values are multiplied by, when numbers below `threshold` of 2³² are dropped."""
    return _f(4294967296.0 / (4294967296.0 - threshold))


@kernel
def drop(row: Lanes, first: int, settings: Pointer) -> Lanes:
    """Sets lanes to zero at random and scales the rest; the same function is its own transpose.

    Args:
        row: Values.
        first: Number of the first lane among all values of the layer.
        settings: Pointer to seed and threshold.
    """
    threshold = bits(settings, 1)
    if threshold == 0:
        return row
    x = ((lanes(row) + np.uint32(first)) * _GOLDEN) ^ bits(settings, 0)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    x = x ^ (x >> np.uint32(16))
    zero = splat(_f(0), row)
    return select(is_at_least(x, threshold), row * dropout_scale(threshold), zero)


@kernel
def normalise(row: Lanes, share: np.float32) -> tuple[Lanes, np.float32]:
    """The row less its mean and over its standard deviation, and the inverse of the latter.

    Args:
        row: Values.
        share: One over the number of lanes.
    """
    centred = row - total(row) * share
    inverse = _f(1) / np.sqrt(total(centred * centred) * share + _EPSILON)
    return centred * inverse, inverse


@kernel
def pull_back(d: Lanes, normalised: Lanes, inverse: np.float32, share: np.float32) -> Lanes:
    """The cotangent of what was normalised, from that of the result `d`."""
    projected = fma(total(d * normalised) * share, normalised, d * _f(0) + total(d) * share)
    return (d - projected) * inverse
