"""Checkpoints of a run: written in the background, whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from data_gen.errors import InputError
from sgan_jax.state import SganState

FOLDER = "checkpoints"
_ITEMS = ("state", "progress")


class Checkpoints:
    """The checkpoints of one run.

    Orbax writes each into a temporary folder that is renamed when it is complete, so one that was
    interrupted is never read.

    Args:
        workdir: The run's folder.
        keep: How many to keep, the latest.
    """

    def __init__(self, workdir: Path, keep: int) -> None:
        self._folder = (workdir / FOLDER).absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=keep)
        self._manager = ocp.CheckpointManager(self._folder, options=options, item_names=_ITEMS)

    @property
    def latest_step(self) -> int | None:
        """Step of the last complete checkpoint, None where there is none."""
        return self._manager.latest_step()

    def save(self, state: SganState, progress: dict[str, Any]) -> None:
        """Starts writing a state; returns as soon as training may go on.

        Args:
            state: What is saved, under the number of its step.
            progress: What else a restart needs to know, as JSON.

        Raises:
            InputError: This checkpoint or the one before cannot be written.
        """
        step = int(state.step)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)
        )
        with self._writing():
            self._manager.save(step, args=items)

    def restore(self, like: SganState) -> tuple[SganState, dict[str, Any]]:
        """Reads the last complete checkpoint.

        Args:
            like: A state of the same shapes.

        Returns:
            The state and what was saved with it as `progress`.

        Raises:
            InputError: There is none, it is damaged, or it is of another network.
        """
        step = self._manager.latest_step()
        if step is None:
            raise InputError(f"no checkpoint in {self._folder}")
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(target), progress=ocp.args.JsonRestore()
        )
        try:
            restored = self._manager.restore(step, args=items)
        except Exception as error:  # Orbax and its storage raise errors of many kinds
            raise InputError(
                f"checkpoint {self._folder / str(step)} is damaged or of another network "
                f"({_first_words(error)}); move it away to go on from the one before it, "
                "or name another --workdir=DIR to start anew"
            ) from error
        return restored["state"], restored["progress"]

    def close(self) -> None:
        """Waits until everything is on the disk.

        Raises:
            InputError: The last checkpoint could not be written.
        """
        with self._writing():
            self._manager.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as above
            raise InputError(
                f"a checkpoint cannot be written to {self._folder} ({_first_words(error)}); make "
                f"room and start again: the run goes on from step {self._manager.latest_step()}"
            ) from error


@contextlib.contextmanager
def open_checkpoints(workdir: Path, keep: int) -> Iterator[Checkpoints]:
    """Opens the checkpoints of a run and finishes writing at the end, whatever happens."""
    checkpoints = Checkpoints(workdir, keep)
    try:
        yield checkpoints
    finally:
        checkpoints.close()


def _first_words(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:120]}"
