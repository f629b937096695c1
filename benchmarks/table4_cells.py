"""What the reports of `benchmarks.table4` say: means over seeds, gains, labels that are needed."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from benchmarks.table4_matrix import (
    PAPERS,
    PARTS,
    Experiment,
    Terms,
    in_order,
    reference,
    rows_of,
)
from benchmarks.table4_settings import Report, Settings
from sgan_jax.config import DEFAULT_CLASSES, classes_of
from sgan_jax.paper import paper_figures


@dataclass(frozen=True)
class Cell:
    """An experiment with what is known of it.

    Attributes:
        experiment: What was to be run.
        config: With its first seed.
        reports: Of the runs that are finished, by seed.
    """

    experiment: Experiment
    config: ConfigDict
    reports: Mapping[int, Report]

    def over(self, seeds: Set[int]) -> "Cell":
        """The same with some seeds alone."""
        kept = {seed: report for seed, report in self.reports.items() if seed in seeds}
        return replace(self, reports=kept)

    def each(self, block: str, key: str) -> list[Any]:
        """One item of a block of every report, without those that are None."""
        values = (report[block][key] for report in self.reports.values())
        return [value for value in values if value is not None]

    def mean(self, block: str, key: str) -> float | None:
        """Mean of that over the seeds; None where there is none."""
        values = self.each(block, key)
        return statistics.fmean(values) if values else None

    @property
    def top1(self) -> "Estimate | None":
        """Test accuracy; None where no run is finished."""
        values = self.each("test", "top1")
        if len(values) == 1:
            return Estimate(values[0], *self.each("test", "top1_ci95")[0], seeds=1)
        return _over_seeds(values)

    @property
    def paper(self) -> Mapping[str, float]:
        """What the paper reports for the same task, method, classes and share of labels."""
        if self.config.classes != DEFAULT_CLASSES:
            return {}
        return paper_figures(self.config, classes_of(self.config, np.zeros(231, int))) or {}


class Estimate(NamedTuple):
    """A figure and how sure it is.

    Attributes:
        value: The figure, or its mean over the seeds.
        low: Lower end of the 95 % interval over the test patterns of a single seed; of several,
            the mean less their standard deviation.
        high: The upper end.
        seeds: How many.
    """

    value: float
    low: float
    high: float
    seeds: int


class Needed(NamedTuple):
    """Between which shares of the labels something lies; both alike where it is known."""

    low: float
    high: float


class NeededRange(NamedTuple):
    """Labels that are needed, as the gain has it, and at the ends of the gain's interval."""

    value: Needed
    least: Needed
    most: Needed


class Comparison(NamedTuple):
    """Both methods with one share of the labels, over the seeds that both have.

    Attributes:
        share: Of all patterns, that have labels.
        supervised: The supervised network; with all its seeds where both have none in common.
        sgan: The SGAN, likewise.
        gain: Of the SGAN over the supervised network, paired by seeds. None without a seed that
            both have.
        needed: Share of labels with which the supervised network is as good as the SGAN, on the
            curve of all shares that have been tried with the same seeds; the curve itself is taken
            as it is. None like the gain.
        paper_gain: The paper's.
        paper_needed: From the paper's figures in the same way.
    """

    share: float
    supervised: Cell
    sgan: Cell
    gain: Estimate | None
    needed: NeededRange | None
    paper_gain: float
    paper_needed: Needed


Cells = Mapping[Experiment, Cell]


def read(settings: Settings) -> dict[Experiment, Cell]:
    """Everything that can be in a table, finished or not."""
    experiments = {experiment for experiment, _ in in_order(tuple(PARTS), seeds=1)}
    return {
        experiment: Cell(
            experiment, settings.run(experiment, 0).config, settings.reports(experiment)
        )
        for experiment in experiments
    }


def rows(cells: Cells, task: str, terms: Terms = PAPERS) -> list[Cell]:
    """The cells of one task of the paper's Table 4."""
    return [cells[experiment] for experiment in rows_of(task, terms)]


def all_labels(cells: Cells, task: str) -> Cell:
    """The supervised network with all labels but the test set's."""
    return cells[reference(task)]


def comparisons(cells: Cells, task: str, terms: Terms = PAPERS) -> list[Comparison]:
    """The two methods side by side, by share of the labels."""
    found = rows(cells, task, terms)
    by_method: dict[str, dict[float, Cell]] = {"supervised": {}, "sgan": {}}
    for cell in found:
        by_method[cell.experiment.method][cell.config.label_fraction] = cell
    supervised, sgan = by_method["supervised"], by_method["sgan"]
    return [_compared(share, cell, supervised) for share, cell in sgan.items()]


def _compared(share: float, sgan: Cell, by_share: Mapping[float, Cell]) -> Comparison:
    """An SGAN beside the supervised networks, of which one has as many labels."""
    supervised = by_share[share]
    both = sgan.reports.keys() & supervised.reports.keys()
    ours, theirs = sgan.over(both), supervised.over(both)
    gain = _gain(theirs, ours)
    papers = {share: cell.paper["top1"] for share, cell in by_share.items()}
    return Comparison(
        share,
        theirs if both else supervised,
        ours if both else sgan,
        gain,
        _needed(by_share, theirs, gain) if gain else None,
        sgan.paper["top1"] - papers[share],
        labels_needed(papers, sgan.paper["top1"]),
    )


def _gain(supervised: Cell, sgan: Cell) -> Estimate | None:
    """Of cells with the same seeds."""
    ours, theirs = sgan.top1, supervised.top1
    if ours is None or theirs is None:
        return None
    if ours.seeds == 1:
        return _difference(ours, theirs)
    pairs = (
        (report["test"], supervised.reports[seed]["test"]) for seed, report in sgan.reports.items()
    )
    return _over_seeds([one["top1"] - other["top1"] for one, other in pairs])


def _difference(one: Estimate, other: Estimate) -> Estimate:
    """With both 95 % intervals in quadrature (R. G. Newcombe, Stat. Med. 17 (1998) 873).

    That is for independent test sets. On the same one both are right or wrong about the same
    patterns more often than by chance, so it is rather too wide, as far as the patterns go. How
    much another seed would differ is not in it.
    """
    value = one.value - other.value
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - down, value + up, seeds=1)


def _needed(by_share: Mapping[float, Cell], supervised: Cell, gain: Estimate) -> NeededRange:
    """On the curve of what has been tried with all seeds of a pair, of which this is one half."""
    seeds = supervised.reports.keys()
    tried = {
        share: cell.over(seeds) for share, cell in by_share.items() if seeds <= set(cell.reports)
    }
    curve = {share: cell.top1.value for share, cell in tried.items() if cell.top1}
    without = curve[supervised.config.label_fraction]
    return NeededRange(
        *(labels_needed(curve, without + more) for more in (gain.value, gain.low, gain.high))
    )


def labels_needed(curve: Mapping[float, float], accuracy: float) -> Needed:
    """With which share of labels a curve first reaches an accuracy.

    Between its points the curve is a straight line over the logarithm of the share.

    Args:
        curve: Accuracy by share of labels; at least one.
        accuracy: To be reached.

    Returns:
        A share twice; or, if even the first point is better, from 0 to there; or, if no point is as
        good, from the last point to infinity: beyond the curve nothing is known.
    """
    points = sorted(curve.items())
    share, reached = points[0]
    if reached > accuracy:
        return Needed(0.0, share)
    for next_share, next_reached in points:
        if next_reached >= accuracy:
            rise = next_reached - reached
            part = (accuracy - reached) / rise if rise > 0 else 1.0
            found = share * (next_share / share) ** part
            return Needed(found, found)
        share, reached = next_share, next_reached
    return Needed(share, math.inf)


def _over_seeds(values: Sequence[float]) -> Estimate | None:
    if not values:
        return None
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    return Estimate(mean, mean - spread, mean + spread, len(values))


def finished(cells: Iterable[Cell]) -> list[Report]:
    """The reports of all seeds of some cells."""
    return [report for cell in cells for report in cell.reports.values()]
