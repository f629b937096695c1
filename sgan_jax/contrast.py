"""What unlabelled patterns teach by themselves: relatives of one crystal look alike.

Of every unlabelled pattern two relatives are drawn (see `sgan_jax.relatives`), and the network is
to tell by its features which two among those of all patterns belong together (Chen, Kornblith,
Norouzi, Hinton, ICML 2020). What it can tell them by is what they have in common: where the
reflections are relative to each other and which are missing. In that lies the class.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Float, Int

from sgan_jax import rng
from sgan_jax.relatives import Patterns, make_relatives

_TEMPERATURE = 0.2
"""In the range of Chen et al.; not tuned here."""
_TINY = 1e-12

Pairs = Float[Array, "twice_the_batch grid"]
"""One relative of each pattern, then another of each."""
DrawPairs = Callable[[Patterns, Int[Array, "batch"], Array], Pairs]


def make_pairs(config: ml_collections.ConfigDict) -> DrawPairs:
    """Builds what draws two relatives of each crystal.

    Args:
        config: Run configuration.

    Returns:
        Pure function (patterns, their places in the whole batch, random key) → patterns of one
        relative of each, then of another.
    """
    relatives = make_relatives(config)

    def pairs(patterns: Patterns, examples: Int[Array, "batch"], key: Array) -> Pairs:
        drawn = [relatives(patterns, examples, rng.stream(key, name)) for name in ("one", "other")]
        return jnp.concatenate(drawn)

    return pairs


def contrastive_loss(features: Float[Array, "twice_the_batch channels"]) -> Float[Array, ""]:
    """Cross-entropy of finding each pattern's counterpart among all others (NT-Xent).

    Args:
        features: Of one relative of each pattern, then of another; their lengths do not matter.

    Returns:
        Mean over all, in nats; log(n − 1) of n features that are all alike.
    """
    squares = jnp.square(features).sum(axis=1, keepdims=True)
    directions = features * jax.lax.rsqrt(squares + _TINY)
    count = len(features)
    likeness = directions @ directions.T / _TEMPERATURE
    likeness = jnp.where(jnp.eye(count, dtype=bool), -jnp.inf, likeness)
    counterpart = (jnp.arange(count) + count // 2) % count
    return -jax.nn.log_softmax(likeness, axis=1)[jnp.arange(count), counterpart].mean()
