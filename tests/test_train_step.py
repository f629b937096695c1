"""The training step: what it changes, what it does not see, and how it splits over devices."""

import json
import os
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
from sgan_jax.train_step import make_train_step

ROOT = Path(__file__).resolve().parents[1]
GRID, CLASSES, BATCH = 3041, 14, 8


def make_config(method="sgan", preset="tuned"):
    config = base.get_config(f"{method},{preset}")
    config.batch_size = BATCH
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


def run_steps(config, steps):
    """State before, states after each step, and the metrics of the last."""
    state = create_state(config, CLASSES, GRID)
    step = devices.pmap_train_step(make_train_step(config, CLASSES))
    batch, root = devices.shard(make_batch(config)), jax.random.key(config.seed)
    states, metrics = [state], {}
    for _ in range(steps):
        state, metrics = step(state, batch, root)
        states.append(state)
    return states, jax.device_get(metrics)


@pytest.fixture(scope="module")
def sgan_run():
    return run_steps(make_config(), 3)


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


def test_supervised_method_has_no_adversary_and_overfits_one_batch():
    config = make_config("supervised")
    config.model.dropout = 0.0
    config.optimizer.schedule = "constant"
    states, metrics = run_steps(config, 30)
    assert states[-1].generator is None
    assert metrics["loss/supervised"] < 0.5
    assert not any("generator" in name for name in metrics)


def test_supervised_update_is_adams():
    """First step of Adam from a gradient taken the plain way: −rate · g / (|g| + ε)."""
    config = make_config("supervised")
    config.model.dropout = 0.0
    config.optimizer.weight_decay = 0.0
    config.optimizer.warmup_steps = 0
    states, _ = run_steps(config, 1)
    labelled = make_batch(config)["labelled"]
    module = make_discriminator(config, CLASSES)

    def mean_loss(params):
        logits = apply_discriminator(module, params, labelled["pattern"]).logits
        return supervised_loss(logits, labelled["label"]).mean()

    gradient = np.asarray(jax.grad(mean_loss)(states[0].params)["classes"]["bias"])
    moved = np.asarray(states[1].params["classes"]["bias"] - states[0].params["classes"]["bias"])
    rate = config.optimizer.supervised_learning_rate
    expected = -rate * gradient / (np.abs(gradient) + config.optimizer.adam_eps)
    np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=1e-3 * rate)


def test_released_code_preset_softens_targets():
    _, metrics = run_steps(make_config("sgan", "released_code"), 1)
    assert all(np.isfinite(value) for value in metrics.values())
    # With targets as soft as these the cross-entropies cannot reach zero.
    assert metrics["loss/unsupervised"] > 0.1


def test_noise_belongs_to_the_example_not_to_the_device():
    key = jax.random.key(5)
    whole = rng.normal_per_example(key, jnp.arange(8), 100)
    second_half = rng.normal_per_example(key, jnp.arange(4, 8), 100)
    np.testing.assert_array_equal(whole[4:], second_half)
    assert abs(float(whole.mean())) < 0.2
    assert float(whole.std()) == pytest.approx(1.0, abs=0.1)


def run_on_eight_devices(dropout):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-m", "tests.eight_devices", str(dropout)]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def test_eight_devices_give_the_gradients_of_one():
    differences = run_on_eight_devices(0.0)
    assert differences.pop("devices") == 8
    assert all(value < 1e-5 for value in differences.values()), differences


def test_the_comparison_of_devices_can_fail():
    """Dropout masks may differ between devices, and the comparison notices."""
    assert run_on_eight_devices(0.1)["supervised"] > 1e-3
