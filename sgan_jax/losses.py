"""Loss terms of the semi-supervised GAN, per example; means are taken in the train step.

All of them work on log-odds, `real_logit` = log D − log(1 − D), and never form D itself:
log D = −softplus(−r) and log(1 − D) = −softplus(r) neither overflow nor lose their gradient
where D saturates.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


def supervised_loss(
    logits: Float[Array, "batch classes"], labels: Int[Array, "batch"]
) -> Float[Array, "batch"]:
    """Cross-entropy of the class logits on labelled patterns."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def real_fake_loss(
    real_logit: Float[Array, "batch"], target: Float[Array, "batch"] | float
) -> Float[Array, "batch"]:
    """Cross-entropy of D with a target: 1 for real, 0 for generated, between when softened.

    With targets 1 on unlabelled and 0 on generated patterns this is the discriminator's
    −log D(x) − log(1 − D(G(z))); with target 1 on generated ones it is the generator's
    −log D(G(z)) (Goodfellow et al. 2014, the non-saturating form).
    """
    return target * jax.nn.softplus(-real_logit) + (1 - target) * jax.nn.softplus(real_logit)


def soften(target: float, amounts: Float[Array, "batch"]) -> Float[Array, "batch"]:
    """Moves a target of `real_fake_loss`, 0 or 1, towards the middle by an amount per example."""
    return jnp.abs(target - amounts)
