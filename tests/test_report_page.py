import re

import pytest
from random_report import random_report

from sgan_jax import report_page


@pytest.mark.parametrize("task", ["bravais_lattice", "space_group"])
def test_every_table_is_well_formed_and_nothing_is_missing(task):
    page = report_page.page(random_report(task))
    assert not re.search(r"\b(None|nan|null)\b", page)
    for table in re.findall(r"(?:^\|.*\|\n?)+", page, flags=re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(columns) == 1


def test_the_headline_puts_the_prior_beside_the_accuracy():
    report = random_report()
    page = report_page.page(report)
    headline = page.split("## ")[0]
    assert headline.startswith("# Bravais lattice, semi-supervised GAN, 10 % labelled")
    assert report_page.percent(report["test"]["top1"]) in headline
    assert report_page.percent(report["test"]["prior_top1"]) in headline


def test_the_paper_stands_beside_a_run_of_the_same_kind():
    row = next(line for line in report_page.page(random_report()).splitlines() if "top-1" in line)
    assert row.endswith("| 74.0 % |")


def test_few_classes_are_listed_many_are_summed():
    few = report_page.page(random_report())
    assert "| cI | 9 | 70 | 0 | – |" in few
    many = report_page.page(random_report("space_group"))
    assert "| cubic |" in many
    assert "The 10 least recognised of" in many
    assert many.count("(Fm-3m)") <= 1


def test_counts_and_reasons_are_told():
    page = report_page.page(random_report(classes_without_label=["cP", "cI"]))
    assert "| rejected: missing hydrogen | 1,234 |" in page
    assert "no label, and cannot be learnt:** cP, cI." in page
    assert "| real patterns trained on per second | 123 |" in page
    assert "| diversity of generated patterns | 0.125 |" in page
    assert "| diversity of those of an untrained generator | 0.250 |" in page
    assert "| D of generated patterns at the end, on average | 0.375 |" in page


def test_pictures_are_linked_in_a_fixed_order():
    page = report_page.page(
        random_report(), ["figures/reliability.png", "figures/class_distribution.png"]
    )
    links = re.findall(r"\]\((figures/\w+\.png)\)", page)
    assert links == ["figures/class_distribution.png", "figures/reliability.png"]
    assert "## Figures" not in report_page.page(random_report())


@pytest.mark.parametrize(("value", "text"), [(0.1234, "12.3 %"), (None, "–"), (1.0, "100.0 %")])
def test_percentages(value, text):
    assert report_page.percent(value) == text
