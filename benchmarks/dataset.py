"""Time and memory of whole commands: an archive into a data set, and starting up."""

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from data_gen.errors import InputError

_ROOT = Path(__file__).resolve().parents[1]
_INTERVAL = 0.1  # seconds between two looks at the memory
_WRITTEN = re.compile(r"^(written|rejected)\s+([\d,]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Of the process and all that it started.
        peak_mib: Largest sum of resident memory over these processes, pages that several share
            counted for each; 0 if it was not watched.
        written: Structures in the data set.
        rejected: Structures left out.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float = 0.0
    written: int = 0
    rejected: int = 0


def build(sources: str, place: Path, longest: float = math.inf) -> Cost:
    """Builds a data set with the command line, on all cores, and watches it.

    Args:
        sources: See `data_gen.sources.open_sources`; paths must be absolute.
        place: Folder that gets the folders `data`, with the data set, and `elsewhere`, which is the
            working directory, the home and the place of temporary files of the build.
        longest: Seconds after which the build is ended.

    Raises:
        InputError: The build failed, or took too long.
    """
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    command = _python("-m", "data_gen", f"--sources={sources}", f"--data_dir={place / 'data'}")
    homes = dict.fromkeys(("HOME", "TMPDIR"), str(elsewhere)) | {"PYTHONPATH": str(_ROOT)}
    log = place / "log"
    with log.open("w") as out:
        started, cpu = time.perf_counter(), _cpu_of_children()
        process = psutil.Popen(
            command, cwd=elsewhere, env=os.environ | homes, stdout=out, stderr=subprocess.STDOUT
        )
        peak = _watch(process, started + longest)
        seconds, cpu = time.perf_counter() - started, _cpu_of_children() - cpu
    text = log.read_text()
    if process.returncode:
        raise InputError(f"{' '.join(command)} failed: {text.strip().splitlines()[-1:]}")
    counts = {name: int(number.replace(",", "")) for name, number in _WRITTEN.findall(text)}
    return Cost(seconds, cpu, peak / 2**20, **counts)


def _watch(process: psutil.Popen, end: float) -> int:
    """Waits for a process; returns the most memory that it and its descendants held at once."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        if time.perf_counter() > end:
            process.terminate()  # its workers end with it
        time.sleep(_INTERVAL)
    return peak


def _resident(process: psutil.Popen) -> int:
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:  # it ended between two looks
        pass
    return total


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def start_up(arguments: Sequence[str], repeats: int) -> Cost:
    """Runs a short command once to fill its caches, then `repeats` times; returns the fastest.

    Raises:
        InputError: The command failed.
    """
    costs = [_timed(_python(*arguments)) for _ in range(1 + repeats)]
    return min(costs[1:], key=lambda cost: cost.seconds)


def _timed(command: list[str]) -> Cost:
    started, cpu = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return Cost(time.perf_counter() - started, _cpu_of_children() - cpu)


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
