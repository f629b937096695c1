"""Parts of the pages that people read about how good a network is, whatever it was tried on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sgan_jax.wording import MERITS, TASKS, percent

_ONE_BY_ONE = 30
"""Up to so many classes stand in the table one by one; more are summed by crystal system."""
_WORST_CLASSES = 10
_ENOUGH_PATTERNS = 5
"""A recall from fewer test patterns says nothing, so such classes are not called the worst."""

_CAPTIONS = {
    "class_distribution": "Patterns per class.",
    "example_patterns": "Simulated patterns of the data set.",
    "confusion_matrix": "What each true class of the test set was taken for.",
    "training_curves": "Training: losses, mean discriminator outputs, and accuracies on a sample "
    "of each set.",
    "generated_patterns": "Real patterns and patterns of the generator.",
    "reliability": "Accuracy against the probability that the network gives its answer.",
}


def joined(parts: Iterable[str]) -> str:
    """A page of the parts that are not empty."""
    return "\n\n".join(filter(None, parts)) + "\n"


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, text_last: bool = False
) -> str:
    """A table; the first column holds text, the others numbers (not the last if `text_last`)."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    if text_last:
        ruler[-1] = "---"
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (header, ruler, *rows))


def numbers(rows: Iterable[tuple[str, int]]) -> str:
    """A table of counts."""
    return table(("", "number"), ((name, f"{n:,}") for name, n in rows))


def result(report: Mapping[str, Any]) -> str:
    """The most important figure in a sentence, with its interval and the prior."""
    test, task = report["test"], TASKS[report["task"]]
    low, high = test["top1_ci95"]
    return (
        f"**{percent(test['top1'])} of {report['dataset']['n_test']:,} test patterns get the right "
        f"{task}** (95 % interval {percent(low)} to {percent(high)}). Naming the most frequent "
        f"{task} every time would get {percent(test['prior_top1'])} right."
    )


def accuracy(
    report: Mapping[str, Any], heading: str, other: str, figures: Mapping[str, Any], note: str
) -> str:
    """Figures of merit beside those of the prior and others.

    Args:
        report: Of which `task` and `test` are read.
        heading: Of the section.
        other: Heading of the column with the other figures.
        figures: Those by the names that they have in `test`; those that lack become dashes.
        note: What they are, in a sentence.
    """
    test, task = report["test"], TASKS[report["task"]]
    rows = [
        (
            merit.name(task),
            percent(test[merit.key]),
            percent(test[f"prior_{merit.key}"]),
            percent(figures.get(merit.key)),
        )
        for merit in MERITS
    ]
    return "\n\n".join(
        [
            heading,
            table(("", "network", "prior", other), rows),
            _notes(report["task"], note),
            table(
                ("probabilities", ""),
                (
                    ("negative log-likelihood", f"{test['nll']:.3f} nats"),
                    (
                        "expected calibration error: distance of probability and accuracy, 15 bins",
                        percent(test["ece"]),
                    ),
                ),
            ),
        ]
    )


def _notes(task: str, note: str) -> str:
    notes = [
        "Prior: the answer is always what is most frequent among the labelled patterns.",
        note,
    ]
    if task == "bravais_lattice":
        notes += [
            "Crystal system: for lattices this is the lattice system, in which hR is rhombohedral "
            "and hP hexagonal whether the crystal is trigonal or hexagonal.",
            "Extinction group: not given, since crystals of one Bravais lattice belong to several.",
        ]
    else:
        notes += [
            "Extinction group: space groups with the same lattice type and the same systematic "
            "absences, which a powder pattern tells apart by intensities alone.",
        ]
    notes += ["Crystal system and extinction group: the class probabilities are summed in each."]
    return "\n".join(f"- {note}" for note in notes)


def by_class(classes: Sequence[Mapping[str, Any]]) -> str:
    """What became of each class or, of many, of each crystal system and the worst classes.

    Args:
        classes: `per_class` of a report; numbers of unlabelled patterns are shown where given.
    """
    if len(classes) <= _ONE_BY_ONE:
        return f"## Recognised by class\n\n{_class_table(classes)}"
    judged = [entry for entry in classes if entry["n_test"] >= _ENOUGH_PATTERNS]
    worst = sorted(judged, key=lambda entry: (entry["recall"], -entry["n_test"]))[:_WORST_CLASSES]
    parts = ["## Recognised by class", _system_table(classes)]
    if worst:
        parts += [
            f"The {len(worst)} least recognised of the {len(judged)} classes with at least "
            f"{_ENOUGH_PATTERNS} test patterns:",
            _class_table(worst),
        ]
    return "\n\n".join(parts)


def _class_table(classes: Sequence[Mapping[str, Any]]) -> str:
    subsets = [name for name in ("labelled", "unlabelled", "test") if f"n_{name}" in classes[0]]
    rows = (
        (
            _class_name(entry),
            *(f"{entry[f'n_{subset}']:,}" for subset in subsets),
            percent(entry["recall"]),
            _taken_for(entry),
        )
        for entry in classes
    )
    return table(("class", *subsets, "recall", "most often taken for"), rows, text_last=True)


def _class_name(entry: Mapping[str, Any]) -> str:
    same = entry["name"] == entry["symbol"]
    return entry["name"] if same else f"{entry['name']} ({entry['symbol']})"


def _taken_for(entry: Mapping[str, Any]) -> str:
    """The most frequent wrong answers, as shares of the class's test patterns."""
    wrong = {name: n for name, n in entry["predicted"].items() if name != entry["name"]}
    most = sorted(wrong.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} ({100 * n / entry['n_test']:.0f} %)" for name, n in most) or "–"


def _system_table(classes: Sequence[Mapping[str, Any]]) -> str:
    systems = defaultdict(list)
    for entry in classes:
        systems[entry["crystal_system"]].append(entry)
    rows = []
    for system, members in systems.items():
        names = {entry["name"] for entry in members}
        tested = sum(entry["n_test"] for entry in members)
        right = sum(entry["predicted"].get(entry["name"], 0) for entry in members)
        inside = sum(n for e in members for name, n in e["predicted"].items() if name in names)
        rows.append(
            (
                system,
                len(members),
                *(f"{sum(e[f'n_{part}'] for e in members):,}" for part in ("labelled", "test")),
                percent(right / tested if tested else None),
                percent(inside / tested if tested else None),
            )
        )
    header = ("crystal system", "classes", "labelled", "test", "right class", "right system")
    return table(header, rows)


def environment(made_in: Mapping[str, Any]) -> str:
    """Devices and versions, and where there is more."""
    rows = [
        ("devices", f"{made_in['device_count']} × {made_in['device_kind']}"),
        ("processes", made_in["process_count"]),
        ("CPU cores", made_in["cpu_count"]),
        ("system", made_in["platform"]),
        ("Python", made_in["python"]),
        *made_in["versions"].items(),
    ]
    return (
        f"## Environment\n\n{table(('', ''), rows, text_last=True)}\n\n"
        "All figures, and the whole config of the training: [`report.json`](report.json)."
    )


def figures(pictures: Sequence[str]) -> str:
    """The pictures with their captions, in the order of `_CAPTIONS`."""
    links = {PurePosixPath(link).stem: link for link in pictures}
    known = [
        f"![{text}]({links[stem]})\n\n{text}" for stem, text in _CAPTIONS.items() if stem in links
    ]
    return "\n\n".join(["## Figures", *known]) if known else ""
