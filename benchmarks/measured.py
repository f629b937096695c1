"""What measured patterns of known crystals are taken for: `python -m benchmarks.measured`.

A folder holds patterns and `manifest.csv` with the columns `file`, `wavelength_A`, `space_group`,
`bravais`, `multi_phase`, `magnetic_order_peaks` and, for other radiation than neutrons,
`radiation`. Every file is answered as `python -m sgan_jax.predict` answers it. A pattern that gets
no answer counts as a wrong one.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import markdown
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from data_gen.pattern_files import save
from data_gen.symmetry import bravais_lattice, extinction_group, hermann_mauguin
from sgan_jax import metrics, priors, trained
from sgan_jax.answers import Answer, percent
from sgan_jax.classifier import Classifier
from sgan_jax.figures import save_figure
from sgan_jax.grids import GRIDS
from sgan_jax.measured.manifest import MANIFEST, read_manifest
from sgan_jax.panel import Panel
from sgan_jax.predict_figures import answer_figure
from sgan_jax.presentation import Presented, present_file

_PURPOSE = "Names the lattices and space groups of measured patterns, and compares with the truth."
_ALL_CLASSES = 230
_COLUMNS = (
    "file", "wavelength_A", "space_group", "bravais", "multi_phase", "magnetic_order_peaks",
)  # fmt: skip
_HEADER = (
    "file", "truth", "answered", "Bravais lattices", "rank", "space groups", "rank",
    "rank of its extinction group",
)  # fmt: skip
_TOTALS = ("patterns", "answered", "", "right", "share", "95 % interval", "prior")
_NONE = "–"


@dataclass(frozen=True)
class Known:
    """A measured pattern of which the crystal is known.

    Attributes:
        file: Its path in the folder.
        wavelength: In Å.
        radiation: `neutron` or `xray`.
        space_group: Number; None where there are several phases.
        plain: Whether it is of a single phase without magnetic peaks.
    """

    file: str
    wavelength: float
    radiation: str
    space_group: int | None
    plain: bool


@dataclass(frozen=True)
class Result:
    """What a pattern was taken for; ranks count from 1, None where the truth was not named.

    Attributes:
        known: The truth.
        answer: With all classes.
        lattice_rank: Of the true lattice.
        group_rank: Of the true space group.
        extinction_rank: Of the first space group in the extinction group of the true one.
    """

    known: Known
    answer: Answer
    lattice_rank: int | None
    group_rank: int | None
    extinction_rank: int | None


@dataclass(frozen=True)
class Measure:
    """A figure of merit.

    Attributes:
        name: For the table.
        task: That it is about.
        top: Candidates among which the truth is to be.
        rank: Of the truth in an answer.
        right: Whether a class, by its space groups, is right for the space group.
    """

    name: str
    task: str
    top: int
    rank: Callable[[Result], int | None]
    right: Callable[[Sequence[int], int], bool]


def _has(groups: Sequence[int], true: int) -> bool:
    return true in groups


def _shares_extinctions(groups: Sequence[int], true: int) -> bool:
    return any(extinction_group(group) == extinction_group(true) for group in groups)


MEASURES = (
    Measure("Bravais lattice, top 1", "bravais_lattice", 1, lambda r: r.lattice_rank, _has),
    Measure("Bravais lattice, top 3", "bravais_lattice", 3, lambda r: r.lattice_rank, _has),
    Measure("space group, top 1", "space_group", 1, lambda r: r.group_rank, _has),
    Measure("space group, top 5", "space_group", 5, lambda r: r.group_rank, _has),
    Measure(
        "extinction group, top 5 space groups",
        "space_group",
        5,
        lambda r: r.extinction_rank,
        _shares_extinctions,
    ),
)


def read_known(folder: Path) -> list[Known]:
    """The patterns of a folder.

    Raises:
        InputError: Its manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        return [_known(row) for row in read_manifest(folder, _COLUMNS)]
    except FileNotFoundError as error:
        raise InputError(f"{path}: {error.strerror}: name a folder with {MANIFEST}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error!r}: complete its columns, see --help") from None


def _known(row: Mapping[str, str]) -> Known:
    space_group = int(row["space_group"]) if row["space_group"] else None
    if space_group and row["bravais"] != bravais_lattice(space_group):
        raise ValueError(f"{row['file']}: lattice {row['bravais']} of space group {space_group}")
    return Known(
        file=row["file"],
        wavelength=float(row["wavelength_A"]),
        radiation=row.get("radiation") or "neutron",
        space_group=space_group,
        plain=row["multi_phase"] == row["magnetic_order_peaks"] == "no",
    )


def ask(panel: Panel, folder: Path, known: Known) -> tuple[Presented, Result]:
    """Answers a pattern, and finds the truth in the answer."""
    terms = panel.terms(known.wavelength, known.radiation)
    presented = present_file(str(folder / known.file), terms)
    answer = panel.answers([presented])[0]
    true = known.space_group
    if true is None:
        return presented, Result(known, answer, None, None, None)
    lattices = [each.symbol for each in answer.bravais_lattice]
    groups = [each.number for each in answer.space_group]
    alike = [extinction_group(group) == extinction_group(true) for group in groups]
    return presented, Result(
        known,
        answer,
        _rank(lattices, bravais_lattice(true)),
        _rank(groups, true),
        _rank(alike, True),
    )


def _rank(candidates: Sequence[object], wanted: object) -> int | None:
    return candidates.index(wanted) + 1 if wanted in candidates else None


def totals(
    results: Sequence[Result], classifiers: Sequence[Classifier]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures of merit of all patterns of one known phase, and of those without magnetic peaks.

    Returns:
        By the name of the set and of the measure: `patterns`, `answered`, `right`, `share`,
        `interval` (see `metrics.accuracy_interval`) and `prior`: the share that the classes most
        frequent in training would get right.
    """
    single = [result for result in results if result.known.space_group is not None]
    sets = {
        "all with one known phase": single,
        "single-phase and non-magnetic": [result for result in single if result.known.plain],
    }
    of_task = {classifier.task: classifier for classifier in classifiers}
    return {
        name: {
            measure.name: _total(members, measure, of_task[measure.task]) for measure in MEASURES
        }
        for name, members in sets.items()
        if members
    }


def _total(results: Sequence[Result], measure: Measure, classifier: Classifier) -> dict[str, Any]:
    ranks = [measure.rank(result) for result in results]
    right = np.array([rank is not None and rank <= measure.top for rank in ranks])
    most = sorted(classifier.classes, key=lambda entry: -entry.n_labelled)[: measure.top]
    by_prior = sum(
        any(measure.right(entry.space_groups, result.known.space_group or 0) for entry in most)
        for result in results
    )
    return {
        "patterns": len(results),
        "answered": sum(result.answer.answered for result in results),
        "right": int(right.sum()),
        "share": float(right.mean()),
        "interval": list(metrics.accuracy_interval(right)),
        "prior": by_prior / len(results),
    }


# ---------------------------------------------------------------- tables


def page(results: Sequence[Result], figures: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The table of files, and one of the totals."""
    parts = [markdown("Measured patterns", _HEADER, [_row(result) for result in results])]
    for name, measures in figures.items():
        rows = [_total_row(measure, total) for measure, total in measures.items()]
        parts.append(markdown(name[0].upper() + name[1:], _TOTALS, rows))
    return "\n".join(parts)


def _row(result: Result) -> tuple[str, ...]:
    known, answer = result.known, result.answer
    true = known.space_group
    lattices = [f"{each.symbol} {percent(each.probability)}" for each in answer.bravais_lattice[:3]]
    groups = [f"{each.number} {percent(each.probability)}" for each in answer.space_group[:5]]
    truth = f"{bravais_lattice(true)}, {true} {hermann_mauguin(true)}" if true else "several phases"
    return (
        Path(known.file).name,
        truth if known.plain or not true else f"{truth}, magnetic peaks possible",
        "yes" if answer.answered else f"no: {answer.error}",
        ", ".join(lattices) or _NONE,
        str(result.lattice_rank or _NONE),
        ", ".join(groups) or _NONE,
        str(result.group_rank or _NONE),
        str(result.extinction_rank or _NONE),
    )


def _total_row(name: str, total: dict[str, Any]) -> tuple[str, ...]:
    low, high = total["interval"]
    return (
        str(total["patterns"]),
        str(total["answered"]),
        name,
        str(total["right"]),
        f"{100 * total['share']:.0f} %",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        f"{100 * total['prior']:.0f} %",
    )


def as_json(
    results: Sequence[Result], figures: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "files": [
            {
                "space_group": result.known.space_group,
                "single_phase_non_magnetic": result.known.plain,
                "lattice_rank": result.lattice_rank,
                "space_group_rank": result.group_rank,
                "extinction_group_rank": result.extinction_rank,
                "answer": result.answer.as_json() | {"file": result.known.file},
            }
            for result in results
        ],
        "totals": figures,
    }


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.measured", description=_PURPOSE)
    add = parser.add_argument
    contents = f"{MANIFEST} with {', '.join(_COLUMNS)}"
    add("--measured", type=Path, required=True, metavar="DIR", help=contents)
    add("--model", metavar="NAME|DIR[,…]", help="as for python -m sgan_jax.predict")
    add("--prior", default=priors.PRIORS[0], metavar="NAME", help="as there")
    add("--out", type=Path, metavar="DIR", help="for measured.md, measured.json and a picture each")
    return exit_status(_run, parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> None:
    known = read_known(options.measured)
    models = tuple(options.model.split(",")) if options.model else ()
    panel = Panel(trained.load(trained.TASKS, models), _ALL_CLASSES, options.prior)
    pairs = list(map(partial(ask, panel, options.measured), known))
    results = [result for _, result in pairs]
    figures = totals(results, panel.classifiers)
    text = page(results, figures)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        save(options.out / "measured.md", text.encode())
        save(
            options.out / "measured.json", json.dumps(as_json(results, figures), indent=2).encode()
        )
        for presented, result in pairs:
            _draw(options.out / f"{Path(result.known.file).name}.png", presented, result.answer)
    print(text, end="")


def _draw(path: Path, presented: Presented, answer: Answer) -> None:
    axis, stages = next(iter(presented.stages.items()), ("inverse_d", None))
    shown = replace(
        answer, bravais_lattice=answer.bravais_lattice[:5], space_group=answer.space_group[:5]
    )
    save_figure(answer_figure(shown, stages, GRIDS[axis]), path)


if __name__ == "__main__":
    sys.exit(main())
