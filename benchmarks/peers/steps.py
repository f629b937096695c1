"""What every script of the training benchmark does: repeat a step, time it, write what was found.

It needs NumPy alone, since it runs in the environments of all the peers.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GRID = 3041
CLASSES = 14
DROPOUT = 0.1
BATCHES = (16, 32, 64, 128, 256, 512)  # of which inference takes the best

_WARM_UP = 2.0  # seconds at least
_PASS = 0.25  # seconds at least, in steps that nobody waits for one by one
_TOTAL = 8.0  # seconds of all passes
_LEAST_PASSES = 5
_TRIAL = 0.5  # seconds, to compare batch sizes

Patterns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Work:
    """One task at one batch size.

    Attributes:
        step: Begins one step, which may still be under way afterwards.
        wait: Returns when all steps that were begun are done.
        patterns: Real patterns, labelled and unlabelled, that a step takes.
    """

    step: Callable[[], None]
    wait: Callable[[], None]
    patterns: int


def options() -> argparse.Namespace:
    """Reads the command line that all scripts share."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("out", type=Path, help="file to write")
    add("--task", choices=("supervised", "sgan", "inference", "check", "profile"), required=True)
    add("--exchange", type=Path, help="weights, batch and results of the other side, to check")
    add("--batch", type=int, default=64, help="patterns a step; SGAN: as many of each kind")
    add("--no_pool", action="store_true", help="leave out the max pool after the stem")
    add("--device", choices=("cpu", "gpu"), default="cpu")
    add("--channels_last", action="store_true")
    add("--compiled", action="store_true", help="by torch.compile")
    add("--once", action="store_true", help="one step after the first: a trial run")
    return parser.parse_args()


def random_patterns(count: int, seed: int = 0) -> np.ndarray:
    """Returns patterns of uniform numbers in [0, 1)."""
    return np.random.default_rng(seed).random((count, GRID), np.float32)


def random_batch(task: str, count: int) -> Patterns:
    """Returns labelled patterns and, for SGAN, as many unlabelled ones."""
    labels = np.random.default_rng(1).integers(0, CLASSES, count).astype(np.int32)
    batch = {"pattern": random_patterns(count), "label": labels}
    return batch | ({"unlabelled": random_patterns(count, 2)} if task == "sgan" else {})


def cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measure(
    make: Callable[[int], Work],
    chosen: argparse.Namespace,
    version: str,
    device: str,
    device_peak_bytes: Callable[[], int] | None = None,
) -> None:
    """Times a task and writes the times per step and the peak memory.

    Args:
        make: Prepares the task at a batch size.
        chosen: The command line.
        version: Of the package.
        device: What it ran on, in words.
        device_peak_bytes: Most memory in use on the device; without it that of the process.
    """
    batch = chosen.batch
    if chosen.task == "inference" and not chosen.once:
        batch = max(BATCHES, key=lambda size: _speed(make(size)))
    work = make(batch)
    cpu = time.process_time()
    first = _seconds(work, 1)
    first_cpu = time.process_time() - cpu
    passes, steps = ([_seconds(work, 1)], 1) if chosen.once else _timed(work)
    peak = _peak_bytes() if device_peak_bytes is None else device_peak_bytes()
    found = {
        "version": version,
        "device": device,
        "batch": batch,
        "patterns_per_step": work.patterns,
        "first_step_seconds": first,
        "first_step_cpu_seconds": first_cpu,
        "seconds_per_step": [seconds / steps for seconds in passes],
        "peak_mib": peak / 2**20,
    }
    chosen.out.write_text(json.dumps(found))


def _timed(work: Work) -> tuple[list[float], int]:
    """Returns the seconds of each pass, and its steps."""
    started = time.perf_counter()
    warm = [_seconds(work, 1) for _ in range(2)]
    while time.perf_counter() - started < _WARM_UP:
        warm.append(_seconds(work, 1))
    steps = max(1, round(_PASS / statistics.median(warm[1:])))
    passes = []
    while len(passes) < _LEAST_PASSES or sum(passes) < _TOTAL:
        passes.append(_seconds(work, steps))
    return passes, steps


def _speed(work: Work) -> float:
    """Returns patterns per second in a short trial, the first step left out."""
    _seconds(work, 1)
    times = [_seconds(work, 1)]
    while sum(times) < _TRIAL:
        times.append(_seconds(work, 1))
    return work.patterns / min(times)


def _seconds(work: Work, steps: int) -> float:
    work.wait()
    started = time.perf_counter()
    for _ in range(steps):
        work.step()
    work.wait()
    return time.perf_counter() - started


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
