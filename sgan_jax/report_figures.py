"""Which figures a run or an evaluation leaves in its folder, and what is shown in each."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from data_gen.symmetry import ClassList, hermann_mauguin
from sgan_jax import figures, metrics
from sgan_jax.dataset_index import Texts
from sgan_jax.figures import PatternAxis
from sgan_jax.scoring import system_of_class

_LONGEST_FORMULA = 26


def draw_evaluation(
    folder: Path,
    class_list: ClassList,
    counts: Mapping[str, Int[np.ndarray, " k"]],
    logits: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
) -> None:
    """Class distribution, confusion matrix and reliability diagram.

    Args:
        folder: Where the PNG files go.
        class_list: What the classes are.
        counts: Patterns per class, by subset.
        logits: Class logits of the test patterns.
        labels: Their true classes.
    """
    names, systems = class_list.names, system_of_class(class_list)
    drawn = {
        "class_distribution": figures.class_distribution(names, systems, counts),
        "confusion_matrix": figures.confusion_matrix(
            metrics.confusion(logits, labels), names, systems
        ),
        "reliability": figures.reliability_diagram(
            metrics.reliability(logits, labels), metrics.expected_calibration_error(logits, labels)
        ),
    }
    for name, figure in drawn.items():
        figures.save_figure(figure, folder / f"{name}.png")


def example_rows(
    class_list: ClassList, space_groups: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """The first pattern of each Bravais lattice, or of each crystal system for space groups.

    Args:
        class_list: What the classes are.
        space_groups: Space group numbers, all with a class.
    """
    labels = class_list.index_of_space_group[space_groups]
    _, first = np.unique(_example_groups(class_list)[labels], return_index=True)
    return first[np.argsort(labels[first])]


def draw_examples(
    folder: Path,
    axis: PatternAxis,
    patterns: Float[np.ndarray, "m grid"],
    space_groups: Int[np.ndarray, " m"],
    formulas: Texts,
    class_list: ClassList,
) -> None:
    """Some patterns with their formulas and symmetry.

    Args:
        folder: Where the PNG file goes.
        axis: Of all patterns.
        patterns: Patterns, best those of `example_rows`.
        space_groups: Their space group numbers.
        formulas: Their compositions.
        class_list: What the classes are.
    """
    labels = class_list.index_of_space_group[space_groups]
    titles = [
        f"{group}   {symbol_markup(hermann_mauguin(int(number)))}   {formula_markup(str(formula))}"
        for group, number, formula in zip(
            _example_groups(class_list)[labels], space_groups, formulas, strict=True
        )
    ]
    systems = np.array(system_of_class(class_list))[labels]
    figure = figures.example_patterns(axis, patterns, titles, systems.tolist())
    figures.save_figure(figure, folder / "example_patterns.png")


def _example_groups(class_list: ClassList) -> Shaped[np.ndarray, " k"]:
    """What an example is shown of, for each class."""
    lattices = class_list.task == "bravais_lattice"
    return np.array(class_list.names if lattices else system_of_class(class_list))


def draw_training(
    folder: Path, history: Mapping[str, tuple[np.ndarray, np.ndarray]], prior_top1: float
) -> None:
    """The training curves, where there is a history.

    Args:
        folder: Where the PNG file goes.
        history: Scalar name → steps and values.
        prior_top1: Test accuracy of always naming the most frequent class.
    """
    if history:
        figure = figures.training_curves(history, prior_top1)
        figures.save_figure(figure, folder / "training_curves.png")


def draw_generated(
    folder: Path,
    axis: PatternAxis,
    generated: Float[np.ndarray, "m grid"],
    real: Float[np.ndarray, "m grid"],
) -> None:
    """Patterns of the generator beside real ones.

    Args:
        folder: Where the PNG file goes.
        axis: Of all patterns.
        generated: Patterns of the generator.
        real: As many patterns of the data set.
    """
    figure = figures.generated_patterns(axis, generated, real)
    figures.save_figure(figure, folder / "generated_patterns.png")


def symbol_markup(symbol: str) -> str:
    """A Hermann–Mauguin symbol with its rotoinversion axes overlined, e.g. Fm-3m → Fm3̅m."""
    return re.sub(r"-(\d)", r"$\\overline{\1}$", symbol)


def formula_markup(formula: str) -> str:
    """A formula with its numbers lowered, cut short after an element if it is long."""
    if len(formula) > _LONGEST_FORMULA:
        formula = re.sub(r"[A-Z][^A-Z]*$", "…", formula[:_LONGEST_FORMULA])
    return re.sub(r"(\d+(?:\.\d+)?)", r"$_{\1}$", formula)
