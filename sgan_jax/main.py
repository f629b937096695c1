"""Trains and evaluates one experiment: `python -m sgan_jax.main --config=configs/NAME.py`."""

import functools
import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from data_gen.errors import InputError
from sgan_jax import command_line
from sgan_jax.train import evaluate_only, train_and_evaluate

_MODES = {"train_and_evaluate": train_and_evaluate, "evaluate": evaluate_only}

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment: configs/NAME.py[:METHOD[,PRESET]].", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/NAME.")
_MODE = flags.DEFINE_enum("mode", "train_and_evaluate", list(_MODES), "What to do.")


def main(_: list[str]) -> None:
    """Runs the experiment that the flags describe."""
    command_line.log_to_screen()
    command_line.keep_compiled_programs()
    folder = Path(_WORKDIR.value) if _WORKDIR.value else command_line.default_workdir(_CONFIG)
    try:
        _MODES[_MODE.value](_CONFIG.value, folder)
    except InputError as error:
        command_line.fail(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from the last checkpoint")


if __name__ == "__main__":
    app.run(main, flags_parser=functools.partial(command_line.parse_flags, config=_CONFIG))
