"""Patterns per second as bars, ours beside PyTorch, with the goals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.training_races import EAGER, OURS, Race, Result


def draw(raced: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draws a panel for each race, as PNG.

    Args:
        raced: For each title the `race` and its `results`.
        path: File to write.
    """
    figure = Figure(figsize=(8, 1.7 * len(raced)), layout="constrained")
    panels = figure.subplots(len(raced), squeeze=False)[:, 0]
    for axes, (title, one) in zip(panels, raced.items(), strict=True):
        timed = [result for result in one["results"] if result.seconds]
        names = [f"{r.entry.package.label} {r.entry.how}".strip() for r in timed]
        colours = ["C0" if r.entry == OURS else "0.7" for r in timed]
        bars = axes.barh(names, [r.per_second for r in timed], color=colours)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        for goal in goals(one["race"], timed):
            axes.axvline(goal, color="C3", linestyle="--")
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_title(title, fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
    figure.supxlabel("patterns/s; goals dashed", fontsize=9)
    figure.savefig(path, format="png", dpi=150)


def goals(race: Race, timed: list[Result]) -> list[float]:
    """Returns the patterns per second that are to be reached, by number or by ratio."""
    found = [] if race.per_second is None else [race.per_second]
    if race.ratio is not None:
        found += [race.ratio * result.per_second for result in timed if result.entry == EAGER]
    return found
