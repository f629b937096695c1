"""The training of this repository: its steps and its classifier, as runs and `predict` use them."""

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from steps import CLASSES, DROPOUT, GRID, Work, measure, options, random_batch, random_patterns
from weights import Arrays, flatten, write_arrays

from benchmarks import training_profile
from configs.base import get_config
from sgan_jax import command_line, devices, rng
from sgan_jax.gradients import make_gradients
from sgan_jax.inference import make_predict
from sgan_jax.input_pipeline import HostBatch
from sgan_jax.models.generator import NOISE_LENGTH
from sgan_jax.state import create_state
from sgan_jax.train_step import make_train_step

_LOSSES = ("supervised", "unsupervised", "generator")
_CHECKED = 8  # patterns of each kind, in the comparison of results


def main() -> None:
    """Measures this package."""
    chosen = options()
    command_line.keep_compiled_programs()
    if chosen.task == "check":
        write_arrays(chosen.out, results(config_of(chosen, "sgan", _CHECKED)))
        return
    if chosen.task == "profile":
        training_profile.write(chosen.out, *training(config_of(chosen, "sgan", chosen.batch)))
        return
    make = prepare_inference if chosen.task == "inference" else prepare_training
    measure(
        lambda size: make(config_of(chosen, chosen.task, size), size),
        chosen,
        jax.__version__,
        jax.devices()[0].device_kind,
        peak_of_gpu if chosen.device == "gpu" else None,
    )


def config_of(chosen: argparse.Namespace, task: str, batch: int) -> ConfigDict:
    """Returns the configuration of a method as the peer has it, by the command line."""
    config = get_config("supervised" if task == "inference" else task)
    config.model.generator = "paper"
    config.loss.contrast = 0.0
    config.batch_size = batch
    config.model.stem_pool = not chosen.no_pool
    config.model.dropout = 0.0 if chosen.task == "check" else DROPOUT
    return config


def host_batch(config: ConfigDict) -> HostBatch:
    """Returns random patterns as the input pipeline gives them."""
    arrays = random_batch(config.method, config.batch_size)
    batch: HostBatch = {"labelled": {"pattern": arrays["pattern"], "label": arrays["label"]}}
    if "unlabelled" in arrays:
        batch["unlabelled"] = {"pattern": arrays["unlabelled"]}
    return batch


def training(config: ConfigDict) -> tuple[Callable, tuple]:
    """Returns the mapped step and its first arguments, the batch not yet split over devices."""
    state = create_state(config, CLASSES, GRID)
    step = devices.pmap_train_step(make_train_step(config, CLASSES))
    return step, (state, host_batch(config), jax.random.key(config.seed))


def prepare_training(config: ConfigDict, batch: int) -> Work:
    """Makes training steps one after the other."""
    train_step, (state, host, root) = training(config)
    last = [state, {}]

    def step() -> None:
        last[:] = train_step(last[0], devices.shard(host), root)

    def wait() -> None:
        jax.block_until_ready(last)

    return Work(step, wait, batch * len(host))


def prepare_inference(config: ConfigDict, batch: int) -> Work:
    """Makes class logits of a batch, in the host's memory."""
    params = devices.replicate(create_state(config, CLASSES, GRID).params)
    predict = make_predict(config, CLASSES)
    patterns = random_patterns(batch)

    def step() -> None:
        np.asarray(predict(params, patterns))

    return Work(step, lambda: None, batch)


def results(config: ConfigDict) -> Arrays:
    """Returns initial weights, a batch, and what the training step's parts make of them."""
    state = create_state(config, CLASSES, GRID)
    batch, root = host_batch(config), jax.random.key(config.seed)
    gradients_of = devices.pmap_train_step(make_gradients(config, CLASSES))
    gradients, metrics = gradients_of(state, devices.shard(batch), root)
    adversarial, generator = gradients.adversarial, state.generator
    assert generator is not None
    noise_key = rng.at_step(root, "noise", state.step)
    noise = rng.normal_per_example(noise_key, jnp.arange(config.batch_size), NOISE_LENGTH)
    return flatten(
        {
            "weights": {"discriminator": state.params, "generator": generator.params},
            "batch": {**random_batch("sgan", config.batch_size), "noise": noise},
            "logits": make_predict(config, CLASSES)(state.params, batch["labelled"]["pattern"]),
            "losses": {name: metrics[f"loss/{name}"] for name in _LOSSES},
            "supervised gradient": gradients.supervised,
            "unsupervised gradient": adversarial.unsupervised,
            "generator gradient": adversarial.generator,
            "running statistics": adversarial.batch_stats,
        }
    )


def peak_of_gpu() -> int:
    """Returns the most memory that was in use on the first device."""
    return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]


if __name__ == "__main__":
    main()
