"""Gradients of the three losses of a step, averaged over devices.

Everything here runs under a mapped axis named `devices.AXIS`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, NotRequired, TypedDict

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Float, Int

from sgan_jax import rng
from sgan_jax.contrast import contrastive_loss, make_pairs
from sgan_jax.devices import AXIS
from sgan_jax.grids import NOT_MEASURED
from sgan_jax.losses import real_fake_loss, soften, supervised_loss
from sgan_jax.models.generator import NOISE_LENGTH, Generator
from sgan_jax.models.resnet import DiscriminatorOutput, apply_discriminator
from sgan_jax.relatives import make_relatives
from sgan_jax.state import (
    GeneratorState,
    Params,
    SganState,
    make_discriminator,
    make_generator,
)

_TINY = 1e-20

Metrics = dict[str, Float[Array, ""]]
Discriminate = Callable[[Params, Float[Array, "batch grid"], str], DiscriminatorOutput]


class Labelled(TypedDict):
    """Patterns with their class."""

    pattern: Float[Array, "batch grid"]
    label: Int[Array, "batch"]


class Unlabelled(TypedDict):
    """Patterns alone: there is no place for a label here."""

    pattern: Float[Array, "batch grid"]


class Batch(TypedDict):
    """What one step sees; supervised training has no unlabelled part."""

    labelled: Labelled
    unlabelled: NotRequired[Unlabelled]


class AdversarialGradients(NamedTuple):
    """Gradients of the game between discriminator and generator.

    Attributes:
        unsupervised: Of −log D(x) − log(1 − D(G(z))), by the discriminator's weights.
        generator: Of −log D(G(z)), or of the squared distance between mean features, by the
            generator's weights.
        batch_stats: The generator's running statistics after this step.
    """

    unsupervised: Params
    generator: Params
    batch_stats: Params


class Gradients(NamedTuple):
    """Gradients of a step, all at the same weights.

    Attributes:
        supervised: Of the cross-entropy, and of the weighted contrast where there is one, by the
            discriminator's weights.
        adversarial: None without a game.
    """

    supervised: Params
    adversarial: AdversarialGradients | None


def make_gradients(
    config: ml_collections.ConfigDict, num_classes: int
) -> Callable[[SganState, Batch, Array], tuple[Gradients, Metrics]]:
    """Builds the gradient function of a config's method.

    Args:
        config: Run configuration.
        num_classes: Classes of the task.

    Returns:
        Pure function (state, batch, root key) → (gradients, metrics), both averaged over the
        devices. Noise depends on an example's global index, dropout masks on the device.
    """
    discriminator = make_discriminator(config, num_classes)
    generator = make_generator(config, AXIS)
    pairs = make_pairs(config) if config.loss.contrast else None
    relatives = make_relatives(config) if config.data.relatives else None

    def gradients(state: SganState, batch: Batch, root: Array) -> tuple[Gradients, Metrics]:
        def discriminate(
            params: Params, patterns: Float[Array, "batch grid"], stream: str
        ) -> DiscriminatorOutput:
            key = rng.at_step(root, f"dropout_{stream}", state.step)
            key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
            return apply_discriminator(discriminator, params, patterns, key)

        labelled = batch["labelled"]["pattern"]
        if relatives:
            key = rng.at_step(root, "relatives", state.step)
            labelled = relatives(labelled, _places(len(labelled)), key)
        alike = adversarial = None
        if pairs and "unlabelled" in batch:
            unlabelled = batch["unlabelled"]["pattern"]
            key = rng.at_step(root, "pairs", state.step)
            alike = pairs(unlabelled, _places(len(unlabelled)), key)
        result, metrics = _supervised(
            discriminate,
            state.params,
            labelled,
            batch["labelled"]["label"],
            alike,
            config.loss.contrast,
        )
        if state.generator is not None and "unlabelled" in batch:
            unlabelled = batch["unlabelled"]["pattern"]
            generation = _Generation(generator, state.generator, len(unlabelled), root, state.step)
            adversarial, more = _adversarial(
                discriminate,
                state.params,
                unlabelled,
                generation,
                config.loss,
                config.model.coverage_channel,
            )
            metrics |= more
        return jax.lax.pmean((Gradients(result, adversarial), metrics), AXIS)

    return gradients


def _places(count: int) -> Int[Array, "batch"]:
    """Places of this device's examples in the whole batch."""
    return jax.lax.axis_index(AXIS) * count + jnp.arange(count)


def _supervised(
    discriminate: Discriminate,
    params: Params,
    labelled: Float[Array, "batch grid"],
    labels: Int[Array, "batch"],
    alike: Float[Array, "pairs grid"] | None,
    contrast_weight: float,
) -> tuple[Params, Metrics]:
    """Gradient of what is learnt about classes, by a single pass over all patterns."""
    count = len(labels)
    patterns = labelled if alike is None else jnp.concatenate([labelled, alike])

    def mean_loss(params: Params) -> tuple[Float[Array, ""], Metrics]:
        output = discriminate(params, patterns, "labelled")
        logits = output.logits[:count]
        loss = supervised_loss(logits, labels).mean()
        correct = logits.argmax(axis=-1) == labels
        metrics = {"loss/supervised": loss, "accuracy/labelled_batch": correct.mean()}
        if alike is not None:
            metrics["loss/contrast"] = contrast = contrastive_loss(
                _of_all_devices(output.features[count:])
            )
            loss += contrast_weight * contrast
        return loss, metrics

    return jax.grad(mean_loss, has_aux=True)(params)


def _of_all_devices(
    features: Float[Array, "twice_the_batch channels"],
) -> Float[Array, "twice_the_whole_batch channels"]:
    """Features of one relative of each pattern of all devices, then of another.

    Each device so has the loss of the whole batch, and the mean of their gradients is the gradient
    of that, since each hands the others what it owes to their features.
    """
    halves = features.reshape(2, -1, features.shape[-1])
    gathered = jax.lax.all_gather(halves, AXIS, axis=1, tiled=True)
    return gathered.reshape(-1, features.shape[-1])


class _Generation:
    """One step's generated patterns and softened targets, by global example index."""

    def __init__(
        self,
        module: Generator,
        state: GeneratorState,
        count: int,
        root: Array,
        step: Int[Array, ""],
    ) -> None:
        self.state = state
        self._module = module
        self._root = root
        self._step = step
        self._examples = _places(count)

    def generate(self, params: Params) -> tuple[Float[Array, "batch grid"], Any]:
        """Generated patterns and the moved running statistics."""
        key = rng.at_step(self._root, "noise", self._step)
        generated, moved = self._module.apply(
            {"params": params, "batch_stats": self.state.batch_stats},
            rng.normal_per_example(key, self._examples, NOISE_LENGTH),
            train=True,
            mutable=["batch_stats"],
        )
        return generated, moved["batch_stats"]

    def target(self, stream: str, value: float, noise: float) -> Float[Array, "batch"]:
        """Targets of D, each softened by a random amount up to `noise`."""
        key = rng.at_step(self._root, f"target_{stream}", self._step)
        return soften(value, noise * rng.uniform_per_example(key, self._examples))


def _adversarial(
    discriminate: Discriminate,
    params: Params,
    unlabelled: Float[Array, "batch grid"],
    generation: _Generation,
    loss: ml_collections.ConfigDict,
    masked: bool,
) -> tuple[AdversarialGradients, Metrics]:
    """Gradients of the unsupervised and of the generator's loss, by a single pass forward.

    Where patterns have parts that were not measured, each generated one takes those of a real one.
    """
    count = len(unlabelled)
    target_real = generation.target("real", 1.0, loss.target_noise)
    target_fake = generation.target("fake", 0.0, loss.target_noise)

    def judge(
        params: Params, generated: Float[Array, "batch grid"]
    ) -> tuple[Float[Array, "twice_the_batch"], Float[Array, "twice_the_batch channels"]]:
        if masked:
            generated = jnp.where(unlabelled >= 0, generated, NOT_MEASURED)
        patterns = jnp.concatenate([unlabelled, generated])
        output = discriminate(params, patterns, "unsupervised")
        return output.real_logit, output.features

    def unsupervised_loss(judged: Float[Array, "twice_the_batch"]) -> Float[Array, ""]:
        on_real = real_fake_loss(judged[:count], target_real)
        return (on_real + real_fake_loss(judged[count:], target_fake)).mean()

    generated, pull_generator, batch_stats = jax.vjp(
        generation.generate, generation.state.params, has_aux=True
    )
    (judged, features), pull_judged = jax.vjp(judge, params, generated)
    unsupervised, towards_judged = jax.value_and_grad(unsupervised_loss)(judged)
    if loss.feature_matching:
        wanted, towards_generated, gradient = _matching(pull_judged, towards_judged, features)
    else:
        target = generation.target("generator", 1.0, loss.target_noise)
        wanted, towards_generated, gradient = _fooling(
            pull_judged, towards_judged, judged, features, target
        )
    (generator,) = pull_generator(towards_generated)
    metrics = {
        "loss/unsupervised": unsupervised,
        "loss/generator": wanted,
        "discriminator/real": jax.nn.sigmoid(judged[:count]).mean(),
        "discriminator/fake": jax.nn.sigmoid(judged[count:]).mean(),
    }
    return AdversarialGradients(gradient, generator, batch_stats), metrics


_Pull = Callable[[tuple[Array, Array]], tuple[Params, Float[Array, "batch grid"]]]
_Wanted = tuple[Float[Array, ""], Float[Array, "batch grid"], Params]
"""The generator's loss, its cotangent of the generated patterns, and D's own gradient."""


def _fooling(
    pull_judged: _Pull,
    towards_judged: Float[Array, "twice_the_batch"],
    judged: Float[Array, "twice_the_batch"],
    features: Float[Array, "twice_the_batch channels"],
    target: Float[Array, "batch"],
) -> _Wanted:
    """The generator is to be taken for real.

    The discriminator runs backward once: both losses look at a generated pattern through its
    log-odds alone, and the discriminator couples no two patterns, so the cotangents that reach a
    generated pattern from the two losses are multiples of each other.
    """
    count = len(target)

    def generator_loss(judged: Float[Array, "twice_the_batch"]) -> Float[Array, ""]:
        return real_fake_loss(judged[count:], target).mean()

    fooling, wanted = jax.value_and_grad(generator_loss)(judged)
    # What is as good as zero is made a little larger, so that it can be divided by.
    towards_judged = jnp.where(jnp.abs(towards_judged) < _TINY, _TINY, towards_judged)
    gradient, towards_generated = pull_judged((towards_judged, jnp.zeros_like(features)))
    ratio = (wanted / towards_judged)[count:, None]
    return fooling, ratio * towards_generated, gradient


def _matching(
    pull_judged: _Pull,
    towards_judged: Float[Array, "twice_the_batch"],
    features: Float[Array, "twice_the_batch channels"],
) -> _Wanted:
    """The mean features of generated patterns are to be those of real ones.

    The means are those of all devices, so that the number of devices makes no difference.
    """
    count = len(features) // 2
    gap = jax.lax.pmean(features[count:].mean(axis=0) - features[:count].mean(axis=0), AXIS)
    towards_features = jnp.zeros_like(features).at[count:].set(2 * gap / count)
    gradient, _ = pull_judged((towards_judged, jnp.zeros_like(features)))
    _, towards_generated = pull_judged((jnp.zeros_like(towards_judged), towards_features))
    return jnp.square(gap).sum(), towards_generated, gradient
