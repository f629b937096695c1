"""Several devices and several processes give what one gives, and fail in plain words.

All with real processes: eight devices made out of one CPU, and two processes that speak through
gloo.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from sgan_jax.checkpoint import FOLDER as CHECKPOINTS
from sgan_jax.tensorboard import FOLDER as EVENTS
from sgan_jax.tensorboard import read_history

ROOT = Path(__file__).resolve().parents[1]
SUPERVISED = "--config=configs/quickstart.py:supervised"
STEPS = 12
BOTH = "--processes=2"


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
        "eval_every": 12,
        "checkpoint_every": 3,
        # Else each number of steps is a program of its own.
        "optimizer.schedule": "constant",
        "optimizer.warmup_steps": 6,
    }
    return [f"--config.{name}={value}" for name, value in fields.items()]


def start(module: str, *arguments: object, env) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, within: float = 300) -> subprocess.CompletedProcess:
    out, err = process.communicate(timeout=within)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(*arguments: object, env) -> subprocess.CompletedProcess:
    return finish(start("sgan_jax.main", *arguments, env=env))


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def one_by_one(*arguments: object, env) -> list[subprocess.Popen]:
    """Two processes, started as on two machines."""
    address = free_address()
    return [
        start(
            "sgan_jax.main",
            *arguments,
            f"--coordinator={address}",
            "--num_processes=2",
            f"--process_id={number}",
            env=env,
        )
        for number in range(2)
    ]


def wait_for(path: Path, *processes: subprocess.Popen) -> None:
    while not path.exists():
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def has_one_error(done: subprocess.CompletedProcess, words: str) -> None:
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert words in errors[0], done.stderr
    assert "Traceback" not in done.stderr
    assert "Check failure" not in done.stderr


@pytest.fixture(scope="module")
def pair(tiny, environment, tmp_path_factory):
    """Folder of a run of two processes from data to report, and what it said."""
    workdir = tmp_path_factory.mktemp("runs") / "pair"
    done = run(SUPERVISED, f"--workdir={workdir}", *tiny, BOTH, env=environment)
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_two_processes_leave_one_report(pair):
    workdir, done = pair
    assert done.stdout.count("top-1") == 1
    assert done.stderr.count(f"step {STEPS}/{STEPS} |") == 1
    assert "Gloo" not in done.stdout + done.stderr
    assert "error" not in done.stderr
    report = json.loads((workdir / "report.json").read_text())
    assert report["steps"] == STEPS
    assert len(list((workdir / EVENTS).iterdir())) == 1
    assert sorted(os.listdir(workdir / CHECKPOINTS)) == ["12", "9"]
    assert list(read_history(workdir)["loss/supervised"][0]) == [1, 2, 3, 4, 6, 8, 9, 10, 12]


def test_one_process_goes_on_where_two_were_and_the_reverse(pair, tiny, environment, tmp_path):
    workdir = pair[0]
    before = json.loads((workdir / "report.json").read_text())["test"]
    done = run(SUPERVISED, f"--workdir={workdir}", *tiny, "--mode=evaluate", env=environment)
    assert done.returncode == 0, done.stderr
    after = json.loads((workdir / "report.json").read_text())["test"]
    assert after["top1"] == before["top1"]
    assert after["nll"] == pytest.approx(before["nll"], rel=1e-5)

    arguments = (SUPERVISED, f"--workdir={tmp_path}", *tiny)
    alone = start("sgan_jax.main", *arguments, env=environment)
    wait_for(tmp_path / CHECKPOINTS / "6", alone)
    alone.send_signal(signal.SIGTERM)
    assert finish(alone).returncode == os.EX_TEMPFAIL
    done = run(*arguments, BOTH, env=environment)
    assert done.returncode == 0, done.stderr
    assert f" of {STEPS} is done already" in done.stderr
    assert (tmp_path / "report.json").exists()


@pytest.mark.parametrize("victim", [0, 1])
def test_death_of_one_process_ends_the_other(victim, tiny, environment, tmp_path):
    arguments = (SUPERVISED, f"--workdir={tmp_path}", *tiny, "--config.num_steps=60")
    both = one_by_one(*arguments, env=environment)
    wait_for(tmp_path / CHECKPOINTS / "3", *both)
    both[victim].kill()
    has_one_error(finish(both[1 - victim], within=60), "another")
    finish(both[victim])
    assert not (tmp_path / "report.json").exists()
    if victim == 1:
        done = run(*arguments, BOTH, env=environment)
        assert done.returncode == 0, done.stderr
        assert " of 60 is done already" in done.stderr
        assert (tmp_path / "report.json").exists()


def test_launcher_names_the_process_that_was_killed(tiny, environment, tmp_path):
    arguments = (SUPERVISED, f"--workdir={tmp_path}", *tiny, "--config.num_steps=100000")
    launched = start("sgan_jax.main", *arguments, BOTH, env=environment)
    wait_for(tmp_path / CHECKPOINTS / "3", launched)
    children = psutil.Process(launched.pid).children()
    assert len(children) == 2
    children[1].kill()
    done = finish(launched, within=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: process 1 of 2 was killed")
    assert not psutil.pid_exists(children[0].pid)


def test_sigterm_to_one_process_stops_both_at_one_step(tiny, environment, tmp_path):
    arguments = (SUPERVISED, f"--workdir={tmp_path}", *tiny)
    both = one_by_one(*arguments, "--config.num_steps=100000", env=environment)
    wait_for(tmp_path / CHECKPOINTS / "3", *both)
    both[1].send_signal(signal.SIGTERM)
    ends = [finish(process) for process in both]
    assert [done.returncode for done in ends] == [os.EX_TEMPFAIL] * 2, ends[0].stderr
    step = max(map(int, os.listdir(tmp_path / CHECKPOINTS)))
    assert f"goes on from step {step}" in ends[0].stderr


def test_full_disk_ends_both(tiny, environment, tmp_path):
    """Only the main process writes, and the other waits for it in the midst of the saving."""
    launched = start(
        "sgan_jax.main", SUPERVISED, f"--workdir={tmp_path}", *tiny, BOTH, env=environment
    )
    resource.prlimit(launched.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    has_one_error(finish(launched), f"cannot be written to {tmp_path / CHECKPOINTS}")


def test_processes_of_different_runs_do_not_wait_for_one_another(tiny, environment, tmp_path):
    address = free_address()
    both = [
        start(
            "sgan_jax.main",
            SUPERVISED,
            f"--workdir={tmp_path}",
            *tiny,
            f"--config.seed={number}",
            f"--coordinator={address}",
            "--num_processes=2",
            f"--process_id={number}",
            env=environment,
        )
        for number in range(2)
    ]
    for process in both:
        has_one_error(finish(process), "differ in config or data set: seed is 0 in process 0 and 1")


def test_second_run_is_refused_in_all_its_processes(tiny, environment, tmp_path):
    arguments = (SUPERVISED, f"--workdir={tmp_path}", *tiny)
    first = start("sgan_jax.main", *arguments, env=environment)
    try:
        wait_for(tmp_path / "config.json", first)
        second = [finish(process) for process in one_by_one(*arguments, env=environment)]
    finally:
        first.kill()
        first.communicate()
    for done in second:
        has_one_error(done, f"another run is working in {tmp_path}")


def test_batch_that_does_not_divide_over_the_processes(tiny, environment, tmp_path):
    workdir = f"--workdir={tmp_path / 'never'}"
    done = run(SUPERVISED, workdir, *tiny, BOTH, "--config.batch_size=7", env=environment)
    has_one_error(done, "batch_size 7 does not divide over 2 devices of 2 processes")
    assert not (tmp_path / "never").exists()


def test_ten_steps_are_those_of_one_device(environment, tmp_path):
    """On eight devices, and on two processes, to 1e-10 in double precision."""
    level = "--xla_backend_optimization_level=1"  # compiled sooner, and no slower in these steps
    plain = environment | {"XLA_FLAGS": level}
    eight = environment | {"XLA_FLAGS": f"{level} --xla_force_host_platform_device_count=8"}
    address = free_address()
    children = [
        start("tests.sgd_steps", tmp_path / "one.npy", env=plain),
        start("tests.sgd_steps", tmp_path / "eight.npy", env=eight),
        start("tests.sgd_steps", tmp_path / "two.npy", address, 0, 2, env=plain),
        start("tests.sgd_steps", tmp_path / "two.npy", address, 1, 2, env=plain),
    ]
    for child in children:
        done = finish(child, within=500)
        assert done.returncode == 0, done.stderr
    one, eight, two = (np.load(tmp_path / f"{name}.npy") for name in ("one", "eight", "two"))
    assert one[0] == 10
    for other in (eight, two):
        assert np.linalg.norm(other - one) <= 1e-10 * np.linalg.norm(one)
