"""The page `report.md` of a classifier tried on structures of somebody's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from sgan_jax import report_sections as sections
from sgan_jax.wording import METHODS, TASKS, beginning, percent, share

_OWN = (
    "Its own test: what it reached at the end of its training, on crystals that were kept back and "
    "without the calibration of its probabilities. A dash: no such figure there."
)


def page(report: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        report: The content of `report.json`.
        pictures: Links to the figures, relative to the page.
    """
    task, model = TASKS[report["task"]], report["model"]
    parts = [
        f"# {task[0].upper()}{task[1:]} by `{model['name']}`\n\n{sections.result(report)}",
        sections.accuracy(
            report, "## Accuracy on these crystals", "its own test", model["test"] or {}, _OWN
        ),
        _data(report["dataset"], report["test"], model),
        sections.by_class(report["per_class"]),
        _model(model),
        sections.environment(report["environment"]),
        sections.figures(pictures),
    ]
    return sections.joined(parts)


def _data(dataset: Mapping[str, Any], test: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    passed = [("passed over: not held out", dataset["n_passed_over"])] * dataset["held_out"]
    rows = [
        ("structures", dataset["n_structures"]),
        ("tried", dataset["n_test"]),
        *passed,
        ("left out: space group in no class", dataset["n_left_out"]),
        *((f"rejected: {why}", n) for why, n in dataset["rejected_by_reason"].items()),
        ("classes", dataset["n_classes"]),
        ("classes with crystals", dataset["n_classes_present"]),
    ]
    limit = f", the first {dataset['limit']:,} structures" if dataset["limit"] else ""
    parts = [
        "## Data",
        f"Sources: `{dataset['sources']}`{limit}; {dataset['simulated']}; data set "
        f"`{dataset['name']}`, in whose folder `rejected.csv` says what is wrong with each "
        f"rejected structure. {_choice(dataset, model)}",
        sections.numbers(rows),
    ]
    if dataset["n_left_out"]:
        groups = dataset["left_out_by_space_group"].items()
        share = dataset["n_test"] / (dataset["n_test"] + dataset["n_left_out"])
        parts.append(
            f"**Left out, since no class of the network holds their space group:** "
            f"{', '.join(f'{number} ({n:,})' for number, n in groups)}. Counted as wrong answers, "
            f"they would make top-1 {percent(share * test['top1'])}."
        )
    if dataset["classes_without_label"]:
        names = ", ".join(dataset["classes_without_label"])
        never = (
            "'s last training had none of"
            if model["pretrained"]
            else " was never shown, and cannot name"
        )
        parts.append(f"**Classes that the network{never}:** {names}.")
    return "\n\n".join(parts)


def _choice(dataset: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Whether all crystals were tried, in a sentence."""
    if not dataset["held_out"]:
        return "Figures on crystals that the network was trained on say little."
    config = model["config"]
    how = {"random": "at random, by id", "formula": "by formula"}[config["data"]["split_by"]]
    return (
        "**Only crystals that the network's own split keeps as its test set were tried** (split "
        f"{how}, seed {config['seed']}); {dataset['n_passed_over']:,} others were passed over."
    )


def _model(model: Mapping[str, Any]) -> str:
    temperature = model["temperature"]
    rows = (
        ("trained as", METHODS[model["method"]]),
        ("labelled", share(model["label_fraction"])),
        ("sources", ", ".join(model["data_sources"])),
        (f"step: {model['checkpoint']['reason']}", f"{model['checkpoint']['step']:,}"),
        ("temperature", "not calibrated" if temperature is None else f"{temperature:.3f}"),
        ("instrument", model["instrument"]),
        ("SHA-256 of its weights", f"`{model['sha256'][:12]}`"),
    )
    parts = ["## Network", sections.table(("", ""), rows, text_last=True)]
    if pretrained := model["pretrained"]:
        parts.append(beginning(pretrained))
    return "\n\n".join(parts)
