"""Where the time of a training step goes, from a trace of the compiled program.

Every operation of the trace is looked up in the program's text, which says of which layer it is.
What the compiler fused counts for the layer of the last of the fused operations.
"""

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.profiler import ProfileData

from sgan_jax import devices

RANDOM = "random numbers"
REST = "optimisers, norms, averages, losses"
UNKNOWN = "without a name"

_STEPS = 5
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = .*?op_name=\"([^\"]*)\"", re.M)
_RANDOM_OPERATION = re.compile(r"threefry|random|rng|uniform|normal\)|bernoulli|erf_inv")
_STAGE = re.compile(r"/stage(\d)")


class Event(NamedTuple):
    """One run of one operation on one thread, in seconds."""

    operation: str
    start: float
    duration: float


def write(path: Path, step: Callable, arguments: tuple[Any, Any, Any]) -> None:
    """Profiles a mapped training step and writes the seconds per step, as JSON.

    Args:
        path: File to write: `wall` of a whole step, and by name `parts`, each summed over
            threads, so that together they may be more or less.
        step: Of `devices.pmap_train_step`.
        arguments: State, the host's batch, root key.
    """
    state, host, root = arguments
    batch = devices.shard(host)
    compiled = jax.jit(step).lower(state, batch, root).compile()
    layer_of = dict(_INSTRUCTION.findall(compiled.as_text() or ""))

    def run() -> float:
        started = time.perf_counter()
        for _ in range(_STEPS):
            jax.block_until_ready(compiled(state, batch, root))
        return (time.perf_counter() - started) / _STEPS

    run()
    wall = run()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        (trace,) = Path(folder).glob("**/*.xplane.pb")
        seconds = _parts(_threads(trace), layer_of)
    parts = {part: time / _STEPS for part, time in seconds.items()}
    path.write_text(json.dumps({"wall": wall, "parts": parts}))


def part_of(layer: str) -> str:
    """Returns the part of the step that an operation belongs to.

    Args:
        layer: What the compiler notes of it: the functions and modules it was written in.
    """
    if not layer:
        return UNKNOWN
    if _RANDOM_OPERATION.search(layer):
        return RANDOM
    direction = "backward" if "transpose(" in layer else "forward"
    if "Generator" in layer:
        return f"generator, {direction}"
    if "ResNet" not in layer:
        return REST
    stage = _STAGE.search(layer)
    place = f"stage {stage[1]}" if stage else "head" if "/classes" in layer else "stem"
    return f"discriminator, {place}, {direction}"


def _threads(trace: Path) -> Iterator[list[Event]]:
    """The operations of each thread of the host."""
    for plane in ProfileData.from_file(str(trace)).planes:
        for line in plane.lines:
            events = [
                Event(str(operation), event.start_ns / 1e9, event.duration_ns / 1e9)
                for event in line.events
                if (operation := dict(event.stats).get("hlo_op")) is not None
            ]
            if events:
                yield events


def _parts(threads: Iterable[list[Event]], layer_of: dict[str, str]) -> dict[str, float]:
    """Seconds by part, the longest first."""
    seconds: dict[str, float] = defaultdict(float)
    for events in threads:
        for operation, own in own_seconds(events):
            seconds[part_of(layer_of.get(operation, ""))] += own
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def own_seconds(events: Iterable[Event]) -> Iterator[tuple[str, float]]:
    """Yields the time of each event of a thread without that of the events within it."""
    around: list[tuple[Event, list[float]]] = []  # and the times of those within

    def finished(until: float) -> Iterator[tuple[str, float]]:
        while around and around[-1][0].start + around[-1][0].duration <= until:
            event, within = around.pop()
            yield event.operation, event.duration - sum(within)

    for event in sorted(events, key=lambda event: (event.start, -event.duration)):
        yield from finished(event.start)
        if around:
            around[-1][1].append(event.duration)
        around.append((event, []))
    yield from finished(float("inf"))
