from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from data_gen.symmetry import class_list
from sgan_jax import figures, report_figures

AXIS = figures.angle_axis(np.linspace(3, 155, 50))
PATTERNS = np.random.default_rng(0).random((6, 50))
SPACE_GROUPS = np.array([225, 62, 227, 14, 62, 167])
FORMULAS = ("NaCl", "CaTiO3", "Si", "ZrO2", "Fe2SiO4", "Al2O3")


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Figures by the name of their file, instead of the files."""
    kept: dict[str, Figure] = {}
    monkeypatch.setattr(
        figures, "save_figure", lambda figure, path: kept.update({path.name: figure})
    )
    return kept


@pytest.mark.parametrize(
    ("task", "classes", "expected"),
    [
        (
            "bravais_lattice",
            "bravais14",
            ["mP   P21/c", "oP   Pnma", "hR   R$\\overline{3}$c", "cF   Fm$\\overline{3}$m"],
        ),
        (
            "space_group",
            "paper144",
            [
                "monoclinic   P21/c",
                "orthorhombic   Pnma",
                "trigonal   R$\\overline{3}$c",
                "cubic   Fm$\\overline{3}$m",
            ],
        ),
    ],
)
def test_one_example_of_each_lattice_or_system(saved, task, classes, expected):
    listed = class_list(task, classes)
    rows = report_figures.example_rows(listed, SPACE_GROUPS)
    report_figures.draw_examples(
        Path(), AXIS, PATTERNS[rows], SPACE_GROUPS[rows], np.array(FORMULAS)[rows], listed
    )
    axes = saved["example_patterns.png"].axes
    formulas = ["ZrO$_{2}$", "CaTiO$_{3}$", "Al$_{2}$O$_{3}$", "NaCl"]
    titles = [f"{head}   {tail}" for head, tail in zip(expected, formulas, strict=True)]
    assert [panel.get_title(loc="right") for panel in axes] == titles
    for panel, row in zip(axes, (3, 1, 5, 0), strict=True):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), PATTERNS[row])


def test_no_curves_without_a_history(saved):
    report_figures.draw_training(Path(), {}, 0.1)
    assert saved == {}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Mg0.9Fe0.1O", "Mg$_{0.9}$Fe$_{0.1}$O"),
        ("Si", "Si"),
        (
            "Al2Ca3Fe12H24K2Mg11Na3O77Si30Ti5",
            "Al$_{2}$Ca$_{3}$Fe$_{12}$H$_{24}$K$_{2}$Mg$_{11}$Na$_{3}$O$_{77}$…",
        ),
    ],
)
def test_formulas_get_lowered_numbers_and_are_cut_short(formula, expected):
    assert report_figures.formula_markup(formula) == expected


def test_rotoinversion_axes_get_a_bar():
    assert report_figures.symbol_markup("F-43m") == "F$\\overline{4}$3m"
    assert report_figures.symbol_markup("P63/mmc") == "P63/mmc"


def test_an_evaluation_leaves_three_pictures(tmp_path: Path):
    classes = class_list("bravais_lattice", "bravais14")
    labels = np.arange(28) % 14
    counts = {"labelled": np.arange(14), "test": np.full(14, 2)}
    logits = np.random.default_rng(0).normal(size=(28, 14))
    report_figures.draw_evaluation(tmp_path, classes, counts, logits, labels)
    assert {path.name for path in tmp_path.iterdir()} == {
        "class_distribution.png",
        "confusion_matrix.png",
        "reliability.png",
    }
