"""The page `report.md` of a run, for a reader who knows crystals and not this program."""

from collections.abc import Mapping, Sequence
from typing import Any

from sgan_jax import report_sections as sections
from sgan_jax.config import FURTHER_SOURCES
from sgan_jax.wording import METHODS, TASKS, beginning, percent, share, short

_SPLITS = {
    "random": "at random",
    "formula": "by formula (no composition is both in the test set and outside it)",
}
_PAPER = (
    "Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882, Table 4, on patterns of the ICSD; "
    "other crystals, so a neighbour rather than a target. A dash: no such figure there."
)


def page(report: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        report: The content of `report.json`.
        pictures: Links to the figures, relative to the page.
    """
    parts = [
        _headline(report),
        sections.accuracy(
            report, "## Accuracy on the test set", "paper", report["paper"] or {}, _PAPER
        ),
        _data(report),
        sections.by_class(report["per_class"]),
        _training(report),
        sections.environment(report["environment"]),
        sections.figures(pictures),
    ]
    return sections.joined(parts)


def _headline(report: Mapping[str, Any]) -> str:
    task = TASKS[report["task"]]
    parts = [
        f"# {task[0].upper()}{task[1:]}, {METHODS[report['method']]}, "
        f"{share(report['label_fraction'])} labelled",
        sections.result(report),
    ]
    if pretrained := report["pretrained"]:
        parts.append(f"{beginning(pretrained)} Its labels count beside those of this run.")
    return "\n\n".join(parts)


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
    if known := dataset["n_known"]:
        rows.append(("of further sources, left out: there already, or would be held back", known))
    rows += [(f"rejected: {why}", n) for why, n in dataset["rejected_by_reason"].items()]
    further = [
        f" Further {subset} structures, trained on and never tested on: `{config['data'][field]}`."
        for field, subset in FURTHER_SOURCES.items()
        if config["data"][field]
    ]
    parts = [
        "## Data",
        f"Sources: `{config['data']['sources']}`; instrument `{config['data']['instrument']}`; "
        f"split {_SPLITS[report['split_by']]}; seed {report['seed']}; "
        f"data set `{short(dataset['fingerprint'])}`.{''.join(further)}",
        sections.numbers(rows),
    ]
    if report["method"] == "supervised":
        parts.append("A supervised network does not see the unlabelled patterns.")
    if dataset["classes_without_label"]:
        names = ", ".join(dataset["classes_without_label"])
        lost = "" if report["pretrained"] else ", and cannot be learnt"
        parts.append(f"**Classes that have patterns but no label{lost}:** {names}.")
    return "\n\n".join(parts)


def _training(report: Mapping[str, Any]) -> str:
    speed, config = report["throughput"], report["config"]
    rate, checkpoint = speed["train_patterns_per_s"], report["checkpoint"]
    rows = [
        ("steps", f"{report['steps']:,}"),
        (f"evaluated step: {checkpoint['reason']}", f"{checkpoint['step']:,}"),
        ("accuracy on the validation set there", percent(checkpoint["validation_top1"])),
        ("labelled patterns per step", config["batch_size"]),
        ("preset", config["preset"]),
        ("real patterns trained on per second", "–" if rate is None else f"{rate:,.0f}"),
        ("time spent waiting for input", percent(speed["input_wait_fraction"])),
    ]
    if diversity := report["diversity"]:
        rows += [(f"diversity of {which}", _three(diversity[key])) for key, which in _MADE.items()]
    for which, output in (report["discriminator"] or {}).items():
        rows.append((f"D of {which} patterns at the end, on average", _three(output)))
    return f"## Training\n\n{sections.table(('', ''), rows)}"


_MADE = {
    "generated": "generated patterns",
    "untrained": "those of an untrained generator",
    "real": "as many real patterns",
}
"""Patterns by their diversity: 1 where no two have a peak in common, 0 where all are the same."""


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
