from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from data_gen.symmetry import BRAVAIS_LATTICES, class_list
from sgan_jax import figures, metrics
from sgan_jax.scoring import system_of_class

AXIS = figures.angle_axis(np.linspace(3, 155, 200))
LISTS = {
    "bravais14": class_list("bravais_lattice", "bravais14"),
    "paper144": class_list("space_group", "paper144"),
    "all230": class_list("space_group", "all230"),
}


def some_patterns(m: int) -> np.ndarray:
    return np.random.default_rng(m).random((m, len(AXIS.points)))


def draw(figure: Figure) -> np.ndarray:
    """Draws the figure with every warning an error, and finds something on it."""
    image = figures.figure_to_image(figure)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert len(np.unique(image)) > 10
    return image


@pytest.mark.parametrize("name", LISTS)
def test_class_pictures_serve_any_class_list(name):
    classes = LISTS[name]
    systems = system_of_class(classes)
    k = len(classes.names)
    rng = np.random.default_rng(0)
    counts = {part: rng.integers(0, 3000, k) for part in ("labelled", "unlabelled", "test")}
    counts["labelled"][::3] = 0
    draw(figures.class_distribution(classes.names, systems, counts))
    confusion = rng.integers(0, 20, (k, k))
    confusion[2] = 0
    draw(figures.confusion_matrix(confusion, classes.names, systems))


def test_a_confusion_matrix_writes_percentages_and_counts():
    matrix = np.diag(np.full(14, 3))
    matrix[0, 1] = 1
    systems = system_of_class(LISTS["bravais14"])
    axes = figures.confusion_matrix(matrix, BRAVAIS_LATTICES, systems).axes[0]
    written = [text.get_text() for text in axes.texts]
    assert sorted(written) == sorted(["75", "25", *["100"] * 13])
    assert axes.get_yticklabels()[0].get_text() == "aP (4)"


def test_labels_of_a_picture_do_not_overlap():
    systems = system_of_class(LISTS["bravais14"])
    counts = {"labelled": np.arange(1, 15) * 100}
    figure = figures.class_distribution(BRAVAIS_LATTICES, systems, counts)
    draw(figure)
    axes = figure.axes[0]
    drawn = [*axes.texts, *axes.get_xticklabels(), figure.legends[0]]
    boxes = [item.get_window_extent() for item in drawn]
    pairs = ((a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert not any(a.overlaps(b) for a, b in pairs)


@pytest.mark.parametrize("m", [1, 7, 14])
def test_patterns_are_drawn_one_by_one(m):
    systems = system_of_class(LISTS["bravais14"])[:m]
    patterns = some_patterns(m)
    figure = figures.example_patterns(AXIS, patterns, BRAVAIS_LATTICES[:m], systems)
    drawn = {
        axes.get_title(loc="right"): axes.lines[0].get_ydata()
        for axes in figure.axes
        if axes.get_visible()
    }
    for name, pattern in zip(BRAVAIS_LATTICES[:m], patterns, strict=True):
        np.testing.assert_array_equal(drawn.pop(name), pattern)
    assert not drawn
    draw(figure)


def test_generated_patterns_stand_beside_real_ones():
    figure = figures.generated_patterns(AXIS, some_patterns(3), some_patterns(3) / 2)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["real", "generated"]
    draw(figure)


def test_training_curves_show_what_was_recorded():
    steps = np.arange(1, 400)
    noise = np.random.default_rng(0).random(len(steps))
    history = {
        "loss/supervised": (steps, noise),
        "accuracy/labelled_batch": (steps, noise),
        "accuracy/test": (steps[::100], noise[::100]),
        "norm/gradient_supervised": (steps, noise),
    }
    figure = figures.training_curves(history, prior_top1=0.2)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss (nats)", "top-1 accuracy"]
    _, legend = figure.axes[1].get_legend_handles_labels()
    assert legend == ["training batch", "test", "prior"]
    draw(figure)


def test_reliability_diagram_of_a_few_answers():
    logits = np.random.default_rng(0).normal(size=(50, 4))
    labels = np.arange(50) % 4
    error = metrics.expected_calibration_error(logits, labels)
    figure = figures.reliability_diagram(metrics.reliability(logits, labels), error)
    assert f"{100 * error:.1f} %" in figure.axes[0].get_title(loc="left")
    draw(figure)


def test_the_house_style_stays_inside():
    before = dict(mpl.rcParams)
    figures.generated_patterns(AXIS, some_patterns(1), some_patterns(1))
    assert dict(mpl.rcParams) == before


def test_figures_are_saved_whole(tmp_path: Path):
    path = tmp_path / "figures" / "patterns.png"
    figure = figures.generated_patterns(AXIS, some_patterns(1), some_patterns(1))
    figures.save_figure(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(path.parent.iterdir()) == [path]
