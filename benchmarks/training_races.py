"""Runs every package on the same training tasks, by turns, so that a drift is seen."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.environments import OURS_TRAINING, TORCH, run_script
from benchmarks.races import Entry
from benchmarks.times import Timed
from data_gen.errors import InputError

OURS = Entry(OURS_TRAINING)
EAGER = Entry(TORCH, "eager, channels last", ("--channels_last",))
EAGER_1D = Entry(TORCH, "eager, Conv1d")
COMPILED = Entry(TORCH, "torch.compile, channels last", ("--channels_last", "--compiled"))

_CACHES = ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


@dataclass(frozen=True)
class Race:
    """A task and what is to be reached in it.

    Attributes:
        title: Heading of its table.
        flags: What the task is, for all scripts.
        per_second: Patterns per second that ours is to reach, if that is a goal.
        ratio: How many times as fast as PyTorch eager ours is to be, if that is a goal.
        entries: Ours first.
    """

    title: str
    flags: tuple[str, ...]
    per_second: float | None = None
    ratio: float | None = None
    entries: tuple[Entry, ...] = (OURS, EAGER, EAGER_1D, COMPILED)


@dataclass
class Result(Timed):
    """What was measured of an entry; without times if its environment is missing.

    Attributes:
        entry: What ran.
        version: Of the package.
        device: What it ran on.
        batch: Patterns per step, of each kind.
        patterns: Real patterns, labelled and unlabelled, per step.
        seconds: Per step, of every pass of some steps, by launch.
        first_seconds: Of the first step of each launch.
        peak_mib: Most memory in use: of the process, or on the GPU.
        problem: Why its script gave nothing.
    """

    entry: Entry
    version: str = ""
    device: str = ""
    batch: int = 0
    patterns: int = 0
    seconds: list[list[float]] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    problem: str = ""

    @property
    def per_second(self) -> float:
        """Patterns per second, of the median time."""
        return self.patterns / self.median

    def take(self, found: dict[str, Any]) -> None:
        """Adds a launch."""
        self.version, self.device = found["version"], found["device"]
        self.batch, self.patterns = found["batch"], found["patterns_per_step"]
        self.seconds.append(found["seconds_per_step"])
        self.first_seconds.append(found["first_step_seconds"])
        self.peak_mib = max(self.peak_mib, found["peak_mib"])


@dataclass(frozen=True)
class Machine:
    """Where scripts run, and what they keep.

    Attributes:
        device: ``"cpu"`` or ``"gpu"``.
        environments: Folder of the virtual environments.
        caches: Folder for compiled programs.
    """

    device: str
    environments: Path
    caches: Path

    def launch(self, entry: Entry, flags: Sequence[str], out: Path) -> None:
        """Runs an entry's script, which writes a file.

        Raises:
            InputError: It failed.
        """
        settings = {name: str(self.caches / name.lower()) for name in _CACHES}
        settings["JAX_PLATFORMS"] = {"cpu": "cpu", "gpu": "cuda"}[self.device]
        arguments = [out, f"--device={self.device}", *flags, *entry.flags]
        run_script(entry.package, self.environments, arguments, settings)

    def measure(self, entry: Entry, flags: Sequence[str]) -> dict[str, Any]:
        """Runs an entry's script; returns the JSON that it wrote."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            self.launch(entry, flags, out)
            return json.loads(out.read_text())

    def has(self, entry: Entry) -> bool:
        """Whether the environment of an entry is installed."""
        return entry.package.python(self.environments) is not None


def run(race: Race, machine: Machine, repeats: int, *, once: bool, compiled: bool) -> list[Result]:
    """Launches every peer `repeats` times, and ours after each of them.

    Args:
        race: The task and the entries.
        machine: Where it runs.
        repeats: Launches of each peer.
        once: Launch each entry once for a single step: a trial of the benchmark itself.
        compiled: Launch torch.compile too, whose first step takes a minute each time.
    """
    results = [Result(entry) for entry in race.entries if compiled or entry != COMPILED]
    installed = [result for result in results if machine.has(result.entry)]
    flags = (*race.flags, "--once") if once else race.flags
    for result in tqdm(turns(installed, 1 if once else repeats), race.title, unit=" launches"):
        if result.problem:
            continue
        try:
            result.take(machine.measure(result.entry, flags))
        except InputError as error:
            if result.entry == OURS:
                raise
            result.problem = str(error)
    return results


def turns(results: Sequence[Result], repeats: int) -> list[Result]:
    """Returns who is launched when: ours after every other, or alone."""
    ours, *peers = results
    one_round = [one for peer in peers for one in (peer, ours)] or [ours]
    return one_round * repeats


def races(device: str) -> dict[str, tuple[Race, ...]]:
    """Returns the races by part, with the goals of a device."""
    return _ON_CPU if device == "cpu" else _ON_GPU


def _supervised(batch: int, pool: bool, per_second: float) -> Race:
    how = "with" if pool else "without"
    flags = ("--task=supervised", f"--batch={batch}", *([] if pool else ["--no_pool"]))
    return Race(f"Supervised step, batch {batch}, {how} stem pool", flags, per_second, ratio=3)


def _sgan(batch: int, pool: bool, per_second: float | None, ratio: float | None) -> Race:
    how = "with" if pool else "without"
    flags = ("--task=sgan", f"--batch={batch}", *([] if pool else ["--no_pool"]))
    title = f"SGAN step, {batch} labelled + {batch} unlabelled + {batch} generated, {how} stem pool"
    return Race(title, flags, per_second, ratio)


def _inference(per_second: float | None) -> Race:
    title = "Inference at the best batch size, with stem pool"
    return Race(title, ("--task=inference",), per_second)


_ON_CPU = {
    "supervised": (_supervised(64, True, 900), _supervised(64, False, 320)),
    "sgan": (_sgan(32, True, None, 3), _sgan(32, False, None, None)),
    "inference": (_inference(3000),),
}
_ON_GPU = {
    "supervised": (_supervised(64, True, 100_000), _supervised(1024, True, 100_000)),
    "sgan": (_sgan(32, True, 20_000, 3), _sgan(512, True, 20_000, 3)),
    "inference": (_inference(None),),
}
