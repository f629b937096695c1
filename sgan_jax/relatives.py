"""Patterns of imagined relatives of a crystal: the same space group, another cell and structure.

A class is in where the reflections are and which of them are missing, and a network with few labels
learns the intensities of its few crystals by heart instead. A relative has a smaller cell of the
same shape, so that all reflections move as Bragg's law has it, and other structure factors, so that
each becomes stronger or weaker. What is extinct stays so: neither lattice type nor space group
changes, and no label is needed to know that.
"""

from collections.abc import Callable

import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Float, Int

from data_gen.instrument import instrument
from sgan_jax import rng

_LARGEST_SHRINKAGE = 0.05
"""Share by which a cell is smaller at most: better than 0.15 on validation patterns of
configs/bravais_10pct.py; the intensities' spread and step are not tuned."""
_INTENSITY_SPREAD = 0.7
"""Standard deviation of the logarithm of the factor on an intensity."""
_INTENSITY_STEP = 0.75
"""Degrees of 2θ from one factor to the next.

With the default instrument a peak is 0.35° wide at 60°, and nearly all peaks up to there keep their
shape; one at 105° is 0.75° wide, and from about 100° on shapes change with the heights.
"""

Patterns = Float[Array, "batch grid"]
Draw = Callable[[Patterns, Int[Array, "batch"], Array], Patterns]


def make_relatives(config: ml_collections.ConfigDict) -> Draw:
    """Builds what draws relatives of crystals measured with a config's instrument.

    Args:
        config: Run configuration.

    Returns:
        Pure function (patterns, their places in the whole batch, random key) → patterns of as many
        relatives, from 0 to 1.
    """
    two_theta = instrument(config.data.instrument).two_theta
    factors = int((two_theta[-1] - two_theta[0]) / _INTENSITY_STEP) + 2

    def relatives(
        patterns: Float[Array, "batch grid"], examples: Int[Array, "batch"], key: Array
    ) -> Float[Array, "batch grid"]:
        shrinkage = _LARGEST_SHRINKAGE * rng.uniform_per_example(rng.stream(key, "cell"), examples)
        normal = rng.normal_per_example(rng.stream(key, "intensity"), examples, factors)
        smaller = with_smaller_cells(patterns, shrinkage, two_theta)
        changed = with_other_intensities(smaller, _INTENSITY_SPREAD * normal)
        return changed / jnp.maximum(
            changed.max(axis=1, keepdims=True), jnp.finfo(changed.dtype).tiny
        )

    return relatives


def with_smaller_cells(
    patterns: Float[Array, "batch grid"],
    shrinkage: Float[Array, "batch"],
    two_theta: Float[np.ndarray, "grid"],
) -> Float[Array, "batch grid"]:
    """The patterns that crystals would have, were their cells smaller.

    By Bragg's law sinθ of every reflection grows as 1/(1 − shrinkage). The curve is drawn over the
    new angles, intensities as they are: the Lorentz factor then changes as it should, but for a
    constant (see `sgan_jax.grids`). Nothing moves in from beyond the range, as it would with larger
    cells.

    Args:
        patterns: Intensities.
        shrinkage: By which share each cell is smaller, from 0 to below 1.
        two_theta: The grid in degrees, in equal steps.

    Returns:
        Intensities on the same grid and scale; 0 where a reflection would come from below it.
    """
    sine = np.sin(np.radians(two_theta / 2)).astype(np.float32)
    origin = 2 * jnp.degrees(jnp.arcsin((1 - shrinkage[:, None]) * sine))
    place = (origin - two_theta[0]) / (two_theta[1] - two_theta[0])
    left = jnp.clip(place.astype(jnp.int32), 0, len(two_theta) - 2)
    share = jnp.maximum(place - left, 0)
    moved = (1 - share) * jnp.take_along_axis(patterns, left, axis=1)
    moved += share * jnp.take_along_axis(patterns, left + 1, axis=1)
    return jnp.where(place < -0.5, 0.0, moved)  # half a step: rounding is not out of range


def with_other_intensities(
    patterns: Float[Array, "batch grid"],
    logarithms: Float[Array, "batch factors"],
) -> Float[Array, "batch grid"]:
    """Patterns whose intensities are multiplied by factors that change along them.

    Args:
        patterns: Intensities.
        logarithms: Of the factors, evenly over the range; in between they change linearly.

    Returns:
        Intensities on the same grid, on the scale of the factors.
    """
    last = logarithms.shape[1] - 1
    place = np.linspace(0, last, patterns.shape[1], dtype=np.float32)
    left = np.minimum(place.astype(np.int32), last - 1)
    share = place - left
    factors = (1 - share) * logarithms[:, left] + share * logarithms[:, left + 1]
    return patterns * jnp.exp(factors)
