"""One experiment in one folder: its data and its checkpoints, opened together."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from data_gen.errors import InputError
from sgan_jax import devices, input_pipeline, processes, workdir
from sgan_jax.checkpoint import Checkpoints, Choice, has_checkpoint, open_checkpoints
from sgan_jax.config import validate
from sgan_jax.input_pipeline import Dataset
from sgan_jax.pretrained import Pretrained, load_pretrained
from sgan_jax.state import SganState, create_state


@dataclass(frozen=True, eq=False)
class Run:
    """An experiment whose folder is held by this process.

    Attributes:
        config: What is trained.
        folder: Where everything of it is kept.
        dataset: Its patterns.
        checkpoints: Its states.
        identity: What it is.
        pretrained: What its weights are before the first step; None for random ones, and where
            there is a checkpoint from which they are gone on with.
    """

    config: ConfigDict
    folder: Path
    dataset: Dataset
    checkpoints: Checkpoints
    identity: workdir.Identity
    pretrained: Pretrained | None

    def new_state(self) -> SganState:
        """The state before the first step, or, once there is a checkpoint, one like it."""
        state = create_state(self.config, self.dataset.num_classes, self.dataset.grid_size)
        return self.pretrained.start(state) if self.pretrained else state

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
    begun = _begun(config, folder)
    pretrained = None if begun else load_pretrained(config)
    identity = workdir.identity(
        config,
        input_pipeline.fingerprint(config),
        begun or (pretrained and pretrained.summary()),
    )
    processes.check_same("config or data set", identity.fields())
    with contextlib.ExitStack() as stack:
        processes.on_main(lambda: _take(folder, identity, stack))
        dataset = input_pipeline.load(config)
        if pretrained:
            pretrained.check_classes(dataset.class_list.names)
        processes.on_main(lambda: workdir.bind(folder, identity))
        if not (folder / workdir.CONFIG_FILE).exists():
            raise InputError(
                f"process {processes.index()} does not see in {folder} what process 0 has written; "
                "name a --workdir=DIR that is on a file system of all processes"
            )
        with open_checkpoints(folder, config.checkpoints_to_keep, identity) as checkpoints:
            yield Run(config, folder, dataset, checkpoints, identity, pretrained)


def _begun(config: ConfigDict, folder: Path) -> dict[str, Any] | None:
    """From what a run has started that has a checkpoint, so that those weights may be gone."""
    if not (config.pretrained and (folder / workdir.CONFIG_FILE).exists()):
        return None
    before = workdir.read(folder)
    same = before.config.get("pretrained") == config.pretrained
    return before.pretrained if same and has_checkpoint(folder) else None


def _take(folder: Path, identity: workdir.Identity, until: contextlib.ExitStack) -> None:
    """Locks a run's folder and checks that it is this run's."""
    until.enter_context(workdir.lock(folder))
    workdir.check(folder, identity)
