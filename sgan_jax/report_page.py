"""The page `report.md`, for a reader who knows crystals and not this program."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

_TASKS = {"bravais_lattice": "Bravais lattice", "space_group": "space group"}
_METHODS = {"sgan": "semi-supervised GAN", "supervised": "supervised network"}
_SPLITS = {
    "random": "at random",
    "formula": "by formula (no composition is both in the test set and outside it)",
}
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


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal, or a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.1f} %"


def page(report: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        report: The content of `report.json`.
        pictures: Links to the figures, relative to the page.
    """
    sections = [
        _headline(report),
        _accuracy(report),
        _data(report),
        _classes(report),
        _training(report),
        _environment(report["environment"]),
        _figures(pictures),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, text_last: bool = False
) -> str:
    """A table; the first column holds text, the others numbers (not the last if `text_last`)."""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    if text_last:
        ruler[-1] = "---"
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (header, ruler, *rows))


def _headline(report: Mapping[str, Any]) -> str:
    test = report["test"]
    low, high = test["top1_ci95"]
    task = _TASKS[report["task"]]
    return (
        f"# {task[0].upper()}{task[1:]}, {_METHODS[report['method']]}, "
        f"{100 * report['label_fraction']:g} % labelled\n\n"
        f"**{percent(test['top1'])} of {report['dataset']['n_test']:,} test patterns get the right "
        f"{task}** (95 % interval {percent(low)} to {percent(high)}). Naming the most frequent "
        f"{task} every time would get {percent(test['prior_top1'])} right."
    )


def _accuracy(report: Mapping[str, Any]) -> str:
    test, paper = report["test"], report["paper"] or {}
    task = _TASKS[report["task"]]
    rows = [
        (label, percent(test[key]), percent(test[f"prior_{key}"]), percent(paper.get(key)))
        for label, key in (
            (f"{task}, top-1", "top1"),
            (f"{task}, top-5", "top5"),
            ("crystal system, top-1", "crystal_system_top1"),
            ("extinction group, top-1", "extinction_group_top1"),
        )
    ]
    return "\n\n".join(
        [
            "## Accuracy on the test set",
            _table(("", "network", "prior", "paper"), rows),
            _notes(report),
            _table(
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


def _notes(report: Mapping[str, Any]) -> str:
    notes = [
        "Prior: the answer is always what is most frequent among the labelled patterns.",
        "Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882, Table 4, on patterns of the ICSD; "
        "other crystals, so a neighbour rather than a target. A dash: no such figure there.",
    ]
    if report["task"] == "bravais_lattice":
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


def _data(report: Mapping[str, Any]) -> str:
    dataset, config = report["dataset"], report["config"]
    rows = [
        ("patterns", dataset["n_total"]),
        ("labelled, for training", dataset["n_labelled"]),
        ("labelled, held back for validation", dataset["n_validation"]),
        ("unlabelled", dataset["n_unlabelled"]),
        ("test", dataset["n_test"]),
        ("classes", dataset["n_classes"]),
        ("classes with patterns", dataset["n_classes_present"]),
        ("left out: space group in no class", dataset["n_left_out"]),
    ]
    rows += [(f"rejected: {why}", n) for why, n in dataset["rejected_by_reason"].items()]
    parts = [
        "## Data",
        f"Sources: `{config['data']['sources']}`; instrument `{config['data']['instrument']}`; "
        f"split {_SPLITS[report['split_by']]}; seed {report['seed']}; "
        f"data set `{dataset['fingerprint'][:12]}`.",
        _table(("", "number"), ((name, f"{n:,}") for name, n in rows)),
    ]
    if report["method"] == "supervised":
        parts.append("A supervised network does not see the unlabelled patterns.")
    if dataset["classes_without_label"]:
        names = ", ".join(dataset["classes_without_label"])
        parts.append(f"**Classes that have patterns but no label, and cannot be learnt:** {names}.")
    return "\n\n".join(parts)


def _classes(report: Mapping[str, Any]) -> str:
    classes = report["per_class"]
    if len(classes) <= _ONE_BY_ONE:
        return f"## Recognised by class\n\n{_class_table(classes)}"
    judged = [entry for entry in classes if entry["n_test"] >= _ENOUGH_PATTERNS]
    worst = sorted(judged, key=lambda entry: (entry["recall"], -entry["n_test"]))[:_WORST_CLASSES]
    return "\n\n".join(
        [
            "## Recognised by class",
            _system_table(classes),
            f"The {len(worst)} least recognised of the {len(judged)} classes with at least "
            f"{_ENOUGH_PATTERNS} test patterns:",
            _class_table(worst),
        ]
    )


def _class_table(classes: Iterable[Mapping[str, Any]]) -> str:
    header = ("class", "labelled", "unlabelled", "test", "recall", "most often taken for")
    return _table(
        header,
        (
            (
                _class_name(entry),
                f"{entry['n_labelled']:,}",
                f"{entry['n_unlabelled']:,}",
                f"{entry['n_test']:,}",
                percent(entry["recall"]),
                _taken_for(entry),
            )
            for entry in classes
        ),
        text_last=True,
    )


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
    return _table(header, rows)


def _training(report: Mapping[str, Any]) -> str:
    speed, config = report["throughput"], report["config"]
    rate, checkpoint = speed["train_patterns_per_s"], report["checkpoint"]
    rows = (
        ("steps", f"{report['steps']:,}"),
        (f"evaluated step: {checkpoint['reason']}", f"{checkpoint['step']:,}"),
        ("accuracy on the validation set there", percent(checkpoint["validation_top1"])),
        ("labelled patterns per step", config["batch_size"]),
        ("preset", config["preset"]),
        ("real patterns trained on per second", "–" if rate is None else f"{rate:,.0f}"),
        ("time spent waiting for input", percent(speed["input_wait_fraction"])),
    )
    return f"## Training\n\n{_table(('', ''), rows)}"


def _environment(environment: Mapping[str, Any]) -> str:
    rows = [
        ("devices", f"{environment['device_count']} × {environment['device_kind']}"),
        ("processes", environment["process_count"]),
        ("CPU cores", environment["cpu_count"]),
        ("system", environment["platform"]),
        ("Python", environment["python"]),
        *environment["versions"].items(),
    ]
    return (
        f"## Environment\n\n{_table(('', ''), rows, text_last=True)}\n\n"
        "All figures and the whole config: [`report.json`](report.json)."
    )


def _figures(pictures: Sequence[str]) -> str:
    """The pictures with their captions, in the order of `_CAPTIONS`."""
    links = {PurePosixPath(link).stem: link for link in pictures}
    known = [
        f"![{text}]({links[stem]})\n\n{text}" for stem, text in _CAPTIONS.items() if stem in links
    ]
    return "\n\n".join(["## Figures", *known]) if known else ""
