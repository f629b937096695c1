"""What unlabelled patterns teach about classes: relatives of a crystal have the class that it has.

A mean teacher (Tarvainen & Valpola, NeurIPS 2017): the averaged weights say which class an
unlabelled pattern has, and the network learns to say the same of a relative's pattern (see
`sgan_jax.relatives`). What the teacher says is sharpened, so that the network is drawn towards a
decision.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Float, Int

from sgan_jax import rng
from sgan_jax.models.resnet import ResNet, apply_discriminator
from sgan_jax.relatives import make_relatives
from sgan_jax.state import SganState, averaged_params

_SHARPENING = 1.5
_RAMP = 0.5
"""Share of all steps over which the term gains its weight: a teacher has to learn first."""


class Lesson(NamedTuple):
    """What a step learns from unlabelled patterns by themselves.

    Attributes:
        patterns: Those of relatives.
        targets: Probabilities of the classes, by the teacher.
        weight: Of the loss, beside that of the labelled patterns.
    """

    patterns: Float[Array, "batch grid"]
    targets: Float[Array, "batch classes"]
    weight: Float[Array, ""]


def make_teacher(
    config: ml_collections.ConfigDict, discriminator: ResNet
) -> Callable[[SganState, Float[Array, "batch grid"], Int[Array, "batch"], Array], Lesson]:
    """Builds the teacher of a config with `loss.consistency`.

    Args:
        config: Run configuration.
        discriminator: The network that is taught.

    Returns:
        Pure function (state, unlabelled patterns, their places in the whole batch, root key) →
        lesson.
    """
    relatives = make_relatives(config)

    def teach(
        state: SganState,
        unlabelled: Float[Array, "batch grid"],
        examples: Int[Array, "batch"],
        root: Array,
    ) -> Lesson:
        # There is no average before the first step; the weight of the lesson is zero then.
        started = state.replace(step=jnp.maximum(state.step, 1))
        params = averaged_params(started, config.ema_decay)
        logits = apply_discriminator(discriminator, params, unlabelled).logits
        return Lesson(
            relatives(unlabelled, examples, rng.at_step(root, "lesson", state.step)),
            jax.nn.softmax(_SHARPENING * logits),
            config.loss.consistency * jnp.minimum(state.step / (_RAMP * config.num_steps), 1.0),
        )

    return teach
