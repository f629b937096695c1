"""The picture of an answer: what was measured, what the network saw, what it takes it for."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from sgan_jax.answer_page import FAMILIES, heading, printable
from sgan_jax.answers import Answer, honest_line, percent
from sgan_jax.figures import (
    BLUE,
    SYSTEM_COLOURS,
    VERMILION,
    angle_axis,
    spacing_axis,
    styled,
)
from sgan_jax.grids import Grid
from sgan_jax.preparation import Prepared

_LETTERS_PER_LINE = 155
_SHADE = "#EBEBEB"
_HEIGHT = 2.5  # inches, of a panel with a curve
_BAR = 0.28  # inches, of a bar with its surroundings


@styled
def answer_figure(answer: Answer, stages: Prepared | None, grid: Grid) -> Figure:
    """Draws a measurement with its background, the network's input, and the candidates.

    Args:
        answer: For one file.
        stages: Of the preparation of its pattern; None if it did not come so far.
        grid: Of the network.
    """
    heights = [] if stages is None else [_HEIGHT, _HEIGHT]
    if bars := max(len(answer.bravais_lattice), len(answer.space_group)):
        heights.append(0.7 + _BAR * max(bars, 3))
    figure = Figure(figsize=(10.0, 0.9 + sum(heights)))
    title = printable(heading(replace(answer, file=Path(answer.file).name)))
    figure.suptitle(title, x=0.012, ha="left", fontsize=10.5, weight="bold", parse_math=False)
    words = textwrap.fill(printable(honest_line(answer)), _LETTERS_PER_LINE)
    figure.supxlabel(words, x=0.012, ha="left", fontsize=8.5, parse_math=False)
    if not heights:
        return figure
    places = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    if stages is not None:
        _measurement(figure.add_subplot(places[0, :]), stages)
        _network_input(figure.add_subplot(places[1, :]), stages, grid)
    _candidates(figure, places, answer)
    return figure


def _measurement(axes: Axes, stages: Prepared) -> None:
    axis = angle_axis(stages.two_theta)
    axes.plot(axis.points, stages.measured, color=BLUE, lw=0.7, label="measured")
    axes.plot(axis.points, stages.background, color=VERMILION, lw=1.0, label="background")
    axes.set_xlim(axis.points[0], axis.points[-1])
    axes.set(xlabel=axis.label, ylabel="intensity (as in the file)")
    axes.legend(loc="upper right", ncols=2)


def _network_input(axes: Axes, stages: Prepared, grid: Grid) -> None:
    axis = spacing_axis(grid)
    seen = stages.network_input >= 0
    axes.set_xscale(axis.scale)
    axes.plot(axis.points, np.where(seen, stages.network_input, np.nan), color=BLUE, lw=0.7)
    for number, (first, last) in enumerate(_runs(~seen)):
        label = None if number else "not measured"
        axes.axvspan(grid.edges[first], grid.edges[last], color=_SHADE, lw=0, label=label)
    axes.set_xlim(grid.edges[0], grid.edges[-1])
    axes.set_ylim(-0.03, 1.05)
    axes.set(xlabel=axis.label, ylabel="input of the network")
    if not seen.all():
        axes.legend(loc="upper right")


def _runs(chosen: Bool[np.ndarray, " points"]) -> Iterator[tuple[int, int]]:
    """Where runs of chosen points begin and end."""
    limits = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    return zip(limits[::2].tolist(), limits[1::2].tolist(), strict=True)


def _candidates(figure: Figure, places: GridSpec, answer: Answer) -> None:
    """Bars beside each other, or over the whole width where only one task was asked."""
    tasks = []
    if answer.bravais_lattice:
        names = [each.symbol for each in answer.bravais_lattice]
        systems = [_system(each.symbol) for each in answer.bravais_lattice]
        tasks.append(("Bravais lattice", names, systems, answer.bravais_lattice))
    if answer.space_group:
        names = [f"{each.symbol}  ({each.number})" for each in answer.space_group]
        systems = [each.crystal_system for each in answer.space_group]
        tasks.append(("space group", names, systems, answer.space_group))
    for column, (title, names, systems, candidates) in enumerate(tasks):
        place = places[-1, column] if len(tasks) == 2 else places[-1, :]
        axes = figure.add_subplot(place)
        axes.set_title(title, loc="left")
        _bars(axes, names, systems, [each.probability for each in candidates])


def _system(lattice: str) -> str:
    return "rhombohedral" if lattice == "hR" else FAMILIES[lattice[0]]


def _bars(
    axes: Axes, names: Sequence[str], systems: Sequence[str], probabilities: Sequence[float]
) -> None:
    colours = [SYSTEM_COLOURS[system] for system in systems]
    bars = axes.barh(range(len(names)), probabilities, 0.72, color=colours)
    texts = [
        f"{percent(probability)}  {system}"
        for probability, system in zip(probabilities, systems, strict=True)
    ]
    axes.bar_label(bars, texts, padding=4, fontsize=8, color="#404040")
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(max(len(names), 3) - 0.4, -0.6)
    axes.set_xlim(0, 1.32)  # room for the words beside the longest bar
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.spines["bottom"].set_bounds(0, 1)
    axes.set_xlabel("probability")
    axes.tick_params(left=False)
