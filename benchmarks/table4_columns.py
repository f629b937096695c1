"""The columns of the tables of `benchmarks.table4`, by their headings."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from benchmarks.table4_cells import Cell, Cells, Estimate
from benchmarks.table4_matrix import BY_FORMULA, RELATIVES
from benchmarks.table4_settings import training_seconds
from sgan_jax.config import DEFAULT_CLASSES, has_game
from sgan_jax.paper import SPACE_GROUP_STUDIES
from sgan_jax.wording import SHORT_METHODS, TASKS, points, share

NOT_RUN = "not run"


def row(cell: Cell, cells: Cells, columns: Sequence[str]) -> list[str]:
    """A cell's line in a table with some columns, by their headings."""
    return [_COLUMNS[column](cell, cells) for column in columns]


def duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def accuracy(estimate: Estimate | None) -> str:
    """An accuracy in per cent, with what is known of its uncertainty."""
    if estimate is None:
        return NOT_RUN
    if estimate.seeds > 1:
        return f"{points(estimate.value)} ± {points(estimate.high - estimate.value)}"
    return f"{points(estimate.value)} [{points(estimate.low)}, {points(estimate.high)}]"


def _beside_prior(key: str) -> Callable[[Cell, Cells], str]:
    def text(cell: Cell, _: Cells) -> str:
        values = [cell.mean("test", name) for name in (key, f"prior_{key}")]
        return "" if None in values else " / ".join(map(points, values))

    return text


def _paper(cell: Cell, _: Cells) -> str:
    top5 = cell.paper.get("top5")
    aside = f" (top-5: {points(top5)})" if top5 else ""
    return f"{points(cell.paper.get('top1'))}{aside}"


def _rate(cell: Cell, _: Cells) -> str:
    rate = cell.mean("throughput", "train_patterns_per_s")
    return "" if rate is None else f"{rate:,.0f}"


def _training_time(cell: Cell, _: Cells) -> str:
    times = [training_seconds(report) for report in cell.reports.values()]
    known = [time for time in times if time is not None]
    return duration(sum(known) / len(known)) if known else ""


def _steps(cell: Cell, _: Cells) -> str:
    return ", ".join(f"{steps:,}" for steps in sorted({r["steps"] for r in cell.reports.values()}))


def _passes(cell: Cell, _: Cells) -> str:
    labelled = cell.mean("dataset", "n_labelled")
    if labelled is None:
        return ""
    return f"{cell.config.num_steps * cell.config.batch_size / labelled:,.0f}"


def _diversity(cell: Cell, _: Cells) -> str:
    """Older reports do not know of an untrained generator."""
    told = [report["diversity"] for report in cell.reports.values() if report["diversity"]]
    columns = [
        [made[which] for made in told if made.get(which) is not None]
        for which in ("generated", "untrained", "real")
    ]
    means = [f"{statistics.fmean(found):.2f}" if found else "?" for found in columns]
    return " / ".join(means) if told else ""


def _discriminator(cell: Cell, _: Cells) -> str:
    """Older reports do not know of it."""
    told = [report.get("discriminator") or {} for report in cell.reports.values()]
    known = [outputs for outputs in told if outputs]
    means = (statistics.fmean(found[which] for found in known) for which in ("real", "generated"))
    return " / ".join(f"{mean:.2f}" for mean in means) if known else ""


def _losses(cell: Cell, _: Cells) -> str:
    config = cell.config
    names = ["cross-entropy"]
    if config.method == "sgan":
        names += ["game"] if has_game(config) else []
        names += ["contrast"] if config.loss.contrast else []
    return ", ".join(names)


def _rates(cell: Cell, _: Cells) -> str:
    """Of D in what it learns from unlabelled patterns, and of the generator."""
    if not has_game(cell.config):
        return ""
    rates = cell.config.optimizer
    return f"{rates.unsupervised_learning_rate:g}, {rates.generator_learning_rate:g}"


def _space_groups(cell: Cell, _: Cells) -> str:
    if cell.config.classes == DEFAULT_CLASSES:
        return "144, the paper's"
    return f"{_number_of_groups(cell)} most frequent"


def _number_of_groups(cell: Cell) -> int:
    classes = cell.config.classes
    return 144 if classes == DEFAULT_CLASSES else int(classes.rpartition("_")[2])


def _published(cell: Cell, _: Cells) -> str:
    who, top1 = SPACE_GROUP_STUDIES[_number_of_groups(cell)]
    return f"{who} {points(top1)}"


def _without(change: str) -> Callable[[Cell, Cells], str]:
    def text(cell: Cell, cells: Cells) -> str:
        changes = tuple(other for other in cell.experiment.changes if other != change)
        return accuracy(cells[replace(cell.experiment, changes=changes)].top1)

    return text


def _in_fewer_steps(cell: Cell, cells: Cells) -> str:
    return accuracy(cells[replace(cell.experiment, times=1)].top1)


def _without_more(cell: Cell, cells: Cells) -> str:
    return accuracy(cells[replace(cell.experiment, more_unlabelled=False)].top1)


def _count(key: str) -> Callable[[Cell, Cells], str]:
    def text(cell: Cell, _: Cells) -> str:
        mean = cell.mean("dataset", key)
        return "" if mean is None else f"{mean:,.0f}"

    return text


_COLUMNS: dict[str, Callable[[Cell, Cells], str]] = {
    "task": lambda cell, _: TASKS[cell.config.task],
    "labels": lambda cell, _: share(cell.config.label_fraction),
    "labelled patterns": _count("n_labelled"),
    "unlabelled patterns": _count("n_unlabelled"),
    "test patterns": _count("n_test"),
    "method": lambda cell, _: SHORT_METHODS[cell.experiment.method],
    "losses": _losses,
    "rates of the game": _rates,
    "passes": _passes,
    "diversity, generated / untrained / real": _diversity,
    "D, real / generated": _discriminator,
    "preset": lambda cell, _: cell.experiment.preset,
    "stem pool": lambda cell, _: "yes" if cell.config.model.stem_pool else "no",
    "space groups": _space_groups,
    "steps": _steps,
    "patterns/s": _rate,
    "training time": _training_time,
    "seeds": lambda cell, _: str(len(cell.reports)),
    "top-1, %": lambda cell, _: accuracy(cell.top1),
    "prior, %": lambda cell, _: points(cell.mean("test", "prior_top1")),
    "paper, %": _paper,
    "published, %": _published,
    "at random, %": _without(BY_FORMULA),
    "without, %": _without(RELATIVES),
    "in fewer steps, %": _in_fewer_steps,
    "without them, %": _without_more,
    "top-5 / prior, %": _beside_prior("top5"),
    "crystal system / prior, %": _beside_prior("crystal_system_top1"),
    "extinction group / prior, %": _beside_prior("extinction_group_top1"),
    "calibration error, %": lambda cell, _: points(cell.mean("test", "ece")),
}
