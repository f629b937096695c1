"""What may befall a run, each case with the command itself on a small data set."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from benchmarks.faults import CONFIG, MOMENTS, Trials, are_equal, kill, outcome, steps_for
from sgan_jax import workdir
from sgan_jax.checkpoint import FOLDER, open_checkpoints
from sgan_jax.preemption import EXIT_CODE
from sgan_jax.run import open_run
from sgan_jax.state import create_state
from sgan_jax.tensorboard import read_history

SUPERVISED = f"{CONFIG}:supervised"

ROCK_SALT = """data_{name}
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na 0 0 0
Cl 0.5 0.5 0.5
"""


@pytest.fixture(scope="module")
def trials(tmp_path_factory, environment) -> Trials:
    compiled = Path(environment["JAX_COMPILATION_CACHE_DIR"])
    return Trials(tmp_path_factory.mktemp("faults"), steps_for(len(MOMENTS)), compiled)


@pytest.fixture(scope="module")
def whole(trials) -> Path:
    """Folder of a run that was left alone."""
    done = trials.finish(trials.folder / "whole")
    assert done.returncode == 0, done.stderr
    return trials.folder / "whole"


def unfinished(whole: Path, run: Path) -> Path:
    """A copy of a run that lacks its last checkpoint."""
    shutil.copytree(whole, run)
    shutil.rmtree(run / FOLDER / str(last_step(run)))
    return run


def last_step(run: Path) -> int:
    return max(int(path.name) for path in (run / FOLDER).iterdir())


def assert_refused(done: subprocess.CompletedProcess, *words: object) -> None:
    """Exit code 2 and one line of error in which all the words are."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    for word in words:
        assert str(word) in error


def test_killed_again_and_again_it_ends_with_the_same_state(trials, whole):
    run = trials.folder / "killed"
    rng = random.Random(0)
    hits = [kill(trials, run, moment, rng) for moment in MOMENTS]
    assert any(hit.saving for hit in hits)
    done = trials.finish(run)
    assert done.returncode == 0, done.stderr
    assert are_equal(outcome(run), outcome(whole))
    for tag, (steps, values) in read_history(whole).items():
        if not tag.startswith("speed/"):
            np.testing.assert_array_equal(read_history(run)[tag], (steps, values), err_msg=tag)
    test = [json.loads((path / "report.json").read_text())["test"] for path in (run, whole)]
    assert test[0] == test[1]
    assert not [path for path in (run / FOLDER).iterdir() if not path.name.isdecimal()]


def test_asked_to_end_it_saves_and_goes_on_later(trials, whole, tmp_path):
    rarely = "--config.checkpoint_every=1000"
    with trials.start(tmp_path, rarely) as first:
        while "step 4/" not in first.stderr.readline():
            assert first.poll() is None
        first.send_signal(signal.SIGSTOP)
        second = trials.finish(tmp_path, rarely)
        first.send_signal(signal.SIGTERM)
        first.send_signal(signal.SIGCONT)
        told = first.stderr.read()
    assert_refused(second, f"another run is working in {tmp_path}")

    assert first.returncode == EXIT_CODE
    step = last_step(tmp_path)
    assert told.splitlines()[-1].endswith(f"SIGTERM; the same command goes on from step {step}")
    assert not (tmp_path / "report.json").exists()

    done = trials.finish(tmp_path, rarely)
    assert done.returncode == 0, done.stderr
    assert f"step {step} of {trials.steps} is done already" in done.stderr
    state, _ = outcome(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, state, outcome(whole)[0])


def test_full_disk_leaves_the_checkpoint_before(trials, whole, tmp_path):
    folder = unfinished(whole, tmp_path / "run")
    before = last_step(folder)
    with trials.start(folder, "--config.checkpoints_to_keep=1") as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10**6, 10**6))
        out, err = process.communicate()
    assert_refused(
        subprocess.CompletedProcess(process.args, process.returncode, out, err),
        f"a checkpoint cannot be written to {folder / FOLDER}",
        f"the run goes on from step {before}",
    )
    with open_run(ConfigDict(workdir.read(folder).config), folder) as run:
        assert run.checkpoints.steps[-1] == before
        assert run.checkpoints.restore(run.new_state(), before).step == before


def truncate(run: Path, step: int) -> None:
    """The largest file of a checkpoint loses its second half."""
    files = [path for path in (run / FOLDER / str(step)).rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def replace_by_another_network(run: Path, step: int) -> None:
    """In place of a checkpoint there is one of a network for more classes."""
    identity = workdir.read(run)
    shutil.rmtree(run / FOLDER / str(step))
    state = create_state(ConfigDict(identity.config), num_classes=144, grid_size=3041)
    with open_checkpoints(run, 2, identity) as checkpoints:
        checkpoints.save(state.replace(step=np.int32(step)), {}, None)


def replace_by_another_run(run: Path, step: int) -> None:
    """In place of a checkpoint there is one of the same network, trained with another seed."""
    identity = workdir.read(run)
    other = workdir.Identity(identity.config | {"seed": 7}, identity.dataset_fingerprint)
    with open_run(ConfigDict(identity.config), run) as opened:
        state = opened.checkpoints.restore(opened.new_state(), step)
    shutil.rmtree(run / FOLDER / str(step))
    with open_checkpoints(run, 2, other) as checkpoints:
        checkpoints.save(state, {}, None)


def test_what_is_not_the_run_s_own_is_refused(trials, whole, tmp_path):
    cases: list[tuple[Callable[[Path, int], None], str]] = [
        (truncate, "is damaged or of another network"),
        (replace_by_another_network, "is damaged or of another network"),
        (replace_by_another_run, "belongs to another config: seed (there 7, now 0)"),
    ]
    runs = [unfinished(whole, tmp_path / damage.__name__) for damage, _ in cases]
    step = last_step(runs[0])
    for run, (damage, _) in zip(runs, cases, strict=True):
        damage(run, step)
    with ThreadPoolExecutor(2) as pool:
        another_config = pool.submit(trials.finish, whole, "--config.batch_size=4")
        results = list(pool.map(trials.finish, runs))
    for done, run, (_, words) in zip(results, runs, cases, strict=True):
        assert_refused(done, f"checkpoint {run / FOLDER / str(step)}", words)
        assert last_step(run) == step
    assert_refused(
        another_config.result(), f"{whole} belongs to another config: batch_size (there 8, now 4)"
    )


def test_values_that_are_not_finite_stop_it(trials, tmp_path):
    done = trials.finish(
        tmp_path,
        "--config.optimizer.supervised_learning_rate=1e30",
        "--config.optimizer.warmup_steps=20",  # the first step does no harm
        "--config.checkpoint_every=1",
        config=SUPERVISED,
    )
    step = last_step(tmp_path)
    assert_refused(
        done,
        f"diverged: values that are not finite at step {step + 1};",
        f"the last good checkpoint is {step};",
        "try smaller config.optimizer.…_learning_rate",
    )
    with open_run(ConfigDict(workdir.read(tmp_path).config), tmp_path) as run:
        state = run.checkpoints.restore(run.new_state(), step)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_data_set_that_changes_under_a_run_is_refused(trials, tmp_path):
    sources, run = tmp_path / "cifs", tmp_path / "run"
    sources.mkdir()
    for number in range(60):
        text = ROCK_SALT.format(name=number, a=4 + number / 20)
        (sources / f"{number}.cif").write_text(text)
    flags = (f"--config.data.sources={sources}", "--config.num_steps=2")
    done = trials.finish(run, *flags, config=SUPERVISED)
    assert done.returncode == 0, done.stderr
    (sources / "7.cif").write_text(ROCK_SALT.format(name=7, a=4.36))
    done = trials.finish(run, *flags, config=SUPERVISED)
    assert_refused(done, f"{run} belongs to another data set", "its sources")
    assert last_step(run) == 2
