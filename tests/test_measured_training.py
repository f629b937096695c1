"""The whole way of a network for measured patterns: training, export, prediction."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgan_jax.classifier import load_classifier
from tests.test_unlabelled import write

ROOT = Path(__file__).resolve().parents[1]


def run(module: str, *flags: object, env) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, flags)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory, data_dir, environment) -> Path:
    """An SGAN's classifier, trained with measured patterns among the unlabelled ones."""
    folder = tmp_path_factory.mktemp("measured")
    for number in range(3):
        write(folder / "unlabelled" / f"{number}.xy")
    run(
        "sgan_jax.main",
        "--config=configs/measured.py:bravais_lattice,sgan",
        f"--workdir={folder / 'run'}",
        f"--config.data.dir={data_dir}",
        f"--config.data.unlabelled_measured={folder / 'unlabelled'}",
        "--config.data.limit=300",
        "--config.batch_size=8",
        "--config.num_steps=4",
        "--config.optimizer.warmup_steps=2",
        "--config.validation_fraction=0.2",
        env=environment,
    )
    out = folder / "model"
    run("sgan_jax.export", f"--workdir={folder / 'run'}", f"--out={out}", env=environment)
    return out


def test_a_run_leaves_its_report_and_pictures(model):
    report = json.loads((model.with_name("run") / "report.json").read_text())
    assert report["dataset"]["n_unlabelled"] == 0
    assert report["dataset"]["n_unlabelled_measured"] == 3
    assert report["config"]["augmentation"]["enabled"]
    figures = {path.name for path in (model.with_name("run") / "figures").iterdir()}
    assert {"example_patterns.png", "generated_patterns.png", "reliability.png"} <= figures


def test_the_exported_classifier_is_calibrated_for_measured_patterns(model):
    classifier = load_classifier(model)
    assert classifier.coverage_channel
    assert classifier.grid is not None
    assert classifier.grid.axis == "log_d"
    assert classifier.temperature is not None
    assert classifier.energy_threshold is not None
    assert classifier.takes_roots
    assert '"unlabelled_measured"' not in (model / "model.json").read_text()


def test_it_answers_the_command(model, environment, tmp_path):
    write(tmp_path / "pattern.xy")
    shown = run(
        "sgan_jax.predict",
        tmp_path / "pattern.xy",
        "--task=bravais_lattice",
        f"--model={model}",
        "--json",
        env=environment,
    )
    (answer,) = json.loads(shown)
    assert answer["answered"] == bool(answer["bravais_lattice"]) == (answer["error"] is None)
    assert (answer["wavelength"], answer["radiation"]) == (1.54, "neutron")
    assert answer["space_group"] == []
    assert answer["error"] is None or "unlike anything" in answer["error"]
    if answer["answered"]:
        probabilities = [each["probability"] for each in answer["bravais_lattice"]]
        assert len(probabilities) == 5
        assert np.all(np.diff(probabilities) <= 0)
