"""What every peer script does: read crystals, time a calculation on them, write what was found.

It needs Python alone, since it runs in the environments of all the peers.
"""

import argparse
import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WAVELENGTH = 1.54  # Å
TWO_THETA = (5.0, 150.0)  # degrees
PATTERN_WAVELENGTH = 2.0785  # Å, with the next two the grid of the default instrument
PATTERN_TWO_THETA = (3.0, 155.0)  # degrees
STEP = 0.05  # degrees
D_MIN, D_MAX = (WAVELENGTH / 2 / math.sin(math.radians(x / 2)) for x in reversed(TWO_THETA))

_WARM_UP = 3.0  # seconds at most
_CHUNK = 10  # crystals between two looks at the clock, while warming up
_LEAST = 1.0  # seconds: fast calculations are repeated for so long
_MOST_PASSES = 20

Calculate = Callable[[Any], list[Any]]
Lines = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Peer:
    """A package at work on one task.

    Attributes:
        version: Of the package.
        prepare: Turns a crystal of the exchange file into what the package calls a crystal; not
            timed.
        calculate: The task, on any number of crystals; in place of the result of a crystal that
            fails stands the exception.
        lines: Takes d in Å and the intensity, with Lorentz factor and multiplicity, out of a
            result; None if the result is no list of lines.
        scattering_length: That of an element in fm; None for X-rays.
        gather: Turns a list of crystals into what `calculate` takes; not timed.
    """

    version: str
    prepare: Callable[[Mapping[str, Any]], Any]
    calculate: Calculate
    lines: Callable[[Any], Lines] | None = None
    scattering_length: Callable[[str], complex] | None = None
    gather: Callable[[list[Any]], Any] = list


def each(function: Callable[[Any], Any]) -> Calculate:
    """Makes a calculation on many crystals of one on a single crystal."""

    def calculate(crystals: Sequence[Any]) -> list[Any]:
        results = []
        for crystal in crystals:
            try:
                results.append(function(crystal))
            except Exception as error:
                results.append(error)
        return results

    return calculate


def lorentz(d: float) -> float:
    """Returns the Lorentz factor of a powder."""
    sine = WAVELENGTH / (2 * d)
    return 1 / (sine * sine * math.sqrt(1 - sine * sine))


def lorentz_polarisation(d: float) -> float:
    """Returns the Lorentz-polarisation factor of a powder without a monochromator."""
    sine = WAVELENGTH / (2 * d)
    return lorentz(d) * (1 + (1 - 2 * sine * sine) ** 2)


def options() -> argparse.Namespace:
    """Reads the command line that all peer scripts share, and keeps to the cores it allows."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("crystals", type=Path, help="exchange file")
    add("out", type=Path, help="JSON file to write")
    add("--task", choices=("sticks", "patterns"), default="sticks")
    add("--radiation", choices=("neutron", "xray"), default="neutron")
    add("--batched", action="store_true", help="all crystals in one call, where there is one")
    add("--packed", action="store_true", help="all in arrays beforehand, where there is that")
    add("--all_cores", action="store_true", help="not only one core")
    add("--copies", type=int, default=1, help="how often each crystal comes in a call")
    add("--once", action="store_true", help="one pass, without warming up: a trial run")
    chosen = parser.parse_args()
    if not chosen.all_cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return chosen


def measure(peer: Peer, chosen: argparse.Namespace) -> None:
    """Runs the peer on the crystals and writes versions, times and lines."""
    crystals = json.loads(chosen.crystals.read_text())
    names = [crystal["id"] for crystal in crystals]
    known = dict(zip(names, each(peer.prepare)(crystals), strict=True))
    failed = {name: made for name, made in known.items() if isinstance(made, Exception)}
    names = [name for name in names if name not in failed]
    prepared = [known[name] for name in names] * chosen.copies
    if not chosen.once:
        _warm_up(peer, prepared)
    results, passes = _timed(peer, prepared, 1 if chosen.once else _MOST_PASSES)
    named = failed | dict(zip(names, results, strict=False))  # the first of several copies
    found = {
        "version": peer.version,
        "seconds_per_crystal": [seconds / len(prepared) for seconds in passes],
        "failed": {name: repr(r)[:200] for name, r in named.items() if isinstance(r, Exception)},
        "lines": _lines(peer, named),
        "scattering_lengths": _scattering_lengths(peer, crystals),
    }
    chosen.out.write_text(json.dumps(found))


def _warm_up(peer: Peer, crystals: list[Any]) -> None:
    end = time.perf_counter() + _WARM_UP
    for start in range(0, len(crystals), _CHUNK):
        peer.calculate(peer.gather(crystals[start : start + _CHUNK]))
        if time.perf_counter() > end:
            return


def _timed(peer: Peer, crystals: list[Any], most: int) -> tuple[list[Any], list[float]]:
    """Returns the results, and the seconds that each pass over all crystals took."""
    gathered = peer.gather(crystals)
    passes: list[float] = []
    results: list[Any] = []
    while len(passes) < most and sum(passes) < _LEAST:
        started = time.perf_counter()
        results = peer.calculate(gathered)
        passes.append(time.perf_counter() - started)
    return results, passes


def _lines(peer: Peer, results: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    if peer.lines is None:
        return {}
    found = {}
    for name, result in results.items():
        if not isinstance(result, Exception):
            d, intensity = peer.lines(result)
            found[name] = {"d": list(map(float, d)), "intensity": list(map(float, intensity))}
    return found


def _scattering_lengths(
    peer: Peer, crystals: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[float, float]]:
    if peer.scattering_length is None:
        return {}
    found = {}
    for element in sorted({name for crystal in crystals for name in crystal["species"]}):
        with contextlib.suppress(KeyError, ValueError, RuntimeError):  # it has none
            value = complex(peer.scattering_length(element))
            found[element] = (value.real, value.imag)
    return found
