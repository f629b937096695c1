import subprocess
import sys

import pytest

from data_gen.errors import InputError
from sgan_jax import supervisor
from sgan_jax.supervisor import Member, members

TASK = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "16",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "8(x2)",
    "SLURM_GPUS_ON_NODE": "8",
}


def test_an_ordinary_run_has_no_members():
    assert members(None, None, None, None, {}) == []
    assert members(1, None, None, None, {}) == []
    assert members(None, "host:1234", 0, 1, {}) == []


def test_processes_on_this_machine_take_one_gpu_each():
    first, second = members(2, None, None, None, {})
    assert first.coordinator == second.coordinator
    assert (first.process_id, second.process_id) == (0, 1)
    assert (first.gpus, second.gpus) == ("0", "1")


def test_one_of_several_machines_takes_all_its_gpus():
    assert members(None, "host:1234", 1, 3, {}) == [Member("host:1234", 1, 3, gpus="")]


def test_slurm_names_the_task():
    assert members(None, None, None, None, TASK) == [Member(None, 9, 16, gpus="1")]
    one_per_node = TASK | {"SLURM_STEP_TASKS_PER_NODE": "1(x16)", "SLURM_LOCALID": "0"}
    assert members(None, None, None, None, one_per_node)[0].gpus == "0,1,2,3,4,5,6,7"


def test_a_batch_script_outside_of_srun_is_an_ordinary_run():
    script = {name: value for name, value in TASK.items() if "STEP" not in name}
    assert members(None, None, None, None, script) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((2, "host:1234", None, None), "one or the other"),
        ((0, None, None, None), "--processes=0: must be 1 or more"),
        ((None, "host:1234", None, None), "needs --process_id and --num_processes"),
        ((None, None, 1, None), "needs --coordinator and --num_processes"),
        ((None, "host:1234", 2, 2), "--process_id=2: must be 0 to 1"),
        ((None, "host:1234", -1, 2), "--process_id=-1"),
        ((None, "host:1234", 0, 0), "--num_processes=0"),
        ((None, "host", 0, 2), "must be HOST:PORT"),
        ((None, "host:port", 0, 2), "must be HOST:PORT"),
        ((None, ":1234", 0, 2), "must be HOST:PORT"),
        ((None, "host:99999", 0, 2), "must be HOST:PORT"),
    ],
)
def test_flags_that_do_not_fit_together(flags, words):
    with pytest.raises(InputError, match=words):
        members(*flags, {})


ENDED = """
import os, sys
from sgan_jax import supervisor
supervisor.supervised()
if {says}:
    print("error: this is why", file=sys.stderr)
    supervisor.note("error: this is why")
print("distributed service detected fatal errors", file=sys.__stderr__, flush=True)
os.abort()
"""


@pytest.mark.parametrize(("says", "words"), [(True, "this is why"), (False, "process 0 of 2")])
def test_one_error_is_told_of_a_process_that_a_library_ends(says, words, capfd, monkeypatch):
    start = subprocess.Popen

    def started(_, **options):
        return start([sys.executable, "-c", ENDED.format(says=says)], **options)

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(supervisor, "_forward_signals", lambda _: set())
    assert supervisor.supervise([Member("host:1", 0, 2)]) == supervisor.FAILED
    (error,) = (e for e in capfd.readouterr().err.splitlines() if e.startswith("error: "))
    assert words in error
