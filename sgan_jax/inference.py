"""What a trained state is used for: classify patterns, generate patterns."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Float

from sgan_jax import rng
from sgan_jax.devices import pmap_apply
from sgan_jax.models.generator import NOISE_LENGTH
from sgan_jax.models.resnet import apply_discriminator
from sgan_jax.state import GeneratorState, Params, make_discriminator, make_generator

Predict = Callable[[Params, Float[np.ndarray, "batch grid"]], Float[Array, "batch classes"]]


def make_predict(config: ml_collections.ConfigDict, num_classes: int) -> Predict:
    """Builds the classifier of a config, mapped over all local devices.

    Args:
        config: Run configuration.
        num_classes: Classes of the task.

    Returns:
        Function (parameters, patterns) → class logits; the batch must divide over the devices.
    """
    module = make_discriminator(config, num_classes)
    return pmap_apply(lambda params, x: apply_discriminator(module, params, x).logits)


def generate(
    config: ml_collections.ConfigDict,
    generator: GeneratorState,
    root: Array,
    count: int,
    *,
    train: bool = False,
) -> Float[Array, "count grid"]:
    """Patterns from the generator.

    Args:
        config: Run configuration.
        generator: State of the generator.
        root: Root key; the noise of pattern i is a function of this key and i.
        count: Number of patterns.
        train: Normalise by the statistics of these patterns, as in training, rather than by the
            running ones, which are those of nothing before the first step.
    """
    key = rng.stream(root, "generate")
    noise = rng.normal_per_example(key, jnp.arange(count), NOISE_LENGTH)
    variables = {"params": generator.params, "batch_stats": generator.batch_stats}
    moved = ["batch_stats"] if train else False
    apply = functools.partial(make_generator(config).apply, train=train, mutable=moved)
    made = jax.jit(apply)(variables, noise)
    return made[0] if train else made
