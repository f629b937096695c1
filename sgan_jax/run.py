"""One experiment in one folder: its data and its checkpoints, opened together."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml_collections import ConfigDict

from data_gen.errors import InputError
from sgan_jax import devices, input_pipeline, processes, workdir
from sgan_jax.checkpoint import Checkpoints, Choice, open_checkpoints
from sgan_jax.config import validate
from sgan_jax.input_pipeline import Dataset
from sgan_jax.state import SganState, create_state


@dataclass(frozen=True, eq=False)
class Run:
    """An experiment whose folder is held by this process.

    Attributes:
        config: What is trained.
        folder: Where everything of it is kept.
        dataset: Its patterns.
        checkpoints: Its states.
    """

    config: ConfigDict
    folder: Path
    dataset: Dataset
    checkpoints: Checkpoints

    def new_state(self) -> SganState:
        """The state before the first step."""
        return create_state(self.config, self.dataset.num_classes, self.dataset.grid_size)

    def chosen_state(self) -> tuple[Choice, SganState]:
        """The state that is evaluated and exported.

        Raises:
            InputError: There is none yet, or it is damaged.
        """
        chosen = self.checkpoints.chosen
        return chosen, self.checkpoints.restore(self.new_state(), chosen.step)


@contextlib.contextmanager
def open_run(config: ConfigDict, folder: Path) -> Iterator[Run]:
    """Opens a run, after all checks that need no work.

    Args:
        config: The experiment.
        folder: The run's own; made if need be.

    Raises:
        InputError: The config, data or folder cannot be used, or not together.
    """
    validate(config)
    devices.check_divisible(config.batch_size)
    identity = workdir.identity(config, input_pipeline.fingerprint(config))
    processes.check_same("config or data set", identity.fields())
    with contextlib.ExitStack() as stack:
        processes.on_main(lambda: _take(folder, identity, stack))
        dataset = input_pipeline.load(config)
        processes.on_main(lambda: workdir.bind(folder, identity))
        if not (folder / workdir.CONFIG_FILE).exists():
            raise InputError(
                f"process {processes.index()} does not see in {folder} what process 0 has written; "
                "name a --workdir=DIR that is on a file system of all processes"
            )
        with open_checkpoints(folder, config.checkpoints_to_keep, identity) as checkpoints:
            yield Run(config, folder, dataset, checkpoints)


def _take(folder: Path, identity: workdir.Identity, until: contextlib.ExitStack) -> None:
    """Locks a run's folder and checks that it is this run's."""
    until.enter_context(workdir.lock(folder))
    workdir.check(folder, identity)
