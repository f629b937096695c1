"""Pictures of a run: every function takes plain arrays and returns a matplotlib `Figure`.

No pyplot state is touched. Colours are those of Okabe & Ito, which colour-blind readers can tell
apart; one colour stands for one crystal system in every picture.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sgan_jax.grids import Grid
from sgan_jax.metrics import Reliability, row_normalised

DPI = 150
styled = mpl.rc_context(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "axes.titlesize": 9.0,
        "axes.labelsize": 9.0,
        "axes.linewidth": 0.6,
        "axes.edgecolor": "#404040",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "lines.linewidth": 1.0,
        "figure.constrained_layout.use": True,
        "figure.dpi": DPI,
    }
)
"""Decorator of functions that draw, for the style that all pictures share."""

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#595959",
)
SYSTEM_COLOURS = {
    "triclinic": GREY,
    "monoclinic": ORANGE,
    "orthorhombic": SKY,
    "tetragonal": GREEN,
    "trigonal": PURPLE,
    "rhombohedral": PURPLE,
    "hexagonal": VERMILION,
    "cubic": BLUE,
}
MANY_CLASSES = 30
"""From here on classes are shown by crystal system instead of one by one."""


class PatternAxis(NamedTuple):
    """What patterns are drawn over.

    Attributes:
        points: One for each intensity.
        label: What they are.
        scale: `linear` or `log`.
    """

    points: Float[np.ndarray, " grid"]
    label: str
    scale: str = "linear"


def angle_axis(two_theta: Float[np.ndarray, " grid"]) -> PatternAxis:
    """Scattering angles in degrees."""
    return PatternAxis(two_theta, "scattering angle 2θ (°)")


def spacing_axis(grid: Grid) -> PatternAxis:
    """The points of a network's grid, in 1/d."""
    scale = "log" if grid.axis == "log_d" else "linear"
    return PatternAxis(grid.centres, "1/d (Å⁻¹)", scale)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, in one step: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    figure.savefig(temporary, format="png", dpi=DPI)
    temporary.replace(path)


def figure_to_image(figure: Figure) -> UInt8[np.ndarray, "height width 3"]:
    """The figure's pixels in red, green and blue."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@styled
def class_distribution(
    names: Sequence[str],
    systems: Sequence[str],
    counts: Mapping[str, Int[np.ndarray, " k"]],
) -> Figure:
    """How many patterns each class has in each subset, on a logarithmic scale.

    Args:
        names: The classes, in order.
        systems: The crystal system of each.
        counts: Patterns per class of up to three subsets, by name.
    """
    many = len(names) > MANY_CLASSES
    figure = Figure(figsize=(11.0, 4.2) if many else (7.4, 3.9))
    axes = figure.add_subplot()
    position = np.arange(len(names))
    shown = {name: np.where(count > 0, count, 0.5) for name, count in counts.items()}
    stack = np.stack(list(shown.values()))
    axes.vlines(position, stack.min(axis=0), stack.max(axis=0), color="#D0D0D0", lw=0.8, zorder=1)
    colours = [SYSTEM_COLOURS[system] for system in systems]
    size = 12 if many else 34
    for (subset, value), marker, shift in zip(shown.items(), "os^", (-0.15, 0, 0.15), strict=False):
        axes.scatter(position + shift, value, s=size, c=colours, marker=marker, lw=0, zorder=2)
        axes.scatter([], [], s=size * 1.5, c="#404040", marker=marker, label=subset)
    axes.set_yscale("log")
    axes.set_ylim(0.35, stack.max() * 2)
    _count_ticks(axes, stack.max())
    axes.set_ylabel("patterns")
    axes.grid(axis="y", color="#EBEBEB", lw=0.6)
    axes.set_axisbelow(True)
    _class_axis(axes, names, systems)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _count_ticks(axes: Axes, largest: float) -> None:
    """Labels decades plainly and gives the count 0, drawn at 0.5, a place of its own."""
    decades = [10**power for power in range(int(np.log10(largest)) + 1)]
    axes.set_yticks([0.5, *decades], ["0", *(f"{decade:,}" for decade in decades)])
    axes.minorticks_off()


def _class_axis(axes: Axes, names: Sequence[str], systems: Sequence[str]) -> None:
    """Names classes below the axis, every sixth when they are many, and crystal systems above.

    A system's name that would run into the one before it goes one line up; a letter is about
    1/105 of the axis wide.
    """
    axes.set_xlim(-0.8, len(names) - 0.2)
    taken = -np.inf
    for system, first, last in _runs(systems):
        axes.axvline(last + 0.5, color="#E0E0E0", lw=0.6, zorder=0)
        centre, half = (first + last) / 2, len(system) * len(names) / 210
        raised = centre - half < taken
        taken = taken if raised else centre + half
        axes.annotate(
            system,
            (centre, 1.0),
            xytext=(0, 14 if raised else 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=SYSTEM_COLOURS[system],
            fontsize=8,
            ha="center",
        )
    step = 1 if len(names) <= MANY_CLASSES else 6
    axes.set_xticks(range(0, len(names), step), names[::step])
    axes.set_xlabel("Bravais lattice" if names[0][0].isalpha() else "space group number")


def _runs(systems: Sequence[str]) -> list[tuple[str, int, int]]:
    """Runs of equal crystal system as (system, first class, last class)."""
    runs = []
    start = 0
    for system, members in groupby(systems):
        length = len(list(members))
        runs.append((system, start, start + length - 1))
        start += length
    return runs


@styled
def example_patterns(
    axis: PatternAxis,
    patterns: Float[np.ndarray, "m grid"],
    titles: Sequence[str],
    systems: Sequence[str],
) -> Figure:
    """One pattern below the other, each named and in the colour of its crystal system.

    Args:
        axis: Of all patterns.
        patterns: Intensities in [0, 1]; negative where not measured.
        titles: What each pattern is of.
        systems: The crystal system of each.
    """
    columns = 1 if len(titles) <= 7 else 2
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(4.6 * columns, 0.55 + 0.85 * rows))
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).T.ravel()
    for panel in panels[len(titles) :]:
        panel.set_visible(False)
    for panel, pattern, title, system in zip(panels, patterns, titles, systems, strict=False):
        _pattern_panel(panel, axis, pattern, SYSTEM_COLOURS[system])
        panel.set_title(title, loc="right", pad=1.5, fontsize=8)
    figure.supxlabel(axis.label, fontsize=9)
    figure.supylabel("relative intensity", fontsize=9)
    return figure


@styled
def generated_patterns(
    axis: PatternAxis,
    generated: Float[np.ndarray, "m grid"],
    real: Float[np.ndarray, "m grid"],
) -> Figure:
    """What the generator makes (right) beside real patterns (left).

    Args:
        axis: Of all patterns.
        generated: Patterns of the generator.
        real: As many patterns of the data set.
    """
    figure = Figure(figsize=(9.2, 0.7 + 0.85 * len(real)))
    panels = figure.subplots(len(real), 2, sharex=True, sharey=True, squeeze=False)
    for column, patterns, colour in ((0, real, BLUE), (1, generated, VERMILION)):
        for panel, pattern in zip(panels[:, column], patterns, strict=True):
            _pattern_panel(panel, axis, pattern, colour)
    panels[0, 0].set_title("real")
    panels[0, 1].set_title("generated")
    figure.supxlabel(axis.label, fontsize=9)
    figure.supylabel("relative intensity", fontsize=9)
    return figure


def _pattern_panel(axes: Axes, axis: PatternAxis, pattern: np.ndarray, colour: str) -> None:
    axes.plot(axis.points, np.where(pattern >= 0, pattern, np.nan), color=colour, lw=0.7)
    axes.set_xlim(axis.points[0], axis.points[-1])
    axes.set_xscale(axis.scale)
    if axis.scale == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.set_ylim(-0.03, 1.05)
    axes.set_yticks([0, 1])


@styled
def confusion_matrix(
    counts: Int[np.ndarray, "k k"], names: Sequence[str], systems: Sequence[str]
) -> Figure:
    """What each true class (row) was taken for (column), as a share of the row.

    Few classes get their percentages written into the cells. Many are grouped by crystal system,
    with shades on a square-root scale so that rare confusions show. Rows of classes without test
    patterns are grey.

    Args:
        counts: Patterns by true and predicted class.
        names: The classes, in order.
        systems: The crystal system of each.
    """
    share = row_normalised(counts)
    many = len(names) > MANY_CLASSES
    figure = Figure(figsize=(7.4, 6.6) if many else (7.0, 5.8), layout="compressed")
    axes = figure.add_subplot()
    shades = mpl.colormaps["Blues"].with_extremes(bad="#E4E4E4")
    norm = PowerNorm(0.5 if many else 1.0, vmin=0, vmax=1)
    image = axes.imshow(share, cmap=shades, norm=norm, interpolation="nearest")
    if many:
        _system_ticks(axes, systems)
    else:
        _cell_numbers(axes, share)
        support = counts.sum(axis=1)
        axes.set_yticks(
            range(len(names)), [f"{name} ({n:,})" for name, n in zip(names, support, strict=True)]
        )
        axes.set_xticks(range(len(names)), names)
        _colour_ticks(axes, systems)
    axes.set_ylabel("true" if many else "true (test patterns)")
    axes.set_xlabel("predicted")
    axes.spines[:].set_visible(True)
    ticks = [0, 0.01, 0.1, 0.25, 0.5, 1.0] if many else [0, 0.25, 0.5, 0.75, 1.0]
    bar = figure.colorbar(image, ax=axes, shrink=0.75, ticks=ticks, label="share of the row")
    bar.ax.set_yticklabels([f"{100 * tick:g} %" for tick in ticks])
    bar.outline.set_linewidth(0.4)  # pyright: ignore[reportCallIssue]
    return figure


def _cell_numbers(axes: Axes, share: Float[np.ndarray, "k k"]) -> None:
    for row, column in np.argwhere(share >= 0.005):
        value = share[row, column]
        axes.text(
            column,
            row,
            f"{100 * value:.0f}",
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if value > 0.55 else "#303030",
        )


def _system_ticks(axes: Axes, systems: Sequence[str]) -> None:
    """Draws the borders between crystal systems and names them on both axes."""
    runs = _runs(systems)
    for _, _, last in runs[:-1]:
        axes.axhline(last + 0.5, color="#808080", lw=0.5)
        axes.axvline(last + 0.5, color="#808080", lw=0.5)
    centres = [(first + last) / 2 for _, first, last in runs]
    labels = [system for system, _, _ in runs]
    axes.set_yticks(centres, labels)
    axes.set_xticks(centres, labels, rotation=45, ha="right", rotation_mode="anchor")
    _colour_ticks(axes, labels)


def _colour_ticks(axes: Axes, systems: Sequence[str]) -> None:
    """Gives the labels of both axes, one for each item of `systems`, the colour of the system."""
    for axis in (axes.xaxis, axes.yaxis):
        for label, system in zip(axis.get_ticklabels(), systems, strict=True):
            label.set_color(SYSTEM_COLOURS[system])
    axes.tick_params(length=0)


_CURVES = {
    "loss (nats)": {
        "loss/supervised": ("supervised", BLUE),
        "loss/contrast": ("contrast", GREEN),
        "loss/unsupervised": ("unsupervised", ORANGE),
        "loss/generator": ("generator", VERMILION),
    },
    "mean of D": {
        "discriminator/real": ("D(real)", BLUE),
        "discriminator/fake": ("D(generated)", VERMILION),
    },
    "top-1 accuracy": {
        "accuracy/labelled_batch": ("training batch", SKY),
        "accuracy/labelled": ("labelled", PURPLE),
        "accuracy/unlabelled": ("unlabelled", ORANGE),
        "accuracy/validation": ("validation", GREEN),
        "accuracy/test": ("test", BLUE),
    },
}
"""Panels of `training_curves`: axis label → scalar name → legend and colour."""


@styled
def training_curves(
    history: Mapping[str, tuple[np.ndarray, np.ndarray]], prior_top1: float | None = None
) -> Figure:
    """Losses, mean discriminator outputs and accuracies against the training step.

    Values of every step are drawn faintly, with their running mean on top.

    Args:
        history: Scalar name (`loss/…`, `discriminator/…`, `accuracy/…`) → steps and values; other
            names are passed over.
        prior_top1: Drawn as a line into the panel of accuracies.
    """
    present = {
        label: {tag: look for tag, look in curves.items() if tag in history}
        for label, curves in _CURVES.items()
        if history.keys() & curves.keys()
    }
    figure = Figure(figsize=(7.4, 0.5 + 1.9 * len(present)))
    panels = figure.subplots(len(present), 1, sharex=True, squeeze=False).ravel()
    for axes, (label, curves) in zip(panels, present.items(), strict=True):
        for tag, (name, colour) in curves.items():
            _curve(axes, *history[tag], name, colour)
        axes.set_ylabel(label)
        if label != "loss (nats)":
            axes.set_ylim(0, 1)
        if label == "top-1 accuracy" and prior_top1 is not None:
            axes.axhline(prior_top1, color=GREY, lw=0.8, ls=(0, (4, 3)), label="prior")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[-1].set_xlabel("training step")
    return figure


def _curve(axes: Axes, steps: np.ndarray, values: np.ndarray, label: str, colour: str) -> None:
    window = len(values) // 40
    if window < 3:
        axes.plot(steps, values, color=colour, label=label, marker="." if len(values) < 25 else "")
        return
    axes.plot(steps, values, color=colour, alpha=0.25, lw=0.6)
    mean = np.convolve(values, np.full(window, 1 / window), mode="valid")
    axes.plot(steps[window - 1 :], mean, color=colour, label=label)


@styled
def reliability_diagram(table: Reliability, calibration_error: float) -> Figure:
    """Accuracy against confidence; a calibrated network lies on the diagonal.

    Args:
        table: Counts, confidence and accuracy by bin.
        calibration_error: Expected calibration error, written into the picture.
    """
    figure = Figure(figsize=(4.2, 5.0))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    bins = len(table.n_patterns)
    centre = (np.arange(bins) + 0.5) / bins
    filled = table.n_patterns > 0
    upper.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=(0, (4, 3)), label="calibrated")
    upper.bar(centre[filled], table.accuracy[filled], 0.92 / bins, color=SKY, label="accuracy")
    upper.plot(
        table.confidence[filled],
        table.accuracy[filled],
        "o",
        ms=3.5,
        color=BLUE,
        clip_on=False,
        label="mean confidence in the bin",
    )
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    upper.set_title(f"expected calibration error {100 * calibration_error:.1f} %", loc="left")
    lower.bar(centre, table.n_patterns / table.n_patterns.sum(), 0.92 / bins, color=SKY)
    lower.set(xlabel="confidence (probability of the answer)", ylabel="share")
    figure.legend(loc="outside lower center", ncols=3, fontsize=7.5, columnspacing=1.2)
    return figure
