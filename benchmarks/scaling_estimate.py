"""Where the bytes of a training step go on many GPUs, from stated figures."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

_FLOAT = 4
_DISCRIMINATOR, _GENERATOR = 649_456, 92_416  # parameters
_POINTS = 3041
_BATCH_NORMS = 8  # of the generator; each averages its statistics, forwards and backwards
_CHANNELS = 32


def _figure(default: float, text: str) -> Any:  # noqa: ANN401 - a dataclass field of any type
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Assumptions:
    """What the estimate is computed from."""

    patterns: int = _figure(10_000_000, "patterns of the data set")
    gpus_per_machine: int = _figure(8, "GPUs of a machine")
    batch_per_gpu: int = _figure(64, "labelled patterns per GPU and step; as many unlabelled")
    gpu_patterns_per_s: float = _figure(20_000, "real patterns/s that one GPU trains on, SGAN")
    link_in_machine: float = _figure(300e9, "bytes/s of a GPU to others of its machine")
    link_between: float = _figure(25e9, "bytes/s of a GPU to other machines")
    latency_in_machine: float = _figure(20e-6, "s of a small all-reduce within a machine")
    latency_between: float = _figure(60e-6, "s of a small all-reduce between machines")
    to_gpu: float = _figure(20e9, "bytes/s from the host's memory to one GPU")
    cores: int = _figure(96, "cores of a machine")
    read_per_core: float = _figure(40_000, "patterns/s that a core reads and decodes")
    storage: float = _figure(5e9, "bytes/s of the file system to one machine")

    def described(self) -> Iterator[str]:
        """Each figure in words."""
        for each in fields(self):
            yield f"{each.metadata['help']}: {getattr(self, each.name):,.6g} (--{each.name})"


@dataclass(frozen=True)
class Cost:
    """Something that takes time in every step.

    Attributes:
        name: What.
        bytes: Moved, per GPU or per machine as the name says.
        seconds: Time that this takes.
        beside: Whether it can go on while the GPUs compute.
    """

    name: str
    bytes: float
    seconds: float
    beside: bool


def costs(a: Assumptions, gpus: int) -> list[Cost]:
    """What a step of the SGAN costs on so many GPUs."""
    several = gpus > a.gpus_per_machine
    link, latency = (
        (a.link_between, a.latency_between)
        if several
        else (a.link_in_machine, a.latency_in_machine)
    )
    # The cross-entropy and the unsupervised loss have a gradient each, for an Adam each.
    gradients = _FLOAT * (2 * _DISCRIMINATOR + _GENERATOR) * 2 * (gpus - 1) / gpus
    statistics = _FLOAT * _BATCH_NORMS * 2 * 2 * _CHANNELS
    patterns = 2 * a.batch_per_gpu
    on_gpu = _FLOAT * _POINTS * patterns
    on_machine = on_gpu * a.gpus_per_machine
    rate = a.cores * a.read_per_core
    return [
        Cost("computing, per GPU", 0, patterns / a.gpu_patterns_per_s, False),
        Cost("gradients all-reduced, per GPU", gradients, gradients / link + latency, False),
        Cost("batch statistics, per GPU", statistics, 2 * _BATCH_NORMS * latency, False),
        Cost("patterns to the GPU, per GPU", on_gpu, on_gpu / a.to_gpu, True),
        Cost(
            "patterns decoded, per machine",
            on_machine,
            patterns * a.gpus_per_machine / rate,
            True,
        ),
        Cost("patterns from storage, per machine", on_machine, on_machine / a.storage, True),
    ]


def step_seconds(a: Assumptions, gpus: int) -> float:
    """Time of a step: what cannot overlap, or the slowest of what goes on beside it."""
    alone = sum(cost.seconds for cost in costs(a, gpus) if not cost.beside)
    return max(alone, *(cost.seconds for cost in costs(a, gpus) if cost.beside))


def rows_of(a: Assumptions, gpus: int) -> list[list[str]]:
    """The table of a number of GPUs, with the whole in its last rows."""
    step = step_seconds(a, gpus)
    rows = [
        [c.name, _bytes(c.bytes), f"{1e3 * c.seconds:.3f}", f"{c.seconds / step:.0%}"]
        for c in costs(a, gpus)
    ]
    speed = 2 * a.batch_per_gpu * gpus / step
    efficiency = speed / (gpus * a.gpu_patterns_per_s)
    rows.append(["whole step", "", f"{1e3 * step:.3f}", "100%"])
    rows.append([f"= {speed:,.0f} real patterns/s", "", "", f"{efficiency:.0%} of {gpus} × one"])
    epoch = a.patterns / speed
    size = _bytes(_FLOAT * _POINTS * a.patterns)
    rows.append([f"= {epoch:,.0f} s for all patterns once", size, "", ""])
    return rows


def bottleneck(a: Assumptions, gpus: int) -> str:
    """What would hold up faster GPUs first."""
    others = costs(a, gpus)[1:]
    worst = max(others, key=lambda cost: cost.seconds)
    computing = costs(a, gpus)[0].seconds
    factor = computing / worst.seconds
    return (
        f"{worst.name}, once a GPU is {factor:.1f} times as fast as assumed"
        if factor > 1
        else (f"{worst.name}, which takes {1 / factor:.1f} times as long as computing")
    )


def _bytes(number: float) -> str:
    if number == 0:
        return ""
    power = min(int(math.log10(number) // 3), 4)
    return f"{number / 10 ** (3 * power):.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
