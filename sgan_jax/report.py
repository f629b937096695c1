"""What is left behind for people and programs: `report.json` and `report.md`.

The JSON is strict (no NaN) and complete: tables of several runs are made from it alone. The page
in Markdown is made from the JSON's content and from the pictures that lie beside it.
"""

import importlib.metadata
import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from data_gen.parallel import available_cores
from data_gen.symmetry import ClassList, hermann_mauguin
from sgan_jax import metrics
from sgan_jax.paper import paper_figures
from sgan_jax.scoring import score, system_of_class
from sgan_jax.wording import MERITS, percent
from sgan_jax.workdir import write_atomically

JSON_FILE = "report.json"
MARKDOWN_FILE = "report.md"
FIGURES_FOLDER = "figures"

_PACKAGES = (
    "sgan_jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "numba",
    "gemmi",
    "periodictable",
    "larixite",
    "tensorflow-datasets",
)


def assemble(
    config: ConfigDict,
    class_list: ClassList,
    *,
    dataset: Mapping[str, Any],
    counts: Mapping[str, Int[np.ndarray, " k"]],
    logits: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    steps: int,
    checkpoint: Mapping[str, Any],
    throughput: Mapping[str, float | None],
    game: Mapping[str, Mapping[str, float]] | None = None,
    pretrained: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of `report.json`.

    Args:
        config: The run's config.
        class_list: What the classes are.
        dataset: Counts `n_total`, `n_labelled`, `n_unlabelled`, `n_validation`, `n_test`,
            `n_left_out` (in no class), `n_classes`, `n_classes_present`; the list
            `classes_without_label`; `fingerprint` of the data set and `rejected_by_reason`, the
            structures that could not serve.
        counts: Patterns per class under `labelled`, `unlabelled` and `test`.
        logits: Class logits of the test patterns.
        labels: Their true classes.
        steps: Training steps of the run.
        checkpoint: What was evaluated: `step`, the `reason` why, and its `validation_top1`.
        throughput: `train_patterns_per_s` and `input_wait_fraction`, None where not measured.
        game: Where there is a generator, `diversity`: `metrics.diversity` of its patterns
            (`generated`), of as many `real` ones and of those that it made before it learnt
            anything (`untrained`); and `discriminator`: its mean output D on `real` and on
            `generated` patterns when it was last logged, empty where that is not known.
        pretrained: `Pretrained.summary` of the weights that training started from, if not from
            random ones.

    Raises:
        InputError: There is no test pattern.
    """
    content = {
        "task": config.task,
        "method": config.method,
        "preset": config.preset,
        "label_fraction": config.label_fraction,
        "split_by": config.data.split_by,
        "seed": config.seed,
        "pretrained": pretrained,
        "steps": steps,
        "checkpoint": dict(checkpoint),
        "test": score(logits, labels, class_list, counts["labelled"]),
        "paper": paper_figures(config, class_list),
        "dataset": dict(dataset),
        "per_class": per_class(class_list, counts, metrics.confusion(logits, labels)),
        "throughput": dict(throughput),
        "diversity": None if game is None else game["diversity"],
        "discriminator": None if game is None else game["discriminator"],
        "environment": environment(),
        "config": config.to_dict(),
    }
    return strict(content)


def per_class(
    class_list: ClassList,
    counts: Mapping[str, Int[np.ndarray, " k"]],
    confusion: Int[np.ndarray, "k k"],
) -> list[dict[str, Any]]:
    """The report's `per_class`.

    Args:
        class_list: What the classes are.
        counts: Patterns per class, by subset.
        confusion: Of the test patterns.

    Returns:
        Counts, recall and what it was taken for (the row of the confusion matrix), by class.
    """
    recall = metrics.per_class_recall(confusion)
    names = class_list.names
    return [
        {
            "name": name,
            "symbol": name if class_list.task == "bravais_lattice" else hermann_mauguin(int(name)),
            "crystal_system": system,
            **{f"n_{subset}": count[index] for subset, count in counts.items()},
            "recall": recall[index],
            "predicted": {names[other]: row[other] for other in np.flatnonzero(row)},
        }
        for index, (name, system, row) in enumerate(
            zip(names, system_of_class(class_list), confusion, strict=True)
        )
    ]


def environment() -> dict[str, Any]:
    """Versions and devices that there are."""
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": available_cores(),
        "device_kind": devices[0].device_kind,
        "device_count": len(devices),
        "process_count": jax.process_count(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def strict(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same content in JSON's own types, with null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(name): strict(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def summary(content: Mapping[str, Any]) -> str:
    """A few lines for the screen, each accuracy beside the prior's."""
    test = content["test"]
    low, high = test["top1_ci95"]
    notes = {"top1": f"   95 % interval {percent(low)} to {percent(high)}"}
    lines = [f"test set of {content['dataset']['n_test']:,} patterns"]
    lines += [
        f"  {told or rank:<17} {percent(test[key]):>7}   "
        f"prior {percent(test[f'prior_{key}']):>7}{notes.get(key, '')}"
        for key, told, rank in MERITS
        if test[key] is not None
    ]
    return "\n".join(lines)


def as_json(content: Mapping[str, Any]) -> str:
    """The text of `report.json`."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(
    folder: Path,
    content: Mapping[str, Any],
    page: Callable[[Mapping[str, Any], Sequence[str]], str],
) -> None:
    """Writes `report.json` and `report.md`; pictures already in `figures/` are linked.

    Args:
        folder: Where they go.
        content: What `report.json` is to say.
        page: Makes the page of it and of links to the pictures.
    """
    write_atomically(folder / JSON_FILE, as_json(content))
    drawn = sorted(path.name for path in (folder / FIGURES_FOLDER).glob("*.png"))
    links = [f"{FIGURES_FOLDER}/{name}" for name in drawn]
    write_atomically(folder / MARKDOWN_FILE, page(content, links))
