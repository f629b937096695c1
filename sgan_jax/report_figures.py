"""Which figures a run leaves in its folder, and what is shown in each."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from data_gen.symmetry import ClassList, hermann_mauguin
from sgan_jax import figures, metrics
from sgan_jax.dataset_index import Texts
from sgan_jax.evaluate import system_of_class
from sgan_jax.figures import PatternAxis
from sgan_jax.records import Patterns

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


def draw_examples(
    folder: Path,
    axis: PatternAxis,
    patterns: Patterns,
    space_groups: Int[np.ndarray, " n"],
    formulas: Texts,
    class_list: ClassList,
) -> None:
    """One pattern of each Bravais lattice, or of each crystal system for space groups.

    Args:
        folder: Where the PNG file goes.
        axis: Of all patterns.
        patterns: Patterns of the data set, all with a class in `class_list`.
        space_groups: Their space group numbers.
        formulas: Their compositions.
        class_list: What the classes are.
    """
    systems = system_of_class(class_list)
    labels = class_list.index_of_space_group[space_groups]
    groups = np.array(class_list.names if class_list.task == "bravais_lattice" else systems)
    shown, first = np.unique(groups[labels], return_index=True)
    order = np.argsort(labels[first])
    rows = first[order]
    titles = [
        f"{group}   {symbol_markup(hermann_mauguin(int(space_groups[row])))}   "
        f"{formula_markup(str(formulas[row]))}"
        for group, row in zip(shown[order], rows, strict=True)
    ]
    figure = figures.example_patterns(
        axis, patterns[rows], titles, [systems[label] for label in labels[rows]]
    )
    figures.save_figure(figure, folder / "example_patterns.png")


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
