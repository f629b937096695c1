"""The command itself, as a user gives it, in processes of its own on a tiny data set."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configs import quickstart
from data_gen.errors import InputError
from sgan_jax.checkpoint import FOLDER as CHECKPOINTS
from sgan_jax.tensorboard import FOLDER as EVENTS
from sgan_jax.tensorboard import read_history
from sgan_jax.train import train_and_evaluate

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = "--config=configs/quickstart.py"
STEPS = 12


@pytest.fixture(scope="module")
def tiny(data_dir):
    """Overrides that make an experiment small."""
    fields = {
        "data.dir": data_dir,
        "data.limit": 200,
        "data.workers": 1,
        "batch_size": 8,
        "num_steps": STEPS,
        "log_every": 2,
        "eval_every": 6,
        "checkpoint_every": 3,
    }
    return [f"--config.{name}={value}" for name, value in fields.items()]


def start(*arguments: object, env) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "sgan_jax.main", *map(str, arguments)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: object, env) -> subprocess.CompletedProcess:
    process = start(*arguments, env=env)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def finished(tiny, environment, tmp_path_factory):
    """Folder of a run that was never interrupted, and what it said."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    done = run(QUICKSTART, f"--workdir={workdir}", *tiny, env=environment)
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_run_leaves_a_report_figures_and_checkpoints(finished):
    workdir, done = finished
    report = json.loads((workdir / "report.json").read_text())
    assert report["steps"] == STEPS
    assert report["dataset"]["n_test"] > 0
    assert 0 <= report["test"]["top1"] <= 1
    assert report["throughput"]["train_patterns_per_s"] > 0
    assert 0 <= report["throughput"]["input_wait_fraction"] <= 1
    assert all(0 <= report["diversity"][which] <= 1 for which in ("generated", "untrained", "real"))
    history = read_history(workdir)
    for which, tag in (("real", "discriminator/real"), ("generated", "discriminator/fake")):
        assert report["discriminator"][which] == pytest.approx(history[tag][1][-1])
    assert "| diversity of generated patterns | " in (workdir / "report.md").read_text()
    pictures = {path.stem for path in (workdir / "figures").glob("*.png")}
    assert pictures >= {
        "class_distribution",
        "example_patterns",
        "confusion_matrix",
        "training_curves",
        "generated_patterns",
    }
    assert sorted(os.listdir(workdir / CHECKPOINTS)) == ["12", "9"]
    assert "top-1" in done.stdout
    assert "prior" in done.stdout


def test_run_tells_how_it_goes(finished):
    _, done = finished
    assert f"step 4/{STEPS} | loss " in done.stderr
    assert "patterns/s" in done.stderr
    assert "left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_event_file_holds_the_history(finished):
    history = read_history(finished[0])
    assert set(history) >= {
        "loss/supervised",
        "loss/unsupervised",
        "loss/generator",
        "loss/contrast",
        "discriminator/real",
        "discriminator/fake",
        "accuracy/labelled",
        "accuracy/unlabelled",
        "accuracy/test",
        "diversity/generated",
        "diversity/real",
        "speed/patterns_per_s",
        "speed/input_wait_fraction",
    }
    assert any(name.startswith("norm/gradient") for name in history)
    assert any(name.startswith("norm/parameter") for name in history)
    assert any(name.startswith("norm/update") for name in history)
    assert list(history["loss/supervised"][0]) == [1, 2, 3, 4, 6, 8, 9, 10, 12]
    assert list(history["accuracy/test"][0]) == [6, 12]
    events = EventAccumulator(str(finished[0] / EVENTS))
    events.Reload()
    assert set(events.Tags()["images"]) == {"confusion_matrix", "generated_patterns"}


def test_evaluation_alone_gives_the_same_report(finished, tiny, environment):
    workdir, _ = finished
    before = json.loads((workdir / "report.json").read_text())
    (workdir / "report.json").unlink()
    done = run(QUICKSTART, f"--workdir={workdir}", "--mode=evaluate", *tiny, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads((workdir / "report.json").read_text()) == before


def test_finished_run_is_not_trained_again(finished, tiny, environment):
    workdir, _ = finished
    before = read_history(workdir)["loss/supervised"][0]
    done = run(QUICKSTART, f"--workdir={workdir}", *tiny, env=environment)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read_history(workdir)["loss/supervised"][0], before)


def test_supervised_run(tiny, environment, tmp_path):
    done = run(
        f"{QUICKSTART}:supervised",
        f"--workdir={tmp_path}",
        *tiny,
        "--config.num_steps=2",
        "--config.task=space_group",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["task"], report["method"]) == ("space_group", "supervised")
    assert report["diversity"] is None
    assert not (tmp_path / "figures" / "generated_patterns.png").exists()


def test_run_without_a_game(tiny, environment, tmp_path):
    rates = [f"--config.optimizer.{who}_learning_rate=0" for who in ("unsupervised", "generator")]
    arguments = (QUICKSTART, f"--workdir={tmp_path}", *tiny, *rates, "--config.loss.contrast=0.5")
    done = run(*arguments, "--config.num_steps=4", env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["method"], report["diversity"], report["discriminator"]) == ("sgan", None, None)
    assert report["dataset"]["n_unlabelled"] > 0
    history = read_history(tmp_path)
    assert {"loss/supervised", "loss/contrast", "accuracy/unlabelled"} <= history.keys()
    assert not {"loss/unsupervised", "loss/generator", "discriminator/real"} & history.keys()
    assert (tmp_path / "figures" / "training_curves.png").exists()
    assert not (tmp_path / "figures" / "generated_patterns.png").exists()
    done = run(*arguments, "--config.num_steps=4", "--mode=evaluate", env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["test"] == report["test"]


def test_mistakes_are_short_errors(environment, tmp_path):
    free = f"--workdir={tmp_path / 'never'}"
    cases = [
        ([free], "no config"),
        ([free, "--config=configs/nothing.py"], "nothing.py"),
        ([free, QUICKSTART, "--config.data.colour=1"], "'colour'"),
        ([free, QUICKSTART, "--config.seed=many"], "seed=many"),
        ([free, QUICKSTART, "--colour"], "colour"),
        ([free, QUICKSTART, "stray"], "stray"),
        ([free, QUICKSTART, "--config.data.sources=/no/such.tar.gz"], "/no/such.tar.gz"),
        ([free, QUICKSTART, "--mode=evaluate"], "no network in"),
        ([f"--workdir={ROOT / 'LICENSE' / 'x'}", QUICKSTART], "cannot be written"),
    ]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda case: run(*case[0], env=environment), cases))
    for (arguments, words), done in zip(cases, results, strict=True):
        assert done.returncode == 2, (arguments, done.stderr)
        assert done.stderr.startswith("error: "), (arguments, done.stderr)
        assert words in done.stderr, (arguments, done.stderr)
        assert len(done.stderr.splitlines()) == 1, (arguments, done.stderr)
    assert not (tmp_path / "never").exists()


def test_config_whose_data_cannot_be_used_leaves_the_folder_to_a_better_one(data_dir, tmp_path):
    config = quickstart.get_config()
    config.update_from_flattened_dict(
        {"data.dir": str(data_dir), "data.limit": 200, "data.workers": 1, "label_fraction": 1e-3}
    )
    with pytest.raises(InputError, match="no labelled patterns"):
        train_and_evaluate(config, tmp_path)
    assert not (tmp_path / "config.json").exists()


def test_batch_that_does_not_divide_over_the_devices(environment, tiny, tmp_path):
    env = environment | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = run(QUICKSTART, f"--workdir={tmp_path / 'x'}", *tiny, "--config.batch_size=12", env=env)
    assert done.returncode == 2
    assert "batch_size 12 does not divide over 8 devices" in done.stderr
    assert not (tmp_path / "x").exists()


def test_started_from_elsewhere_with_an_absolute_config(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sgan_jax.main", f"--config={ROOT}/configs/sg_5pct.py:x"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown method 'x'")


def test_config_file_that_is_not_python(environment):
    done = run("--config=README.md", env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the config file is no Python that runs")
    assert done.stderr.count("\n") == 1
