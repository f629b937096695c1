"""The pictures of `benchmarks.table4`, drawn from reports alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.table4_cells import Cell, Cells, Comparison, all_labels, comparisons, rows
from benchmarks.table4_matrix import ALL_LABELS, CONTRAST, PAPERS, SHARES, TASKS, Terms
from benchmarks.table4_settings import Report
from sgan_jax import figures
from sgan_jax.wording import SHORT_METHODS

_COLOURS = {"bravais": figures.BLUE, "sg": figures.VERMILION}
_CURVES: dict[str, tuple[str, Terms, dict]] = {
    SHORT_METHODS["sgan"]: ("sgan", PAPERS, {"marker": "o", "ls": "-"}),
    SHORT_METHODS["supervised"]: ("supervised", PAPERS, {"marker": "s", "ls": (0, (4, 2))}),
    "SGAN with contrast": ("sgan", CONTRAST, {"marker": "D", "ls": ":"}),
}
"""Method, terms and look of each curve of a task, by its name."""

_PAPERS = 0.3
"""Opacity of what is the paper's."""

_BEYOND = (1.0, 1_000.0)
"""Per cent beyond the edges of the picture of needed labels, in place of none and of no end."""


def draw(cells: Cells, folder: Path) -> dict[str, str]:
    """Draws what there is to be drawn.

    Args:
        cells: What is known of the runs.
        folder: Where the PNG files go.

    Returns:
        Caption by file name.
    """
    drawn = {
        "accuracy_by_labels.png": (
            accuracy_by_labels(cells),
            "Figure 9 of the paper: accuracy against the share of labels, split at random. Bars: "
            "the 95 % interval of one seed, or the standard deviation of several. Faint: the "
            "paper's figures, on the ICSD. Contrast: a loss that the paper has not.",
        ),
        "label_efficiency.png": (
            label_efficiency(cells),
            "Labels with which the supervised network is as good as the SGAN. Arrows: at least so "
            "many, since its curve ends there, or at most so many, since it begins there. Bars: to "
            "the ends of the gain's interval. Faint: from the paper's figures.",
        ),
    }
    for task, name in TASKS.items():
        cell = all_labels(cells, task)
        drawn |= {
            f"confusion_{task}.png": (
                _of_first_seed(cell, _confusion),
                f"What each {name} of the test set was taken for by the supervised network with "
                "90 % labels.",
            ),
            f"classes_{task}.png": (
                _of_first_seed(cell, _classes),
                f"Patterns per {name} with 90 % labels.",
            ),
        }
    for name, (figure, _) in drawn.items():
        if figure is not None:
            figures.save_figure(figure, folder / name)
    return {name: caption for name, (figure, caption) in drawn.items() if figure is not None}


@figures.styled
def accuracy_by_labels(cells: Cells) -> Figure | None:
    """Accuracy against labels: both methods and tasks, and the paper's; None without a run."""
    by_curve = {
        (task, curve): [
            cell for cell in rows(cells, task, terms) if cell.experiment.method == method
        ]
        for task in TASKS
        for curve, (method, terms, _) in _CURVES.items()
    }
    if not any(cell.reports for found in by_curve.values() for cell in found):
        return None
    figure = Figure(figsize=(7.4, 4.6))
    axes = figure.add_subplot()
    for (task, curve), found in by_curve.items():
        _, terms, line = _CURVES[curve]
        look = {"color": _COLOURS[task], "ms": 4.5, **line}
        if terms == PAPERS:
            papers = [(_share(cell), 100 * cell.paper["top1"]) for cell in found if cell.paper]
            axes.plot(*zip(*papers, strict=True), **look, alpha=_PAPERS)
        axes.plot([], [], **look, label=f"{TASKS[task]}, {curve}")
        _curve(axes, found, look)
    axes.plot([], [], color=figures.GREY, alpha=_PAPERS, marker="o", label="faint: the paper")
    _label_axis(axes.set_xscale, axes.set_xticks)
    axes.set(xlabel="labels (% of all patterns)", ylabel="top-1 accuracy (%)", ylim=(0, 100))
    axes.grid(axis="y", color="#EBEBEB", lw=0.6)
    figure.legend(loc="outside right upper")
    return figure


def _curve(axes: Axes, found: Sequence[Cell], look: dict) -> None:
    points = [(_share(cell), cell.top1) for cell in found if cell.top1]
    if not points:
        return
    value = np.array([estimate.value for _, estimate in points])
    ends = np.array([(estimate.low, estimate.high) for _, estimate in points]).T
    bars = np.abs(ends - value)
    axes.errorbar([share for share, _ in points], 100 * value, 100 * bars, **look, capsize=2)


@figures.styled
def label_efficiency(cells: Cells) -> Figure | None:
    """Labels that the supervised network needs against those of the SGAN; None without a pair."""
    by_task = {task: comparisons(cells, task) for task in TASKS}
    contrasts = {task: comparisons(cells, task, CONTRAST) for task in TASKS}
    every = [
        one for compared in (by_task, contrasts) for found in compared.values() for one in found
    ]
    if not any(one.needed for one in every):
        return None
    figure = Figure(figsize=(7.4, 3.9))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, (task, name) in zip(panels, TASKS.items(), strict=True):
        colour = _COLOURS[task]
        ends = np.array([4.0, 100.0])
        for times, label, shift in ((1, "as many", -11), (2, "twice as many", 5)):
            axes.plot(ends, times * ends, color=figures.GREY, lw=0.7, ls=(0, (4, 3)))
            _along(axes, (12, 12 * times), label, shift)
        _needed(axes, by_task[task], {"color": colour})
        _needed(axes, contrasts[task], {"color": colour, "mfc": "white", "ls": ":"})
        papers = [(100 * one.share, 100 * one.paper_needed.high) for one in by_task[task]]
        axes.plot(*zip(*papers, strict=True), "o-", color=colour, ms=4.5, alpha=_PAPERS)
        axes.plot([], [], "o-", color=colour, ms=4.5, label="here")
        axes.plot([], [], "o:", color=colour, mfc="white", ms=4.5, label="with contrast")
        axes.plot([], [], "o-", color=colour, ms=4.5, alpha=_PAPERS, label="the paper")
        axes.legend(loc="lower right")
        axes.set_title(name)
        _label_axis(axes.set_xscale, axes.set_xticks)
        _label_axis(axes.set_yscale, axes.set_yticks)
        axes.set(xlim=(4, 65), ylim=(4, 110), aspect="equal")
    figure.supxlabel("labels of the SGAN (% of all patterns)", fontsize=9)
    figure.supylabel("labels that the supervised network needs (%)", fontsize=9)
    return figure


def _along(axes: Axes, point: tuple[float, float], text: str, shift: float) -> None:
    """Writes along a rising diagonal, from one of its points on, so many points of type above."""
    axes.annotate(
        text,
        point,
        xytext=(0, shift),
        textcoords="offset points",
        rotation=45,
        rotation_mode="anchor",
        fontsize=7,
        color=figures.GREY,
    )


def _needed(axes: Axes, found: Sequence[Comparison], look: dict) -> None:
    known = [(100 * one.share, *one.needed.value) for one in found if one.needed]
    for one in found:
        if one.needed:
            low, high = one.needed.least.low, one.needed.most.high
            ends = np.clip(100 * np.array([low, high]), *_BEYOND)
            axes.vlines(
                100 * one.share,
                *ends,
                colors=look["color"],
                linestyles=look.get("ls", "-"),
                linewidths=0.8,
            )
    exact = [(x, 100 * low) for x, low, high in known if low == high]
    axes.plot(*(zip(*exact, strict=True) if exact else ((), ())), marker="o", ms=4.5, **look)
    for x, low, high in known:
        if low != high:
            beyond = np.isinf(high)
            axes.plot(x, 100 * (low if beyond else high), marker="^" if beyond else "v", **look)


def _label_axis(set_scale: Callable, set_ticks: Callable) -> None:
    set_scale("log")
    shown = (*SHARES, ALL_LABELS)
    set_ticks(shown, [str(share) for share in shown])
    set_ticks([], minor=True)


def _share(cell: Cell) -> float:
    return 100 * cell.config.label_fraction


def _of_first_seed(cell: Cell, make: Callable[[Report], Figure]) -> Figure | None:
    return make(cell.reports[min(cell.reports)]) if cell.reports else None


def _confusion(report: Report) -> Figure:
    classes = report["per_class"]
    place = {entry["name"]: number for number, entry in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), int)
    for row, entry in zip(counts, classes, strict=True):
        for name, number in entry["predicted"].items():
            row[place[name]] = number
    return figures.confusion_matrix(counts, *_names_and_systems(report))


def _classes(report: Report) -> Figure:
    subsets = ("labelled", "unlabelled", "test")
    counts = {
        subset: np.array([entry[f"n_{subset}"] for entry in report["per_class"]])
        for subset in subsets
    }
    shown = {subset: count for subset, count in counts.items() if count.any()}
    return figures.class_distribution(*_names_and_systems(report), shown)


def _names_and_systems(report: Report) -> tuple[list[str], list[str]]:
    classes = report["per_class"]
    return [entry["name"] for entry in classes], [entry["crystal_system"] for entry in classes]
