"""How the time for a stick list grows with the size of the crystal."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.peers.measuring import TWO_THETA, WAVELENGTH
from data_gen.crystal import Crystal
from data_gen.orbits import cell_of_metric, metric_tensor
from data_gen.reflections import reflections
from data_gen.symmetry import average_metric, group_operations

LARGEST_VOLUME = 10_000.0  # Å3
MOST_SITES = 1_000  # atoms in the cell

_SMALLEST_VOLUME = 100.0
_FEWEST_SITES = 10
_FITTED = 4  # largest sizes, from which the exponent comes
_AXES = np.array([1.0, 1.1, 1.25, 83.0, 97.0, 102.0])  # a cell before its symmetry shapes it
_ELEMENTS = ("O", "Si", "Fe", "Na")


@dataclass(frozen=True)
class Series:
    """Times of one kind of crystal as it grows.

    Attributes:
        label: Space group, and what grows.
        volumes: In Å3.
        sites: Atoms in the cell.
        seconds: Per crystal, the least of several.
    """

    label: str
    volumes: tuple[float, ...]
    sites: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def work(self) -> np.ndarray:
        """Volume times sites."""
        return np.array(self.volumes) * np.array(self.sites)

    @property
    def exponent(self) -> float:
        """Of the time as a power of the work, at the largest sizes; 1 is proportional."""
        work, seconds = np.log(self.work[-_FITTED:]), np.log(self.seconds[-_FITTED:])
        return float(np.polyfit(work, seconds, 1)[0])


def measure(points: int, repeats: int, seed: int = 0) -> list[Series]:
    """Measures all series, each at so many sizes; the least of `repeats` times counts."""
    volumes = np.geomspace(_SMALLEST_VOLUME, LARGEST_VOLUME, points).tolist()
    sites = np.geomspace(_FEWEST_SITES, MOST_SITES, points).round().astype(int).tolist()
    both = list(zip(volumes, sites, strict=True))
    kinds = {
        "P1, volume and sites": ("P 1", both),
        f"P1, sites in {LARGEST_VOLUME:,.0f} Å³": ("P 1", [(LARGEST_VOLUME, n) for n in sites]),
        f"P1, volume of {MOST_SITES:,} sites": ("P 1", [(v, MOST_SITES) for v in volumes]),
        "Pmmm, volume and sites": ("-P 2 2", both),
        "Fm-3m, volume and sites": ("-F 4 2 3", both),
    }
    rng = np.random.default_rng(seed)
    return [
        _series(label, setting, sizes, repeats, rng)
        for label, (setting, sizes) in tqdm(kinds.items(), desc="growth", unit=" series")
    ]


def _series(
    label: str,
    setting: str,
    sizes: Sequence[tuple[float, int]],
    repeats: int,
    rng: np.random.Generator,
) -> Series:
    order = len(list(group_operations(setting)))
    rows = []
    for volume, atoms in sizes:
        if atoms < order:
            continue
        sites = round(atoms / order)
        crystal = random_crystal(setting, volume * sites * order / atoms, sites, rng)
        seconds = _least(lambda c=crystal: reflections(c, WAVELENGTH, TWO_THETA), repeats)
        rows.append((crystal.volume, sites * order, seconds))
    return Series(label, *zip(*rows, strict=True))


def random_crystal(setting: str, volume: float, sites: int, rng: np.random.Generator) -> Crystal:
    """Makes a crystal with sites at random general positions.

    Args:
        setting: Hall symbol.
        volume: Of the conventional cell, in Å3.
        sites: Number in the asymmetric unit.
        rng: Source of the positions.
    """
    metric = average_metric(metric_tensor(_AXES), setting)
    metric *= (volume / np.sqrt(np.linalg.det(metric))) ** (2 / 3)
    species = tuple(_ELEMENTS[index % len(_ELEMENTS)] for index in range(sites))
    return Crystal(cell_of_metric(metric), setting, species, np.ones(sites), rng.random((sites, 3)))


def _least(task: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return min(times)


def draw(series: Sequence[Series], path: Path) -> None:
    """Draws time over work, with a line of slope 1 to compare with, as PNG."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for one in series:
        label = f"{one.label}: exponent {one.exponent:.2f}"
        axes.loglog(one.work, 1000 * np.array(one.seconds), "o-", markersize=4, label=label)
    steepest = max(series, key=lambda one: max(one.seconds))
    ends = np.array([steepest.work.min(), steepest.work.max()])
    guide = 1000 * max(steepest.seconds) * ends / ends[1]
    axes.loglog(ends, guide, "--", color="grey", label="proportional")
    axes.set(xlabel="cell volume × sites (Å³)", ylabel="time for the stick list (ms)")
    axes.set_title(f"{TWO_THETA[0]:g}–{TWO_THETA[1]:g}°, {WAVELENGTH:g} Å, one core")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path, format="png", dpi=150)
