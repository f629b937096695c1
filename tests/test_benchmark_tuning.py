"""The comparison of hyper-parameters on what is held back for validation."""

import pytest
from random_report import random_report

from benchmarks import tuning
from benchmarks.table4_settings import Settings
from sgan_jax import report, report_page
from sgan_jax.config import validate


@pytest.fixture
def settings(tmp_path):
    return Settings("amcsd", "data", tmp_path / "runs", steps=1_060)


@pytest.mark.parametrize("method", ["supervised", "sgan"])
def test_every_variant_is_a_config_of_its_own_that_holds_patterns_back(settings, method):
    found = tuning.experiments("sg_10pct", method).values()
    runs = [settings.run(experiment, 0) for experiment in found]
    assert len({run.name for run in runs}) == len(runs)
    assert len({str(run.config) for run in runs}) == len(runs)
    for run in runs:
        validate(run.config)
        assert run.config.validation_fraction == 0.2


def test_the_best_by_validation_stands_first_whatever_the_test_says(settings):
    variants = tuning.experiments("bravais_10pct", "supervised")
    for name, reached, tested in (("as it is", 0.4, 0.9), ("warm-up", 0.5, 0.1)):
        run = settings.run(variants[name], 0)
        content = random_report(config=run.config)
        content["steps"] = 1_060
        content["checkpoint"]["validation_top1"] = reached
        content["test"]["top1"] = tested
        run.folder.mkdir(parents=True)
        report.write(run.folder, content, report_page.page)
    lines = tuning.table(settings, "bravais_10pct", "supervised").splitlines()[4:]
    assert lines[0].startswith("| warm-up ")
    assert "| 50.0 " in lines[0]
    assert lines[1].startswith("| as it is ")
    assert all("not run" in line for line in lines[2:])
    assert len(lines) == len(variants)
