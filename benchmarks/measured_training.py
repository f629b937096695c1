"""What grids, effects and augmentation cost and bring: `python -m benchmarks.measured_training`.

Every network is trained alike, from the same seed, and tried on the same simulated measurements of
crystals whose formulas it has not seen: those held back for validation, with all effects.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Iterator
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from benchmarks.tables import markdown
from configs import measured
from sgan_jax import command_line, devices, metrics
from sgan_jax.augmentation.effects import ALL, EFFECTS, Effects
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.grids import GRIDS
from sgan_jax.inference import make_predict
from sgan_jax.input_pipeline import Dataset, load, train_batches
from sgan_jax.scoring import predict_logits
from sgan_jax.state import Params, averaged_params, create_state
from sgan_jax.train_step import make_train_step

MOST_VALIDATED = 2_048
_WARM_UP = 5  # steps that are not timed


class Outcome(NamedTuple):
    """One trained network.

    Attributes:
        top1: Share of the validation patterns named rightly.
        nll: Mean negative logarithm of the probability of the truth.
        prior: Share that is of the most frequent class.
        patterns_per_s: Patterns trained on per second.
    """

    top1: float
    nll: float
    prior: float
    patterns_per_s: float


def train(config: ConfigDict, dataset: Dataset, start: Params | None = None) -> Outcome:
    """Trains a network on a data set that is already there, and tries it.

    Args:
        config: The experiment.
        dataset: Its data.
        start: Weights to begin with, else random ones.
    """
    return _tried(config, dataset, *_learnt(config, dataset, start))


def _learnt(
    config: ConfigDict, dataset: Dataset, start: Params | None = None
) -> tuple[Params, float]:
    """Averaged weights of a network, and patterns trained on per second."""
    state = create_state(config, dataset.num_classes, dataset.grid_size)
    if start is not None:
        # Copied: a step takes the memory of the state it is given.
        state = state.replace(params=jax.tree.map(jnp.array, start))
    step = devices.pmap_train_step(make_train_step(config, dataset.num_classes))
    root, begin = jax.random.key(config.seed), math.nan
    for number, batch in zip(
        range(config.num_steps), train_batches(dataset, config, 0), strict=False
    ):
        state, _ = step(state, devices.shard(batch), root)
        if number == _WARM_UP:
            jax.block_until_ready(state)
            begin = time.perf_counter()
    jax.block_until_ready(state)
    seconds = time.perf_counter() - begin
    patterns_per_s = (config.num_steps - 1 - _WARM_UP) * config.batch_size / seconds
    return averaged_params(state, config.ema_decay), patterns_per_s


def _tried(config: ConfigDict, dataset: Dataset, params: Params, patterns_per_s: float) -> Outcome:
    rows = dataset.split.validation[:MOST_VALIDATED]
    predict = make_predict(config, dataset.num_classes)
    logits = predict_logits(predict, params, dataset.patterns, rows, config.batch_size)
    labels = dataset.labels[rows]
    return Outcome(
        top1=metrics.top_k_accuracy(logits, labels, 1),
        nll=metrics.negative_log_likelihood(logits, labels),
        prior=metrics.prior_top_k(dataset.class_counts["labelled"], labels, 1),
        patterns_per_s=patterns_per_s,
    )


def _grids(config: ConfigDict) -> Iterator[tuple[str, Outcome]]:
    for axis in GRIDS:
        config.data.grid = axis
        yield axis, train(config, load(config))


def _effects(config: ConfigDict) -> Iterator[tuple[str, Outcome]]:
    """All go on from one network of ideal patterns.

    From random weights some would stay at the prior for long, by chance, and chance would be
    compared.
    """
    dataset = load(config)
    patterns = cast(AugmentedPatterns, dataset.patterns)
    none = Effects(**dict.fromkeys(EFFECTS, False))
    variants = {"all effects": ALL}
    variants |= {f"without {name}": dataclasses.replace(ALL, **{name: False}) for name in EFFECTS}
    variants["no effect"] = none
    changed = {
        name: dataclasses.replace(dataset, patterns=patterns.trained_with(effects))
        for name, effects in variants.items()
    }
    start, speed = _learnt(config, changed["no effect"])
    yield "where all begin: no effect", _tried(config, dataset, start, speed)
    for name, data in changed.items():
        yield name, train(config, data, start)


def _throughput(config: ConfigDict) -> Iterator[tuple[str, Outcome]]:
    """By turns, since other work on the machine slows whichever has its turn."""
    dataset = load(config)
    made_before = _stored(dataset, config)
    for turn in ("first", "second"):
        yield f"measured anew, {turn} turn", train(config, dataset)
        yield f"made beforehand, {turn} turn", train(config, made_before)


def _stored(dataset: Dataset, config: ConfigDict) -> Dataset:
    """A part of the data set with one measurement of each crystal, in memory."""
    rows = dataset.split.labelled[: 100 * config.batch_size]
    patterns = np.zeros(dataset.patterns.shape, np.float32)
    patterns[rows] = dataset.patterns[rows]
    split = dataclasses.replace(dataset.split, labelled=rows)
    return dataclasses.replace(dataset, patterns=patterns, split=split)


_PARTS = {"grids": _grids, "effects": _effects, "throughput": _throughput}


def main() -> None:
    """Runs one comparison and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=tuple(_PARTS))
    parser.add_argument("--task", default="bravais_lattice")
    parser.add_argument("--sources", default="amcsd", help="as config.data.sources")
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    logging.set_verbosity(logging.ERROR)
    command_line.keep_compiled_programs()
    config = measured.get_config(arguments.task)
    config.data.sources, config.data.dir = arguments.sources, arguments.data_dir
    config.num_steps = arguments.steps
    config.optimizer.warmup_steps = 2 * arguments.steps // 5
    if arguments.part != "throughput":
        # In so short a run more steps are worth more than smoother ones.
        config.batch_size = 32
        config.optimizer.supervised_learning_rate = 1e-3
    found: dict[str, list[Outcome]] = {}
    for seed in range(arguments.seeds):
        config.seed = seed
        for name, outcome in _PARTS[arguments.part](config):
            found.setdefault(name, []).append(outcome)
            print(f"seed {seed}: {name}: {outcome}", flush=True)
    heading = ["variant", "top-1, %", "prior, %", "nll", "patterns/s"]
    rows = [_row(name, outcomes) for name, outcomes in found.items()]
    title = f"{arguments.part}: {arguments.steps} steps, {arguments.seeds} seeds"
    print(markdown(title, heading, rows))


def _row(name: str, outcomes: list[Outcome]) -> list[str]:
    columns = np.array(outcomes)
    mean, spread = columns.mean(axis=0), columns.std(axis=0, ddof=min(len(outcomes) - 1, 1))
    aside = f" ± {100 * spread[0]:.1f}" if len(outcomes) > 1 else ""
    return [
        name,
        f"{100 * mean[0]:.1f}{aside}",
        f"{100 * mean[2]:.1f}",
        f"{mean[1]:.3f}",
        f"{mean[3]:.0f}",
    ]


if __name__ == "__main__":
    main()
