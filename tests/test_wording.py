"""How things are named and numbers are written."""

import pytest
from random_report import random_report

from sgan_jax import config, wording
from sgan_jax.wording import MERITS, percent, points, share


@pytest.mark.parametrize("table", [wording.METHODS, wording.SHORT_METHODS])
def test_every_method_has_its_names(table):
    assert set(table) == set(config.METHODS)


@pytest.mark.parametrize("task", wording.TASKS)
def test_every_figure_of_merit_is_in_a_report_beside_the_priors(task):
    test = random_report(task)["test"]
    assert {merit.key for merit in MERITS} | {f"prior_{merit.key}" for merit in MERITS} <= set(test)


def test_figures_of_merit_are_named_with_and_without_the_classes():
    assert [merit.name() for merit in MERITS[:3]] == ["top-1", "top-5", "crystal system, top-1"]
    named = [merit.name("space group") for merit in MERITS]
    assert named[1:3] == ["space group, top-5", "crystal system, top-1"]


def test_fractions_are_written_in_per_cent():
    assert (points(0.4156), percent(0.4156)) == ("41.6", "41.6 %")
    assert (points(None), percent(None)) == ("", "–")
    assert [share(fraction) for fraction in (0.05, 0.1, 0.07, 0.12345)] == [
        "5 %",
        "10 %",
        "7 %",
        "12.3 %",
    ]
