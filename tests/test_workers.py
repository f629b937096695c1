"""Worker processes that end in the middle of their work."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from data_gen.errors import InputError
from data_gen.workers import WorkerError, map_in_processes

CHUNKS = [list(range(start, start + 5)) for start in range(0, 100, 5)]


def double(chunk: list[int]) -> list[int]:
    return [2 * item for item in chunk]


def end(chunk: list[int], item: int, how: str) -> list[int]:
    if item in chunk:
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), getattr(signal, how))
    return double(chunk)


def end_once(chunk: list[int], marker: Path) -> list[int]:
    if 42 in chunk and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return double(chunk)


def fail(chunk: list[int]) -> list[int]:
    raise RuntimeError(f"{chunk}")


def lost(item: int, death: WorkerError) -> int:
    return -item


def run(work, chunks=CHUNKS) -> list[int]:
    results = map_in_processes(work, chunks, 2, lost)
    return [result for chunk in results for result in chunk]


def test_results_come_in_order():
    assert run(double) == list(range(0, 200, 2))


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGABRT", "exit"])
def test_an_item_that_crashes_its_worker_costs_only_itself(how):
    expected = [2 * i for i in range(100)]
    expected[42] = -42
    assert run(partial(end, item=42, how=how)) == expected


def test_a_crash_that_does_not_come_again_costs_nothing(tmp_path):
    assert run(partial(end_once, marker=tmp_path / "crashed")) == [2 * i for i in range(100)]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_worker_killed_from_outside_ends_the_work(how):
    with pytest.raises(InputError, match=rf"a worker process was killed \({how}\)"):
        run(partial(end, item=42, how=how))


def test_work_that_cannot_be_sent_is_an_error_of_the_program():
    with pytest.raises(Exception, match="<lambda>"):
        run(lambda chunk: chunk)


def test_chunks_are_read_a_bounded_number_ahead():
    taken = []
    results = map_in_processes(double, (taken.append(chunk) or chunk for chunk in CHUNKS), 2, lost)
    next(results)
    assert len(taken) <= 6
    results.close()


NO_WORKER = """
import os, sys
os.environ["PARENT"] = str(os.getpid())
from data_gen.errors import InputError
from data_gen.workers import map_in_processes
import broken
try:
    list(map_in_processes(broken.work, [[1]], 1, None))
except InputError as error:
    sys.exit(f"{error}")
"""


def test_workers_that_cannot_start_are_not_blamed_on_an_item(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import os\n"
        "assert os.environ['PARENT'] == str(os.getpid()), 'not in a worker'\n"
        "def work(chunk): return chunk\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", NO_WORKER],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parents[1]}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "worker processes cannot be started (exit status 1, see above)" in result.stderr


WAITING = """
import sys, time
from data_gen.workers import map_in_processes
list(map_in_processes(time.sleep, [60, 60], 2, None))
"""


def test_workers_end_with_their_parent():
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    psutil = pytest.importorskip("psutil")
    while not (workers := spawned(psutil.Process(process.pid))) or len(workers) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not psutil.wait_procs(workers, timeout=20)[1]


def spawned(process) -> list:
    return [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]
