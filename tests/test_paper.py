"""The paper's figures have one home; what the config files and the README say agrees with it."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from configs import base
from data_gen.symmetry import class_list
from sgan_jax.config import classes_of
from sgan_jax.paper import paper_figures

ROOT = Path(__file__).resolve().parents[1]
PERCENTAGES = {"5": 0.05, "10": 0.1, "25": 0.25, "50": 0.5, "90": 0.9}
COLUMNS = [
    (task, method)
    for task in ("bravais_lattice", "space_group")
    for method in ("sgan", "supervised")
]


def figures_of(method: str, **experiment: object) -> dict[str, float] | None:
    config = base.get_config(method, **experiment)
    return paper_figures(config, classes_of(config, np.zeros(231, int)))


def test_the_paper_has_figures_for_its_own_rows_alone():
    assert figures_of("sgan", label_fraction=0.05) == {"top1": 0.70}
    assert figures_of("sgan", label_fraction=0.3) is None
    assert figures_of("supervised", task="space_group", label_fraction=0.9) == {
        "top1": 0.806,
        "top5": 0.903,
    }
    config = base.get_config("supervised", task="space_group", label_fraction=0.9)
    assert paper_figures(config, class_list("space_group", "all230")) is None
    assert paper_figures(config, class_list("space_group", "paper144"))
    for field in ("data.labelled_sources", "pretrained"):
        with_more = config.copy_and_resolve_references()
        with_more.update_from_flattened_dict({field: "more"})
        assert paper_figures(with_more, class_list("space_group", "paper144")) is None


@pytest.mark.parametrize("percentage", PERCENTAGES)
@pytest.mark.parametrize("task", ["bravais", "sg"])
def test_config_files_tell_the_papers_figures(task, percentage):
    module = importlib.import_module(f"configs.{task}_{percentage}pct")
    config = module.get_config()
    assert module.__doc__
    (expected,) = re.findall(r"Expected: (.*)", module.__doc__)
    told = [float(number) / 100 for number in re.findall(r"([\d.]+) %", expected)]
    methods = ("sgan", "supervised") if config.method == "sgan" else ("supervised",)
    figures = [
        figures_of(method, task=config.task, label_fraction=config.label_fraction) or {}
        for method in methods
    ]
    assert told == pytest.approx([value for row in figures for value in row.values()])


def test_readme_tells_the_papers_figures():
    text = (ROOT / "README.md").read_text()
    for percentage, fraction in PERCENTAGES.items():
        (row,) = re.findall(rf"^\| {percentage} % \|(.*)\|$", text, re.MULTILINE)
        for (task, method), cell in zip(COLUMNS, row.split("|"), strict=True):
            told = [float(number) / 100 for number in re.findall(r"\d\d[.\d]*", cell)]
            figures = figures_of(method, task=task, label_fraction=fraction) or {}
            assert told == pytest.approx(list(figures.values()))
