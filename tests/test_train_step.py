"""The training step: what it changes, what it does not see, and how it splits over devices."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from sgan_jax import devices, rng
from sgan_jax.losses import supervised_loss
from sgan_jax.models.resnet import apply_discriminator
from sgan_jax.state import averaged_params, create_state, make_discriminator
from sgan_jax.train_step import global_norm, make_train_step

ROOT = Path(__file__).resolve().parents[1]
GRID, CLASSES, BATCH = 3041, 14, 8


def make_config(method="sgan", preset="tuned"):
    config = base.get_config(f"{method},{preset}")
    config.batch_size = BATCH
    config.optimizer.warmup_steps = 0  # the first step of a warm-up has the rate zero
    return config


def make_batch(config, seed=0):
    random = np.random.default_rng(seed)
    batch = {
        "labelled": {
            "pattern": random.random((BATCH, GRID), dtype=np.float32),
            "label": random.integers(0, CLASSES, BATCH).astype(np.int32),
        }
    }
    if config.method == "sgan":
        batch["unlabelled"] = {"pattern": random.random((BATCH, GRID), dtype=np.float32)}
    return batch


def run_steps(config, steps, state=None):
    """State before, states after each of the first three steps, and the metrics of the last."""
    state = state or create_state(config, CLASSES, GRID)
    step = devices.pmap_train_step(make_train_step(config, CLASSES))
    batch, root = devices.shard(make_batch(config)), jax.random.key(config.seed)
    states, metrics = [state], {}
    for number in range(steps):
        state, metrics = step(state, batch, root)
        if number < 3:
            states.append(state)
    return states, jax.device_get(metrics)


def supervised_config():
    config = make_config("supervised")
    config.model.dropout = 0.0
    config.optimizer.schedule = "constant"
    return config


@pytest.fixture(scope="module")
def sgan_run():
    return run_steps(make_config(), 3)


@pytest.fixture(scope="module")
def supervised_run():
    return run_steps(supervised_config(), 30)


def difference(first, second):
    return max(
        float(jnp.abs(a - b).max())
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )


def test_a_step_moves_both_networks(sgan_run):
    states, metrics = sgan_run
    assert int(states[-1].step) == 3
    assert difference(states[0].params, states[1].params) > 0
    assert difference(states[0].generator.params, states[1].generator.params) > 0
    assert difference(states[0].generator.batch_stats, states[1].generator.batch_stats) > 0
    assert all(np.isfinite(value) for value in metrics.values())
    assert {"loss/supervised", "loss/unsupervised", "loss/generator"} <= metrics.keys()


def test_average_of_weights_is_corrected_for_its_start(sgan_run):
    states, _ = sgan_run
    decay = make_config().ema_decay
    weights = decay ** np.array([2, 1, 0])
    weights /= weights.sum()
    leaf = lambda state: np.asarray(jax.tree.leaves(state.params)[3], np.float64)  # noqa: E731
    expected = sum(w * leaf(state) for w, state in zip(weights, states[1:], strict=True))
    averaged = jax.tree.leaves(averaged_params(states[-1], decay))[3]
    np.testing.assert_allclose(averaged, expected, rtol=1e-3, atol=1e-6)


def test_supervised_method_has_no_adversary_and_overfits_one_batch(supervised_run):
    states, metrics = supervised_run
    assert states[-1].generator is None
    assert metrics["loss/supervised"] < 0.5
    assert not any("generator" in name for name in metrics)


def test_supervised_update_is_adams(supervised_run):
    """First step of Adam from a gradient taken the plain way: −rate · g / (|g| + ε)."""
    config = supervised_config()
    states, _ = supervised_run
    labelled = make_batch(config)["labelled"]
    module = make_discriminator(config, CLASSES)

    def mean_loss(params):
        logits = apply_discriminator(module, params, labelled["pattern"]).logits
        return supervised_loss(logits, labelled["label"]).mean()

    gradient = np.asarray(jax.jit(jax.grad(mean_loss))(states[0].params)["classes"]["bias"])
    moved = np.asarray(states[1].params["classes"]["bias"] - states[0].params["classes"]["bias"])
    rate = config.optimizer.supervised_learning_rate
    expected = -rate * gradient / (np.abs(gradient) + config.optimizer.adam_eps)
    np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=1e-3 * rate)


def test_released_code_preset_softens_targets():
    config = make_config("sgan", "released_code")
    state = create_state(config, CLASSES, GRID)
    # A D that takes everything for real: the generator's loss would be 2e-9 with the target 1.
    head = state.params["real_fake"] | {"bias": jnp.array([20.0])}
    state = state.replace(params=state.params | {"real_fake": head})
    states, metrics = run_steps(config, 1, state)
    assert all(np.isfinite(value) for value in metrics.values())
    assert 0.2 < metrics["loss/generator"] < 0.2 * 25
    assert difference(states[0].params["real_fake"], states[1].params["real_fake"]) > 0


@pytest.mark.parametrize(
    ("values", "norm"),
    [((3.0, -4.0), 5.0), ((3e30, -4e30), 5e30), ((0.0, 0.0), 0.0), ((np.inf, 1.0), np.nan)],
)
def test_norm_of_large_gradients_does_not_overflow(values, norm):
    tree = {"bias": jnp.array(values[:1]), "kernel": jnp.array(values[1:])}
    np.testing.assert_allclose(global_norm(tree), norm, rtol=1e-6)


def test_noise_belongs_to_the_example_not_to_the_device():
    key = jax.random.key(5)
    whole = rng.normal_per_example(key, jnp.arange(8), 100)
    second_half = rng.normal_per_example(key, jnp.arange(4, 8), 100)
    np.testing.assert_array_equal(whole[4:], second_half)
    assert abs(float(whole.mean())) < 0.2
    assert float(whole.std()) == pytest.approx(1.0, abs=0.1)


def test_eight_devices_give_the_gradients_of_one(environment):
    """To 1e-5, but for kinks.

    With some noise, one of the millions of maxima and LeakyReLUs lies so close to its kink that
    rounding decides on which side, and the generator's gradient differs by about 1e-3 (in float64
    all agree to 1e-13). A fault in the noise, the averages or the batch statistics would show
    with every noise.
    """
    eight = environment | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-m", "tests.eight_devices"]
    result = subprocess.run(
        command, cwd=ROOT, env=eight, capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["devices"] == 8
    differences = found["differences"]
    assert min(differences.pop("other_noise")) > 0.1, "the comparison sees no difference"
    assert max(map(max, differences.values())) < 1e-2, differences
    assert max(map(min, differences.values())) < 1e-5, differences
    for name in ("supervised", "batch_stats", "metrics"):  # no generated pattern, or no kink
        assert max(differences[name]) < 1e-5, differences
