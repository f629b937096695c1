"""One training step as a pure function of state, batch and root key."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Float, PyTree

from sgan_jax.gradients import (
    AdversarialGradients,
    Batch,
    Gradients,
    Metrics,
    make_gradients,
)
from sgan_jax.optimizers import Optimizers, make_optimizers
from sgan_jax.state import GeneratorState, Params, SganState

TrainStep = Callable[[SganState, Batch, Array], tuple[SganState, Metrics]]


def make_train_step(config: ml_collections.ConfigDict, num_classes: int) -> TrainStep:
    """Builds the step of a config's method, to be mapped by `devices.pmap_train_step`.

    All gradients are taken at the same weights; the supervised and the unsupervised update of
    the discriminator, each from an Adam state of its own, are then added.

    Args:
        config: Run configuration.
        num_classes: Classes of the task.

    Returns:
        Pure function (state, batch, root key) → (state, metrics).
    """
    gradients_of = make_gradients(config, num_classes)
    optimizers = make_optimizers(config)

    def train_step(state: SganState, batch: Batch, root: Array) -> tuple[SganState, Metrics]:
        gradients, metrics = gradients_of(state, batch, root)
        state, norms = _apply(optimizers, state, gradients, config.ema_decay)
        return state, metrics | norms

    return train_step


def _apply(
    optimizers: Optimizers, state: SganState, gradients: Gradients, ema_decay: float
) -> tuple[SganState, Metrics]:
    updates, opt_state = optimizers.supervised.update(
        gradients.supervised, state.opt_state, state.params
    )
    norms = _norms("supervised", gradients.supervised, updates)
    generator = state.generator
    if generator is not None and gradients.adversarial is not None:
        generator, more_updates, more_norms = _apply_adversarial(
            optimizers, generator, gradients.adversarial, state.params
        )
        updates = jax.tree.map(jnp.add, updates, more_updates)
        norms |= more_norms
    params = optax.apply_updates(state.params, updates)
    norms["norm/parameter_discriminator"] = optax.tree.norm(params)
    new_state = SganState(
        step=state.step + 1,
        params=params,
        ema_params=optax.incremental_update(params, state.ema_params, 1 - ema_decay),
        opt_state=opt_state,
        generator=generator,
    )
    return new_state, norms


def _apply_adversarial(
    optimizers: Optimizers,
    generator: GeneratorState,
    gradients: AdversarialGradients,
    discriminator_params: Params,
) -> tuple[GeneratorState, Params, Metrics]:
    """New generator state, the discriminator's unsupervised update, and norms."""
    discriminator_updates, unsupervised_opt_state = optimizers.unsupervised.update(
        gradients.unsupervised, generator.unsupervised_opt_state, discriminator_params
    )
    updates, opt_state = optimizers.generator.update(
        gradients.generator, generator.opt_state, generator.params
    )
    params = optax.apply_updates(generator.params, updates)
    norms = _norms("unsupervised", gradients.unsupervised, discriminator_updates)
    norms |= _norms("generator", gradients.generator, updates)
    norms["norm/parameter_generator"] = optax.tree.norm(params)
    new_generator = GeneratorState(
        params=params,
        batch_stats=gradients.batch_stats,
        opt_state=opt_state,
        unsupervised_opt_state=unsupervised_opt_state,
    )
    return new_generator, discriminator_updates, norms


def _norms(name: str, gradients: Params, updates: Params) -> Metrics:
    return {
        f"norm/gradient_{name}": global_norm(gradients),
        f"norm/update_{name}": optax.tree.norm(updates),
    }


def global_norm(tree: PyTree[Array]) -> Float[Array, ""]:
    """L2 norm of all numbers of a tree, finite wherever it can be told in float32.

    Where a pattern is empty, a fresh network's layer norms divide by √ε, one behind the other, and
    the gradients of their biases may reach 1e19, whose squares would overflow. They do not make a
    run diverge: without a limit to gradients (`optimizer.clip_norm`) Adam takes one step of the
    usual length, and hardly moves these biases ever after, since it remembers their size.
    """
    largest = optax.tree.norm(tree, ord=jnp.inf)
    unit = jnp.where(largest > 0, largest, 1.0)
    return unit * optax.tree.norm(jax.tree.map(lambda leaf: leaf / unit, tree))
