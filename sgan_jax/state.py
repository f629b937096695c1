"""Everything that training changes, as arrays, and nothing else."""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Int, PyTree

from sgan_jax import rng
from sgan_jax.config import has_game
from sgan_jax.models.generator import NOISE_LENGTH, Generator
from sgan_jax.models.resnet import ResNet
from sgan_jax.optimizers import make_optimizers

Params = PyTree[Array]


class GeneratorState(flax.struct.PyTreeNode):
    """The adversary's half of the state; a run without a game has none.

    Attributes:
        params: Weights of the generator.
        batch_stats: Running means and variances of its BatchNorm layers.
        opt_state: Adam state of the generator.
        unsupervised_opt_state: Adam state of the discriminator's unsupervised loss.
    """

    params: Params
    batch_stats: Params
    opt_state: optax.OptState
    unsupervised_opt_state: optax.OptState


class SganState(flax.struct.PyTreeNode):
    """State of a run; the same tree is trained, saved and restored.

    Attributes:
        step: Finished training steps.
        params: Weights of the discriminator, which is the classifier.
        ema_params: Exponential moving average of `params`, started from zero.
        opt_state: Adam state of the supervised loss.
        generator: The adversary, or None without a game (`config.has_game`).
    """

    step: Int[Array, ""]
    params: Params
    ema_params: Params
    opt_state: optax.OptState
    generator: GeneratorState | None


def make_discriminator(config: ml_collections.ConfigDict, num_classes: int) -> ResNet:
    """The discriminator that a config describes."""
    return ResNet(
        num_classes=num_classes,
        dropout=config.model.dropout,
        stem_pool=config.model.stem_pool,
        real_fake_head=config.model.real_fake_head,
        balanced_start=config.model.balanced_start,
        coverage_channel=config.model.coverage_channel,
    )


def make_generator(config: ml_collections.ConfigDict, axis_name: str | None = None) -> Generator:
    """The generator that a config describes, its batch statistics averaged over an axis."""
    return Generator(config.model.generator, axis_name)


def create_state(config: ml_collections.ConfigDict, num_classes: int, grid_size: int) -> SganState:
    """Initial state of a run, a function of the config's seed alone.

    Args:
        config: Run configuration.
        num_classes: Classes of the task.
        grid_size: Points of a pattern.
    """
    root = jax.random.key(config.seed)
    discriminator = make_discriminator(config, num_classes)
    params = _init(discriminator, rng.stream(root, "init_discriminator"), grid_size)["params"]
    return SganState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema_params=jax.tree.map(jnp.zeros_like, params),
        opt_state=make_optimizers(config).supervised.init(params),
        generator=_create_generator_state(config, root, params) if has_game(config) else None,
    )


def averaged_params(state: SganState, decay: float) -> Params:
    """Bias-corrected moving average of the discriminator's weights: what is evaluated.

    Args:
        state: State after at least one step.
        decay: The config's `ema_decay`.
    """
    return optax.tree.bias_correction(state.ema_params, decay, state.step)


def _create_generator_state(
    config: ml_collections.ConfigDict, root: Array, discriminator_params: Params
) -> GeneratorState:
    optimizers = make_optimizers(config)
    variables = _init(make_generator(config), rng.stream(root, "init_generator"), NOISE_LENGTH)
    return GeneratorState(
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        opt_state=optimizers.generator.init(variables["params"]),
        unsupervised_opt_state=optimizers.unsupervised.init(discriminator_params),
    )


@functools.partial(jax.jit, static_argnums=(0, 2))  # traced once for all states of a process
def _init(module: ResNet | Generator, key: Array, length: int) -> Any:  # noqa: ANN401
    return module.init(key, jnp.zeros((1, length), jnp.float32))
