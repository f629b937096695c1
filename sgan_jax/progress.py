"""How a run is doing: means of its metrics, its speed, and the line that says so."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree

from sgan_jax.gradients import Metrics
from sgan_jax.input_pipeline import HostBatch

STEPS_AHEAD = 2
"""Steps that the host may be ahead of the devices: enough to keep them busy, little memory."""

_NONE = -1
_SHOWN = {
    "loss": "loss/supervised",
    "contrast": "loss/contrast",
    "unsupervised": "loss/unsupervised",
    "generator": "loss/generator",
    "accuracy": "accuracy/labelled_batch",
}


@dataclass
class Throughput:
    """Training speed over all restarts of a run, without compilation and evaluation.

    Attributes:
        patterns: Real patterns, labelled and unlabelled, that were trained on.
        seconds: Time that this took.
        waiting_seconds: Time in which the devices had nothing to do for lack of a batch.
    """

    patterns: int = 0
    seconds: float = 0.0
    waiting_seconds: float = 0.0

    @property
    def patterns_per_s(self) -> float:
        """Real patterns trained on per second."""
        return self.patterns / self.seconds

    @property
    def input_wait_fraction(self) -> float:
        """Share of the time in which the devices waited for a batch."""
        return self.waiting_seconds / self.seconds

    def report(self) -> dict[str, float | None]:
        """The report's `throughput` block; None where nothing was timed (a run of one step)."""
        timed = self.seconds > 0
        return {
            "train_patterns_per_s": self.patterns_per_s if timed else None,
            "input_wait_fraction": self.input_wait_fraction if timed else None,
        }

    def scalars(self) -> dict[str, float]:
        """The same for TensorBoard, by tag."""
        return {
            "speed/patterns_per_s": self.patterns_per_s,
            "speed/input_wait_fraction": self.input_wait_fraction,
        }

    def add(self, other: "Throughput") -> None:
        """Adds the totals of an interval."""
        self.patterns += other.patterns
        self.seconds += other.seconds
        self.waiting_seconds += other.waiting_seconds


class Meter:
    """Follows training without holding it up: sums stay on the devices until they are read.

    Time counts from the first batch after a reading to the next reading, so what is done in
    between (evaluation, checkpoints) is left out.

    Args:
        patterns_per_step: Real patterns, labelled and unlabelled.
    """

    def __init__(self, patterns_per_step: int) -> None:
        self._patterns_per_step = patterns_per_step
        self._under_way: deque[Metrics] = deque()
        self._reset()

    def next_batch(self, batches: Iterator[HostBatch]) -> HostBatch:
        """Takes a batch, and notes whether the devices had to wait for it."""
        while len(self._under_way) >= STEPS_AHEAD:
            jax.block_until_ready(self._under_way.popleft())
        asked = time.perf_counter()
        if self._count == 0:
            self._begin = asked
        batch = next(batches)
        if all(map(_is_ready, self._under_way)):
            self._waiting += time.perf_counter() - asked
        return batch

    def add(self, step: int, metrics: Metrics) -> None:
        """Takes the metrics of a step, which may still be under way."""
        self._under_way.append(metrics)
        if self._count == 0:
            self._sums = {name: jnp.zeros(()) for name in metrics}
        self._sums, self._first_bad = _accumulate(self._sums, self._first_bad, metrics, step)
        self._count += 1

    def read(self) -> tuple[dict[str, float], int | None, Throughput]:
        """Waits for the devices, and begins a new interval.

        Returns:
            Means of the metrics, the first step whose metrics were not finite (None if all were),
            and what the interval took.
        """
        sums, first_bad = jax.device_get((self._sums, self._first_bad))
        means = {name: float(value) / self._count for name, value in sums.items()}
        seconds = time.perf_counter() - self._begin
        interval = Throughput(self._count * self._patterns_per_step, seconds, self._waiting)
        self._reset()
        return means, None if first_bad == _NONE else int(first_bad), interval

    def _reset(self) -> None:
        self._sums: Metrics = {}
        self._first_bad: Array = jnp.array(_NONE)
        self._count = 0
        self._waiting = 0.0
        self._begin = 0.0


def _is_ready(metrics: Metrics) -> bool:
    return all(value.is_ready() for value in metrics.values())  # pyright: ignore[reportAttributeAccessIssue]


@jax.jit
def _accumulate(
    sums: Metrics, first_bad: Array, metrics: Metrics, step: int
) -> tuple[Metrics, Array]:
    sums = {name: sums[name] + value for name, value in metrics.items()}
    finite = jnp.isfinite(jnp.array(list(metrics.values()))).all()
    return sums, jnp.where((first_bad == _NONE) & ~finite, step, first_bad)


@jax.jit
def all_finite(tree: PyTree[Array]) -> Bool[Array, ""]:
    """Whether every number of a tree of arrays is finite."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


class Clock:
    """Tells how far a run is and how long it still takes, evaluation and checkpoints included.

    Args:
        num_steps: Steps of the whole run.
    """

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._first_step = 0
        self._begin = 0.0

    def start(self, step: int) -> None:
        """Starts after the first step, which is slow because it is compiled."""
        self._first_step = step
        self._begin = time.perf_counter()

    def line(self, step: int, means: Mapping[str, float], interval: Throughput) -> str:
        """One line on a later step: losses, accuracy, speed and time left."""
        per_step = (time.perf_counter() - self._begin) / (step - self._first_step)
        left = timedelta(seconds=round(per_step * (self._num_steps - step)))
        parts = [f"step {step}/{self._num_steps}"]
        parts += [f"{word} {means[tag]:.3f}" for word, tag in _SHOWN.items() if tag in means]
        parts.append(f"{interval.patterns_per_s:.0f} patterns/s")
        parts.append(f"waiting for input {interval.input_wait_fraction:.1%}")
        parts.append(f"{left} left")
        return " | ".join(parts)
