"""`RESULTS.md`: the tables of `benchmarks.table4`, made from nothing but the reports."""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.table4_cells import (
    Cell,
    Cells,
    Comparison,
    Estimate,
    Needed,
    NeededRange,
    comparisons,
    finished,
)
from benchmarks.table4_columns import accuracy, row
from benchmarks.table4_matrix import (
    ALL_RELATIVES,
    CONTRAST,
    FORMULA,
    LONGER,
    PAPERS,
    PARTS,
    TASKS,
    Part,
    Terms,
    in_order,
)
from benchmarks.table4_settings import Report, Run, Settings, file_names
from benchmarks.tables import markdown
from sgan_jax.wording import points, share, short

_EXPLANATION = """\
Accuracies are shares of the test patterns, none of which is trained on; split at random, a test
crystal may have a near twin among those that are. With one seed, brackets hold the 95 % interval
over the test patterns alone; with several, figures are means and ± is their standard deviation over
the seeds, each of which has a split of its own. Prior: always naming what is most frequent among
the labelled patterns. Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882, on patterns of the ICSD,
which are other crystals: a neighbour rather than a target. Crystal system of Bravais lattices:
their lattice system. Calibration error: distance between probability and accuracy over 15 bins.
Diversity: mean of 1 − cosine over pairs of patterns; where generated ones have far less than real
ones, the generator has collapsed, or hardly left where it began, which the diversity of an
untrained one tells (? where a report is older than that). D: mean output of the discriminator at
the end.

Hyper-parameters are those of the preset `tuned` unless a table says otherwise; the SGAN has the
losses of the paper, and the contrast of imagined relatives, which the preset adds, only where a
table says so.

{steps}

The gain of the SGAN is taken seed by seed, and all that stands beside it is of the seeds that both
networks have. Of one seed its interval is that of both accuracies in quadrature: it is about the
test patterns alone, and another seed may differ by more. What *supervised needs* is the share of
labels with which the supervised network would be as good as the SGAN, on a curve through its points
that is straight over the logarithm of the share, and *times* how many times the SGAN's labels that
is; in brackets the same at both ends of the gain's interval. The sign > says that even the last
point of the curve falls short, < that even its first is better; beyond them nothing is known."""


_SAME_STEPS = """\
Unless a table says otherwise, all runs take {steps:,} steps, whatever their labels, so with many
labels the *passes* through them are few: a curve that flattens to the right says how much these
steps teach, not how much the labels could."""

_STEPS_OF_CONFIGS = """\
Runs take the steps of their configs, more where there are more labels."""


def page(settings: Settings, cells: Cells, pictures: Mapping[str, str], seeds: int) -> str:
    """The whole page.

    Args:
        settings: Of the runs.
        cells: What is known of them.
        pictures: Captions by link, relative to the page.
        seeds: How many there are to be.
    """
    reports = finished(cells.values())
    names = begun(cells)
    parts = [_head(settings, cells, seeds)]
    for name in names:
        part = PARTS[name]
        parts += [_table(part, cells), part.note]
        parts += [_gains(cells, *which) for which in _COMPARED.get(name, ())]
    parts.append(_not_run([part.title for name, part in PARTS.items() if name not in names]))
    parts += [f"![{caption}]({link})\n\n{caption}" for link, caption in pictures.items()]
    parts += [_data(reports), _machines(reports), _runs(settings, cells, seeds)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _table(part: Part, cells: Cells) -> str:
    """A part's table, without the columns of which no row has anything."""
    rows = [row(cells[experiment], cells, part.columns) for experiment in part.experiments]
    used = [number for number, _ in enumerate(part.columns) if any(each[number] for each in rows)]
    kept = [[line[number] for number in used] for line in (part.columns, *rows)]
    return markdown(part.title, kept[0], kept[1:])


def begun(cells: Cells) -> list[str]:
    """Names of the parts with a finished run that stands in no part before."""
    names, seen = [], set()
    for name, part in PARTS.items():
        if any(
            cells[experiment].reports for experiment in part.experiments if experiment not in seen
        ):
            names.append(name)
        seen.update(part.experiments)
    return names


def _not_run(titles: Sequence[str]) -> str:
    return "\n".join(["## Not run", "", *(f"- {title}" for title in titles)]) if titles else ""


_COMPARED = {
    "bravais": [("bravais", PAPERS)],
    "space_group": [("sg", PAPERS)],
    "longer": [("bravais", LONGER)],
    **{
        part: [(task, terms) for task in TASKS]
        for part, terms in (
            ("losses", CONTRAST),
            ("relatives", ALL_RELATIVES),
            ("formula", FORMULA),
        )
    },
}
"""The tasks in which both methods are compared below a part's table, and on which terms."""


def _head(settings: Settings, cells: Cells, seeds: int) -> str:
    wanted = in_order(settings.parts, seeds)
    done = sum(seed in cells[experiment].reports for experiment, seed in wanted)
    given = [f"--sources={file_names(settings.sources)}", f"--seeds={seeds}"]
    given += map(_without_places, settings.fields)
    given += [f"--steps={settings.steps}"] if settings.steps else []
    more = settings.unlabelled_sources
    given += [f"--unlabelled_sources={file_names(more)}"] if more else []
    return "\n".join(
        [
            "# The paper's Table 4 on open data",
            "",
            f"Written by `{shlex.join(['python', '-m', 'benchmarks.table4', *given])}` from the "
            f"reports of {done} of {len(wanted)} runs.{_of_rebuilt(cells)}",
            "",
            _EXPLANATION.format(steps=_steps(settings)),
        ]
    )


def _steps(settings: Settings) -> str:
    return _SAME_STEPS.format(steps=settings.steps) if settings.steps else _STEPS_OF_CONFIGS


def _of_rebuilt(cells: Cells) -> str:
    """How many reports are not those that the runs left: `docs/results/reports/README.md`."""
    rebuilt = sum("rebuilt" in report for report in finished(cells.values()))
    if not rebuilt:
        return ""
    return (
        f" {rebuilt} of the reports were lost, and [rebuilt](docs/results/reports/README.md) from "
        "the tables of an earlier edition of this page."
    )


# ---------------------------------------------------------------- gains


def _gains(cells: Cells, task: str, terms: Terms) -> str:
    """Both methods side by side; nothing before there is a pair, but for the paper's comparison."""
    found = comparisons(cells, task, terms)
    papers = terms == PAPERS
    if not papers and not any(one.gain for one in found):
        return ""
    header = ["labels", "supervised", "SGAN", "seeds", "gain, points", "supervised needs", "times"]
    header += ["paper's gain", "paper's supervised needs", "times in the paper"] if papers else []
    rows = [[*_compared(one), *(_compared_in_paper(one) if papers else [])] for one in found]
    return markdown(f"Gain of the SGAN: {TASKS[task]}, {terms.words}", header, rows)


def _compared(one: Comparison) -> list[str]:
    return [
        share(one.share),
        accuracy(one.supervised.top1),
        accuracy(one.sgan.top1),
        str(one.gain.seeds if one.gain else 0),
        _gain(one.gain),
        _needed(one.needed),
        _times(one.needed, one.share),
    ]


def _compared_in_paper(one: Comparison) -> list[str]:
    needed, labels = one.paper_needed, one.share
    times = _bounded(needed, lambda found: f"{found / labels:.1f}")
    return [f"{100 * one.paper_gain:+.0f}", _bounded(needed, share), times]


def _gain(gain: Estimate | None) -> str:
    if gain is None:
        return ""
    value, low, high = (f"{100 * bound:+.1f}" for bound in gain[:3])
    if gain.seeds > 1:
        return f"{value} ± {points(gain.high - gain.value)}"
    return f"{value} [{low}, {high}]"


def _needed(needed: NeededRange | None) -> str:
    return "" if needed is None else _ranged(needed, share)


def _times(needed: NeededRange | None, of: float) -> str:
    return "" if needed is None else _ranged(needed, lambda found: f"{found / of:.1f}")


def _ranged(needed: NeededRange, text: Callable[[float], str]) -> str:
    value, least, most = (_bounded(each, text) for each in needed)
    return value if value == least == most else f"{value} [{least}, {most}]"


def _bounded(bounds: Needed, text: Callable[[float], str]) -> str:
    if bounds.high == math.inf:
        return f"> {text(bounds.low)}"
    return f"< {text(bounds.high)}" if bounds.low == 0 else text(bounds.high)


# ---------------------------------------------------------------- what was run


def _data(reports: Sequence[Report]) -> str:
    found = Counter(map(_data_of, reports))
    rows = [[*which, str(runs)] for which, runs in sorted(found.items())]
    header = ["sources", "further unlabelled", "data set", "structures", "runs"]
    labelled = {report["dataset"]["fingerprint"].partition("+")[0] for report in reports}
    warning = (
        "**The runs are not all of one data set.** Figures of different ones do not compare."
        if len(labelled) > 1
        else ""
    )
    return f"{markdown('Data', header, rows)}\n{warning}" if rows else ""


def _data_of(report: Report) -> tuple[str, ...]:
    data = report["config"]["data"]
    return (
        file_names(data["sources"]),
        file_names(data["unlabelled_sources"]),
        short(report["dataset"]["fingerprint"]),
        "all" if data["limit"] is None else f"first {data['limit']:,}",
    )


def _machines(reports: Sequence[Report]) -> str:
    found = Counter(_machine(report["environment"]) for report in reports)
    rows = [[*which, str(runs)] for which, runs in sorted(found.items())]
    header = ["devices", "cores", "system", "Python", "versions", "runs"]
    return markdown("Machines and versions", header, rows) if rows else ""


def _machine(environment: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{environment['device_count']} × {environment['device_kind']}",
        str(environment["cpu_count"]),
        environment["platform"],
        environment["python"],
        ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
    )


def _runs(settings: Settings, cells: Cells, seeds: int) -> str:
    """Every finished run with its command, sources and folders without their places."""
    columns = ("steps", "test patterns", "patterns/s", "training time")
    rows, commands = [], []
    for experiment, seed in in_order(tuple(PARTS), _most_seeds(cells, seeds)):
        report = cells[experiment].reports.get(seed)
        if report is not None:
            run = settings.run(experiment, seed)
            rows.append([run.name, *row(Cell(experiment, run.config, {seed: report}), {}, columns)])
            commands.append(_command(run))
    return "\n".join([markdown("Finished runs", ["run", *columns], rows), "```", *commands, "```"])


def _command(run: Run) -> str:
    shown = (
        _without_places(field) for field in run.fields if not field.startswith("--config.data.dir=")
    )
    folder = f"--workdir=runs/{run.name}"
    config = f"--config={run.experiment.file}"
    return shlex.join(["python", "-m", "sgan_jax.main", config, *shown, folder])


def _without_places(field: str) -> str:
    """A flag whose value, if it is a path or several, is reduced to the names."""
    name, _, value = field.partition("=")
    return f"{name}={file_names(value)}"


def _most_seeds(cells: Cells, seeds: int) -> int:
    return max(seeds, *(seed + 1 for cell in cells.values() for seed in cell.reports or [0]))
