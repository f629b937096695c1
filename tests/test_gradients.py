"""The gradients of a step against the plain way to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from sgan_jax import kernels, rng
from sgan_jax.contrast import make_pairs
from sgan_jax.devices import AXIS
from sgan_jax.gradients import make_gradients
from sgan_jax.grids import NOT_MEASURED
from sgan_jax.losses import real_fake_loss, soften, supervised_loss
from sgan_jax.models.generator import NOISE_LENGTH
from sgan_jax.models.resnet import apply_discriminator
from sgan_jax.relatives import make_relatives
from sgan_jax.state import create_state, make_discriminator, make_generator
from tests.gradients import assert_same

BATCH, GRID, CLASSES = 4, 3041, 14


def make_config(
    *,
    stem_pool=True,
    target_noise=0.0,
    coverage=False,
    matching=False,
    contrast=0.0,
    relatives=False,
):
    config = base.get_config()
    config.data.relatives = relatives
    config.model.coverage_channel = coverage
    config.model.stem_pool = stem_pool
    config.loss.target_noise = target_noise
    config.loss.feature_matching = matching
    config.loss.contrast = contrast
    config.model.generator = "subpixel"
    return config


def make_batch(*, coverage=False):
    random = np.random.default_rng(0)
    pattern = lambda: random.random((BATCH, GRID), dtype=np.float32)  # noqa: E731
    label = random.integers(0, CLASSES, BATCH).astype(np.int32)
    batch = {
        "labelled": {"pattern": pattern(), "label": label},
        "unlabelled": {"pattern": pattern()},
    }
    if coverage:
        for number, part in enumerate(batch.values()):
            part["pattern"][1, : 500 * (number + 1)] = NOT_MEASURED
            part["pattern"][2, 2000:] = NOT_MEASURED
    return batch


def on_one_device(function, *arguments):
    """The function on a mapped axis of one device."""
    mapped = jax.pmap(lambda _: function(*arguments), axis_name=AXIS, devices=jax.devices()[:1])
    return jax.tree.map(lambda x: x[0], jax.device_get(mapped(jnp.zeros(1))))


def plain_contrast(features):
    """Cross-entropy of finding the counterparts, one by one."""
    unit = features / jnp.sqrt((features**2).sum(axis=1))[:, None]
    count = len(unit)
    losses = [
        -unit[i] @ unit[(i + BATCH) % count] / 0.2
        + jnp.log(sum(jnp.exp(unit[i] @ unit[j] / 0.2) for j in range(count) if j != i))
        for i in range(count)
    ]
    return sum(losses) / count


def plain_gradients(config):
    """Each loss written out and differentiated by itself, without anything shared."""
    discriminator, generator = make_discriminator(config, CLASSES), make_generator(config, AXIS)
    noise = config.loss.target_noise

    def gradients(state, batch, root):
        labelled = batch["labelled"]["pattern"]
        if config.data.relatives:
            key = rng.at_step(root, "relatives", state.step)
            labelled = make_relatives(config)(labelled, jnp.arange(BATCH), key)
        if config.loss.contrast:
            key = rng.at_step(root, "pairs", state.step)
            unlabelled = batch["unlabelled"]["pattern"]
            pairs = make_pairs(config)(unlabelled, jnp.arange(BATCH), key)

        def discriminate(params, patterns, stream):
            key = rng.at_step(root, f"dropout_{stream}", state.step)
            key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
            return apply_discriminator(discriminator, params, patterns, key)

        def generate(params):
            key = rng.at_step(root, "noise", state.step)
            variables = {"params": params, "batch_stats": state.generator.batch_stats}
            z = rng.normal_per_example(key, jnp.arange(BATCH), NOISE_LENGTH)
            return generator.apply(variables, z, train=True, mutable=["batch_stats"])[0]

        def target(stream, value):
            key = rng.at_step(root, f"target_{stream}", state.step)
            return soften(value, noise * rng.uniform_per_example(key, jnp.arange(BATCH)))

        def supervised(params):
            patterns = jnp.concatenate([labelled, pairs]) if config.loss.contrast else labelled
            output = discriminate(params, patterns, "labelled")
            loss = supervised_loss(output.logits[:BATCH], batch["labelled"]["label"]).mean()
            if config.loss.contrast:
                loss += config.loss.contrast * plain_contrast(output.features[BATCH:])
            return loss

        def judged(params, generator_params):
            real, generated = batch["unlabelled"]["pattern"], generate(generator_params)
            if config.model.coverage_channel:
                generated = jnp.where(real >= 0, generated, NOT_MEASURED)
            patterns = [real, generated]
            return discriminate(params, jnp.concatenate(patterns), "unsupervised")

        def unsupervised(params):
            odds = judged(params, state.generator.params).real_logit
            on_real = real_fake_loss(odds[:BATCH], target("real", 1.0))
            return on_real.mean() + real_fake_loss(odds[BATCH:], target("fake", 0.0)).mean()

        def fooling(generator_params):
            output = judged(state.params, generator_params)
            if config.loss.feature_matching:
                real, generated = output.features[:BATCH], output.features[BATCH:]
                return ((real.mean(axis=0) - generated.mean(axis=0)) ** 2).sum()
            odds = output.real_logit
            return real_fake_loss(odds[BATCH:], target("generator", 1.0)).mean()

        return (
            jax.grad(supervised)(state.params),
            jax.grad(unsupervised)(state.params),
            jax.grad(fooling)(state.generator.params),
        )

    return gradients


def all_gradients(config):
    shared = make_gradients(config, CLASSES)

    def gradients(*arguments):
        found, _ = shared(*arguments)
        return found.supervised, found.adversarial.unsupervised, found.adversarial.generator

    return gradients


@pytest.mark.parametrize(
    ("confident", "options"),
    [
        (False, {}),
        (True, {}),
        (False, {"target_noise": 0.2}),
        (True, {"target_noise": 0.2, "coverage": True}),
        (False, {"coverage": True, "matching": True}),
        (False, {"contrast": 0.7, "relatives": True}),
    ],
)
def test_shared_passes_give_the_gradients_of_each_loss(confident, options):
    """Also where D is so sure that its own loss has hardly a gradient left."""
    config = make_config(**options)
    state = create_state(config, CLASSES, GRID)
    if confident:
        head = state.params["classes"]
        params = state.params | {"classes": head | {"bias": head["bias"] - 45}}
        state = state.replace(params=params)
    batch = make_batch(coverage=config.model.coverage_channel)
    arguments = (state, batch, jax.random.key(3))
    shared = on_one_device(all_gradients(config), *arguments)
    plain = on_one_device(plain_gradients(config), *arguments)
    assert_same(shared, plain, 1e-4)


def test_without_a_game_the_contrast_is_learnt_all_the_same():
    config = make_config(contrast=0.7)
    with_game = create_state(config, CLASSES, GRID)
    config.optimizer.update(unsupervised_learning_rate=0.0, generator_learning_rate=0.0)
    without = create_state(config, CLASSES, GRID)
    assert without.generator is None
    found, metrics = on_one_device(
        make_gradients(config, CLASSES), without, make_batch(), jax.random.key(3)
    )
    assert found.adversarial is None
    assert set(metrics) == {"loss/supervised", "loss/contrast", "accuracy/labelled_batch"}
    plain = on_one_device(plain_gradients(config), with_game, make_batch(), jax.random.key(3))
    assert_same(found.supervised, plain[0], 1e-4)


def relative_difference(first, second):
    """‖a − b‖ / ‖b‖ of two trees taken as vectors."""
    flat = lambda tree: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])  # noqa: E731
    return float(np.linalg.norm(flat(first) - flat(second)) / np.linalg.norm(flat(second)))


@pytest.mark.parametrize("stem_pool", [True, False])
def test_kernels_give_the_gradients_of_plain_jax(stem_pool, monkeypatch):
    """To 1e-4, but for kinks.

    With some noise one of the millions of maxima and LeakyReLUs lies so close to its kink that
    rounding decides on which side it is; a fault would show with every noise.
    """
    config = make_config(stem_pool=stem_pool)
    config.model.generator = "paper"
    state, batch = create_state(config, CLASSES, GRID), make_batch()

    def found():
        function = lambda seed: all_gradients(config)(state, batch, jax.random.key(seed))  # noqa: E731
        mapped = jax.pmap(function, axis_name=AXIS, devices=jax.devices()[:1])
        return [jax.device_get(mapped(np.array([seed]))) for seed in range(4)]

    compiled = found()
    monkeypatch.setattr(kernels, "serve", lambda _: False)
    pairs = zip(compiled, found(), strict=True)
    differences = np.array([list(map(relative_difference, *pair)) for pair in pairs])
    assert differences[:, 0].max() < 1e-4
    assert differences.min(axis=0).max() < 1e-4
    assert differences.max() < 1e-2
