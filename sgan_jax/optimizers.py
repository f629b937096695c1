"""The three optimisers of a run, each with its own Adam state, as in the paper's released code."""

from typing import NamedTuple

import ml_collections
import optax


class Optimizers(NamedTuple):
    """Optimisers by loss term.

    Attributes:
        supervised: Discriminator, on the cross-entropy of the labelled patterns, and on the
            contrast where there is one.
        unsupervised: Discriminator, on real against generated patterns.
        generator: Generator.
    """

    supervised: optax.GradientTransformation
    unsupervised: optax.GradientTransformation
    generator: optax.GradientTransformation


def make_optimizers(config: ml_collections.ConfigDict) -> Optimizers:
    """Optimisers from `config.optimizer`; weight decay acts once, with the supervised term."""
    rates = config.optimizer
    return Optimizers(
        supervised=_adam(config, rates.supervised_learning_rate, rates.weight_decay),
        unsupervised=_adam(config, rates.unsupervised_learning_rate, 0.0),
        generator=_adam(config, rates.generator_learning_rate, 0.0),
    )


def learning_rate_schedule(config: ml_collections.ConfigDict, peak: float) -> optax.Schedule:
    """Learning rate by step: constant, or a cosine to zero, after a linear warm-up.

    The warm-up takes no more than half of all steps.
    """
    warmup = min(config.optimizer.warmup_steps, config.num_steps // 2)
    if config.optimizer.schedule == "cosine":
        main = optax.cosine_decay_schedule(peak, max(config.num_steps - warmup, 1))
    else:
        main = optax.constant_schedule(peak)
    if warmup == 0:
        return main
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), main], [warmup])


def _adam(
    config: ml_collections.ConfigDict, peak: float, weight_decay: float
) -> optax.GradientTransformation:
    adam = optax.adamw(
        learning_rate_schedule(config, peak),
        b1=config.optimizer.adam_b1,
        eps=config.optimizer.adam_eps,
        weight_decay=weight_decay,
    )
    if config.optimizer.clip_norm == 0:
        return adam
    return optax.chain(optax.clip_by_global_norm(config.optimizer.clip_norm), adam)
