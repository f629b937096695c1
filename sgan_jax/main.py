"""Trains and evaluates one experiment: `python -m sgan_jax.main --config=configs/NAME.py`."""

import functools
import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from sgan_jax import command_line, processes, supervisor

_MODES = {"train_and_evaluate": "train_and_evaluate", "evaluate": "evaluate_only"}

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment: configs/NAME.py[:METHOD[,PRESET]].", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/NAME.")
_MODE = flags.DEFINE_enum("mode", "train_and_evaluate", list(_MODES), "What to do.")
_PROCESSES = flags.DEFINE_integer("processes", None, "Processes to start on this machine.")
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "For a run of several machines: HOST:PORT at which process 0 listens."
)
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this process, from 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes there are.")


def main(_: list[str]) -> None:
    """Runs the experiment that the flags describe, or the processes that run it."""
    member = supervisor.supervised()
    with command_line.errors():
        group = supervisor.members(
            _PROCESSES.value, _COORDINATOR.value, _PROCESS_ID.value, _NUM_PROCESSES.value
        )
        if group and not member:
            sys.exit(supervisor.supervise(group))
        if member:
            processes.initialize(member.coordinator, member.process_id, member.num_processes)
        command_line.log_to_screen()
        command_line.keep_compiled_programs()
        from sgan_jax import train  # only here, since a supervisor needs none of it

        folder = Path(_WORKDIR.value) if _WORKDIR.value else command_line.default_workdir(_CONFIG)
        getattr(train, _MODES[_MODE.value])(_CONFIG.value, folder)


if __name__ == "__main__":
    app.run(main, flags_parser=functools.partial(command_line.parse_flags, config=_CONFIG))
