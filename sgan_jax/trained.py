"""The classifiers that come with the package, by name, and those of others, by their folder."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from data_gen.errors import InputError
from sgan_jax.classifier import DESCRIPTION_FILE, Classifier, load_classifier

DEFAULTS = {"bravais_lattice": "measured-bravais", "space_group": "measured-space-group"}
"""Which classifier of the package answers a task where none is named."""

TASKS = tuple(DEFAULTS)


def packaged() -> dict[str, Path]:
    """Folders of the classifiers that come with the package, by name."""
    root = Path(str(resources.files("sgan_jax"))) / "weights"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{DESCRIPTION_FILE}"))}


def find(name: str, by: str = "--model") -> Path:
    """The folder of a classifier.

    Args:
        name: One of `packaged()`, or a folder.
        by: By what the user named it.

    Raises:
        InputError: It is neither.
    """
    known = packaged()
    if name in known:
        return known[name]
    if Path(name).is_dir():
        return Path(name)
    raise InputError(
        f"no model {name!r}: it is neither a folder nor one of those that come with this package "
        f"({', '.join(known) or 'none in this installation'}); name one by {by}"
    )


def load(tasks: Sequence[str], models: Sequence[str] = ()) -> list[Classifier]:
    """The classifiers of tasks.

    Args:
        tasks: Of `DEFAULTS`.
        models: Names or folders of classifiers that take the place of the package's own.

    Returns:
        One per task, in their order.

    Raises:
        InputError: A model cannot be read, or is for none of the tasks, or two are for one.
    """
    named: dict[str, Classifier] = {}
    for model in models:
        classifier = load_classifier(find(model))
        if classifier.task not in tasks or classifier.task in named:
            wanted = " and ".join(task for task in tasks if task not in named) or "nothing more"
            raise InputError(
                f"model {model} answers {classifier.task}, but {wanted} is asked for; change "
                "--task or --model"
            )
        named[classifier.task] = classifier
    return [named.get(task) or load_classifier(find(DEFAULTS[task])) for task in tasks]
