import json
import os
from pathlib import Path

import pytest
from random_report import random_report

from configs import base
from sgan_jax import report
from sgan_jax.report_page import page

KEYS = {
    "dataset": "n_total n_labelled n_unlabelled n_test n_classes n_classes_present",
    "test": "top1 top5 crystal_system_top1 extinction_group_top1 nll ece prior_top1 prior_top5 "
    "top1_ci95",
    "throughput": "train_patterns_per_s input_wait_fraction",
}


@pytest.mark.parametrize("task", ["bravais_lattice", "space_group"])
def test_the_report_is_strict_json_with_every_key(tmp_path: Path, task: str):
    report.write(tmp_path, random_report(task), page)
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))
    for block, names in KEYS.items():
        assert set(names.split()) <= content[block].keys()
    assert (content["task"], content["method"], content["steps"]) == (task, "sgan", 500)
    assert (content["label_fraction"], content["split_by"], content["seed"]) == (0.1, "random", 0)
    assert content["config"] == base.get_config(task=task).to_dict()
    assert content["environment"]["versions"]["jax"]
    assert (content["test"]["extinction_group_top1"] is None) == (task == "bravais_lattice")
    assert content["per_class"][-1]["recall"] is None  # it has no test pattern


@pytest.mark.parametrize("task", ["bravais_lattice", "space_group"])
def test_the_classes_hold_the_whole_confusion_matrix(task: str):
    content = random_report(task)
    classes = content["per_class"]
    assert sum(entry["n_test"] for entry in classes) == content["dataset"]["n_test"]
    for entry in classes:
        assert sum(entry["predicted"].values()) == entry["n_test"]
        right = entry["predicted"].get(entry["name"], 0)
        assert entry["recall"] == (right / entry["n_test"] if entry["n_test"] else None)
    hits = sum(entry["predicted"].get(entry["name"], 0) for entry in classes)
    assert content["test"]["top1"] == pytest.approx(hits / content["dataset"]["n_test"])


def test_only_the_cores_that_the_run_may_use_are_told(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 7}, raising=False)
    assert report.environment()["cpu_count"] == 3


def test_the_page_links_the_pictures_that_are_there(tmp_path: Path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "confusion_matrix.png").touch()
    report.write(tmp_path, random_report(), page)
    text = (tmp_path / "report.md").read_text()
    assert "(figures/confusion_matrix.png)" in text
    assert "(figures/training_curves.png)" not in text
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"figures", "report.json", "report.md"}


def test_every_accuracy_on_the_screen_has_the_prior_beside_it():
    bravais = report.summary(random_report()).splitlines()
    assert [line.split("  ")[1] for line in bravais[1:]] == ["top-1", "top-5", "crystal system"]
    assert all("prior" in line for line in bravais[1:])
    assert "extinction group" in report.summary(random_report("space_group"))
