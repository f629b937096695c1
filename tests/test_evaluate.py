"""`python -m sgan_jax.evaluate` as a user meets it."""

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from sgan_jax import evaluation_page
from sgan_jax.classifier import load_classifier
from sgan_jax.evaluate import main
from sgan_jax.trained import packaged
from sgan_jax.workdir import CONFIG_FILE
from tests.fixed_classifier import FIRST, GROUPS, LATTICES, write_classifier

ROOT = Path(__file__).resolve().parents[1]
HALITE = ROOT / "tests" / "data" / "halite.cif"
LIMIT = 40


def run(*flags: object) -> int:
    return main([str(flag) for flag in flags])


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Folder with a classifier of measured patterns and one of ideal patterns."""
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder / "measured", LATTICES, grid="log_d")
    write_classifier(folder / "plain", GROUPS, grid=None)
    return folder


@pytest.fixture(scope="module")
def finished(models, data_dir, environment, tmp_path_factory):
    """Folder of an evaluation by the command, and what that said."""
    folder = tmp_path_factory.mktemp("evaluation")
    command = [sys.executable, "-m", "sgan_jax.evaluate", "--model=measured-bravais"]
    command += ["--sources=amcsd", f"--limit={LIMIT}", f"--data_dir={data_dir}"]
    command += [f"--out={folder / 'out'}", f"--json={folder / 'report.json'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_it_leaves_a_report_and_figures(finished):
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == {"out", "report.json"}
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"figures", "report.json", "report.md"}
    assert {path.stem for path in (folder / "out" / "figures").iterdir()} == {
        "class_distribution",
        "confusion_matrix",
        "example_patterns",
        "reliability",
    }
    text = (folder / "report.json").read_text()
    assert (folder / "out" / "report.json").read_text() == text


def test_the_report_says_what_was_asked_and_how_it_went(finished):
    folder, _ = finished
    text = (folder / "report.json").read_text()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))
    dataset, model = report["dataset"], report["model"]
    assert (report["task"], model["name"]) == ("bravais_lattice", "measured-bravais")
    training = load_classifier(packaged()["measured-bravais"]).description["training"]
    assert model["test"] == training["test"]
    assert (dataset["sources"], dataset["limit"], dataset["n_structures"]) == (
        "amcsd",
        LIMIT,
        LIMIT,
    )
    assert dataset["n_test"] + sum(dataset["rejected_by_reason"].values()) == LIMIT
    assert dataset["n_left_out"] == dataset["n_passed_over"] == 0
    assert not dataset["held_out"]
    assert len(dataset["fingerprint"]) == 64
    assert report["test"]["top1"] > report["test"]["prior_top1"]
    assert sum(entry["n_test"] for entry in report["per_class"]) == dataset["n_test"]
    assert (
        sum(entry["n_labelled"] for entry in report["per_class"])
        == (training["dataset"]["n_labelled"])
    )


def test_the_page_is_well_formed(finished):
    page = (finished[0] / "out" / "report.md").read_text()
    assert page.startswith("# Bravais lattice by `measured-bravais`\n")
    assert not re.search(r"\b(None|nan|null)\b", page)
    for table in re.findall(r"(?:^\|.*\|\n?)+", page, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1
    assert page.count("](figures/") == 4


def test_the_page_tells_what_the_training_started_from(finished):
    content = json.loads((finished[0] / "out" / "report.json").read_text())
    content["dataset"]["classes_without_label"] = ["cP"]
    page = evaluation_page.page(content)
    assert "**Classes that the network was never shown, and cannot name:** cP." in page
    assert "started from" not in page
    content["model"]["pretrained"] = FIRST
    page = evaluation_page.page(content)
    assert "**Classes that the network's last training had none of:** cP." in page
    assert "Training started from the weights of `first` (`0123456789ab`)" in page


def test_the_screen_tells_progress_and_result(finished):
    folder, done = finished
    assert "asking: 100%" in done.stderr
    assert f"{LIMIT} structures: " in done.stdout
    assert done.stdout.endswith(f"report: {folder / 'out' / 'report.md'}\n")
    assert "Warning" not in done.stderr


def test_an_ideal_classifier_is_told_of_groups_that_it_does_not_know(models, data_dir, tmp_path):
    flags = ["--sources=amcsd", f"--limit={LIMIT}", f"--data_dir={data_dir}"]
    assert run(f"--model={models / 'plain'}", *flags, f"--out={tmp_path}") == 0
    dataset = json.loads((tmp_path / "report.json").read_text())["dataset"]
    left_out = dataset["left_out_by_space_group"]
    assert dataset["n_left_out"] == sum(left_out.values()) > 0
    assert left_out.keys().isdisjoint(GROUPS)
    assert dataset["simulated"] == "ideal patterns of bt1_ge311"
    page = (tmp_path / "report.md").read_text()
    assert f"left out: space group in no class | {dataset['n_left_out']} |" in page
    assert "Counted as wrong answers, they would make top-1" in page


def test_only_what_was_held_out(data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--model=bravais", "--sources=amcsd", f"--limit={LIMIT}", f"--data_dir={data_dir}"]
    assert run(*flags, "--held_out") == 0
    out = tmp_path / "evaluations" / "bravais-amcsd-held_out"
    dataset = json.loads((out / "report.json").read_text())["dataset"]
    passed = dataset["n_passed_over"]
    assert dataset["held_out"]
    assert 0 < dataset["n_test"] < passed
    assert passed + dataset["n_test"] + sum(dataset["rejected_by_reason"].values()) == LIMIT
    assert f"{dataset['n_test']} tried, {passed} not held out, " in capsys.readouterr().out
    page = (out / "report.md").read_text()
    assert f"(split by formula, seed 0); {passed} others were passed over." in page
    assert f"| passed over: not held out | {passed} |" in page
    assert "trained on say little" not in page
    before = (out / "report.json").read_text()
    assert run(*flags, f"--out={out}") == 2
    assert "or only on what was held out; name another" in capsys.readouterr().err
    assert (out / "report.json").read_text() == before


def archive(path: Path, **members: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            entry = tarfile.TarInfo(f"{name}.cif")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_broken_structures_are_counted_by_reason(models, data_dir, tmp_path, capsys):
    halite = HALITE.read_text()
    source = archive(
        tmp_path / "mixed.tar.gz", whole=halite, cut=halite[:300], foreign="a page of a diary"
    )
    out = tmp_path / "out"
    flags = [f"--model={models / 'plain'}", f"--sources={source}", f"--data_dir={data_dir}"]
    assert run(*flags, f"--out={out}") == 0
    dataset = json.loads((out / "report.json").read_text())["dataset"]
    assert dataset["n_test"] == 1
    assert dataset["rejected_by_reason"] == {"no atoms": 1, "unreadable": 1}
    assert "2 rejected (" in capsys.readouterr().out


def test_without_a_folder_it_is_named_after_model_and_sources(
    models, data_dir, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flags = [f"--sources={HALITE}", f"--data_dir={data_dir}"]
    assert run(f"--model={models / 'plain'}", *flags) == 0
    assert (tmp_path / "evaluations" / "plain-halite.cif" / "report.md").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model=nothing"], "no model 'nothing'"),
        (["--sources=nothing"], "source 'nothing' does not exist"),
        (["--sources="], "no sources given"),
        (["--sources=EMPTY"], "holds no structures"),
        (["--sources=BROKEN"], "all 1 structures were rejected"),
        (["--limit=0"], "limit is 0"),
        (["--held_out"], "does not say how its data were split ('seed' is missing)"),
        (["--held_out", "--model=bravais"], "none of the 1 crystals is in the model's test set"),
        (["--json=EMPTY"], "is a folder; name a file in it"),
        (["--out=BROKEN"], "give a place that can be written"),
        (["--out=EMPTY/run"], "has the report of a training run"),
    ],
)
def test_mistakes_are_short_errors(models, data_dir, tmp_path, capsys, flags, words):
    (tmp_path / "empty" / "run").mkdir(parents=True)
    (tmp_path / "empty" / "run" / CONFIG_FILE).touch()
    (tmp_path / "broken.cif").write_text("data_broken\n")
    places = {"EMPTY": str(tmp_path / "empty"), "BROKEN": str(tmp_path / "broken.cif")}
    for name, place in places.items():
        flags = [flag.replace(name, place) for flag in flags]
    usual = [f"--model={models / 'plain'}", f"--sources={HALITE}", f"--out={tmp_path / 'out'}"]
    assert run(*usual, f"--data_dir={data_dir}", *flags) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert words in error
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_say_how_it_was_trained(data_dir, tmp_path, capsys):
    folder = write_classifier(tmp_path / "model", LATTICES)
    description = json.loads((folder / "model.json").read_text())
    del description["training"]["config"]
    (folder / "model.json").write_text(json.dumps(description))
    flags = [f"--sources={HALITE}", f"--data_dir={data_dir}", f"--out={tmp_path / 'out'}"]
    assert run(f"--model={folder}", *flags) == 2
    assert "does not say how it was trained ('config' is missing)" in capsys.readouterr().err


def test_a_report_on_something_else_is_not_overwritten(finished, models, capsys):
    out = finished[0] / "out"
    before = (out / "report.json").read_text()
    assert run(f"--model={models / 'plain'}", "--sources=amcsd", f"--out={out}") == 2
    assert "another model, other sources or another limit" in capsys.readouterr().err
    command = ["--model=measured-bravais", "--sources=amcsd", f"--limit={LIMIT}", f"--out={out}"]
    assert run(*command, "--held_out") == 2
    assert "or on more than was held out; name another" in capsys.readouterr().err
    assert (out / "report.json").read_text() == before
