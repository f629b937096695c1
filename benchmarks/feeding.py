"""What the input side of training gives, measured in a process of its own.

`python -m benchmarks.feeding FOLDER '{"streamed": …}'` prints one line of JSON; `benchmarks.inputs`
starts it and makes the tables.
"""

import contextlib
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import psutil
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from configs import base
from sgan_jax import devices, input_pipeline
from sgan_jax.input_pipeline import Dataset, HostBatch, train_batches
from sgan_jax.progress import Meter, Throughput
from sgan_jax.state import create_state
from sgan_jax.train_step import make_train_step

Batches = Generator[HostBatch]
_TURNS = 3
_RSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there


@dataclass(frozen=True)
class Task:
    """What is to be measured.

    Attributes:
        streamed: Whether the patterns stay in their files.
        method: `sgan` or `supervised`.
        batch_size: Labelled patterns in a batch.
        label_fraction: Share of labelled patterns.
        seconds: How long to measure each thing.
        training: Whether to train as well.
    """

    streamed: bool
    method: str
    batch_size: int
    label_fraction: float
    seconds: float
    training: bool

    def config(self) -> ConfigDict:
        """The experiment that is fed."""
        config = base.get_config(self.method, label_fraction=self.label_fraction)
        config.batch_size = self.batch_size
        config.data.streamed = self.streamed
        return config

    @property
    def patterns_per_step(self) -> int:
        """Patterns in a batch, labelled and unlabelled."""
        return self.batch_size * (2 if self.method == "sgan" else 1)


def measure(folder: str, task: Task) -> dict[str, Any]:
    """Measures one task; returns its figures by name, rates in patterns/s.

    Args:
        folder: The data set.
        task: What to measure.
    """
    config, process = task.config(), psutil.Process()
    before = process.memory_info().rss
    begin = time.perf_counter()
    dataset = input_pipeline.read(tfds.builder_from_directory(folder), config)
    found: dict[str, Any] = {
        "patterns": len(dataset.labels),
        "start_seconds": time.perf_counter() - begin,
    }
    with contextlib.closing(train_batches(dataset, config, 0)) as batches:
        next(batches)
        found |= _feed(batches, task)
        found["memory_mib"] = (process.memory_info().rss - before) / 2**20
        found["copied_per_s"] = _copy(next(batches), task)
        if task.training:
            found |= _train(dataset, config, batches, task)
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_PER_MIB
    return found


def _feed(batches: Batches, task: Task) -> dict[str, float]:
    """Takes batches as fast as they come."""
    cpu, begin = time.process_time(), time.perf_counter()
    count = sum(1 for _ in _for_seconds(task.seconds, batches))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    patterns = count * task.patterns_per_step
    return {"fed_per_s": patterns / seconds, "cpu_seconds_per_pattern": cpu / patterns}


def _copy(batch: HostBatch, task: Task) -> float:
    """Patterns per second from the host's memory to a device, one batch after another."""
    begin = time.perf_counter()
    count = 0
    for _ in _for_seconds(task.seconds / 4, itertools.repeat(None)):
        jax.block_until_ready(jax.tree.map(jnp.array, batch))  # `device_put` copies nothing on CPUs
        count += 1
    return count * task.patterns_per_step / (time.perf_counter() - begin)


def _train(dataset: Dataset, config: ConfigDict, batches: Batches, task: Task) -> dict[str, Any]:
    """Trains with the batches and, by turns, with one and the same batch, which costs nothing."""
    train = _trainer(dataset, config, task)
    same = itertools.repeat(next(batches))
    train(same, 0.0)  # compiles
    fed, free = Throughput(), Throughput()
    for _ in range(_TURNS):
        free.add(train(same, task.seconds))
        fed.add(train(batches, task.seconds))
    return {
        "trained_per_s": fed.patterns_per_s,
        "trained_per_s_without_input": free.patterns_per_s,
        "waiting": fed.input_wait_fraction,
        "steps": fed.patterns // task.patterns_per_step,
    }


def _trainer(
    dataset: Dataset, config: ConfigDict, task: Task
) -> Callable[[Iterator[HostBatch], float], Throughput]:
    """Returns a function that trains for some seconds, one step at least."""
    train_step = devices.pmap_train_step(make_train_step(config, dataset.num_classes))
    root = jax.random.key(config.seed)
    state = create_state(config, dataset.num_classes, dataset.grid_size)
    meter = Meter(task.patterns_per_step)

    def train(batches: Iterator[HostBatch], seconds: float) -> Throughput:
        nonlocal state
        for step in _for_seconds(seconds, itertools.count(1)):
            batch = meter.next_batch(batches)
            state, metrics = train_step(state, devices.shard(batch), root)
            meter.add(step, metrics)
        return meter.read()[-1]

    return train


def _for_seconds(seconds: float, items: Iterable[Any]) -> Iterator[Any]:
    """Passes items on until the time is over, one at least."""
    end = time.perf_counter() + seconds
    for item in items:
        yield item
        if time.perf_counter() >= end:
            return


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Task(**json.loads(sys.argv[2])))))
