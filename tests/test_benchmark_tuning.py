"""The comparison of hyper-parameters on what is held back for validation."""

import pytest
from random_report import random_report

from benchmarks import tuning
from benchmarks.table4_matrix import Experiment
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
        for change in run.experiment.changes:
            assert change.partition("=")[0].rpartition(".")[2] in run.name
    for run in runs:
        validate(run.config)
        held_back = run.config.label_fraction * run.config.validation_fraction
        assert held_back == pytest.approx(0.2, abs=1e-4)
        assert run.config.label_fraction - held_back == pytest.approx(0.1, abs=1e-4)


def finish(settings: Settings, experiment: Experiment, reached: float, tested: float) -> None:
    """Leaves what a run leaves that has ended well."""
    run = settings.run(experiment, 0)
    content = random_report(config=run.config)
    content["steps"] = 1_060
    content["checkpoint"]["validation_top1"] = reached
    content["dataset"]["n_validation"] = 100
    content["test"]["top1"] = tested
    run.folder.mkdir(parents=True)
    report.write(run.folder, content, report_page.page)


def test_the_best_by_validation_stands_first_whatever_the_test_says(settings):
    variants = tuning.experiments("bravais_10pct", "supervised")
    finish(settings, variants["as it is"], reached=0.4, tested=0.9)
    finish(settings, variants["no warm-up"], reached=0.5, tested=0.1)
    text = tuning.table(settings, "bravais_10pct", "supervised")
    _, _, *lines = (line for line in text.splitlines() if line.startswith("|"))
    assert lines[0].startswith("| no warm-up ")
    assert "| 50.0 ± 5.0 " in lines[0]
    assert lines[1].startswith("| as it is ")
    assert all("not run" in line for line in lines[2:])
    assert len(lines) == len(variants)


def test_both_methods_are_tried_as_often():
    assert len(tuning.VARIANTS["supervised"]) == len(tuning.VARIANTS["sgan"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config=quickstart"], "invalid choice: 'quickstart'"),
        (["--seeds=0"], "--seeds=0: give at least 1"),
        (["--out=."], "is a folder"),
    ],
)
def test_bad_options_end_in_one_line_before_anything_is_run(flags, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        tuning.main([f"--runs={tmp_path / 'runs'}", f"--out={tmp_path / 'page.md'}", *flags])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_what_is_finished_is_not_run_again(settings, tmp_path, capsys):
    for experiment in tuning.experiments("sg_10pct", "supervised").values():
        finish(settings, experiment, reached=0.5, tested=0.5)
    page = tmp_path / "page.md"
    flags = [f"--runs={settings.runs}", f"--out={page}", "--steps=1060", "--method=supervised"]
    assert tuning.main([*flags, "--config=sg_10pct"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert "not run" not in page.read_text()


def test_only_written_what_is_not_finished_says_so(settings, tmp_path, capsys):
    finish(settings, tuning.experiments("sg_10pct", "sgan")["as it is"], reached=0.5, tested=0.4)
    page = tmp_path / "page.md"
    flags = [f"--runs={settings.runs}", f"--out={page}", "--steps=1060", "--config=sg_10pct"]
    assert tuning.main([*flags, "--write_only"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    text = page.read_text()
    assert text.count("| 50.0 ± 5.0 ") == 1
    assert text.count("\n1,060 steps each.") == 1
    variants = [name for method in tuning.VARIANTS.values() for name in method]
    assert text.count("| not run ") == len(variants) - 1
    kept = [f"--runs={tmp_path / 'page-reports'}", f"--out={tmp_path / 'again.md'}"]
    assert tuning.main([*kept, "--steps=1060", "--config=sg_10pct", "--write_only"]) == 0
    assert (tmp_path / "again.md").read_text() == text
