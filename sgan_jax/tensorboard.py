"""TensorBoard event files: the only home of a run's history, written here and read back."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

FOLDER = "tensorboard"

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of every resumed run

History = dict[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]]
"""Scalar name → (steps, values)."""


class EventWriter:
    """Writes scalars and images of a run by step.

    Args:
        workdir: The run's folder.
        start_step: The step from which the run goes on; later events, of a run that was cut off
            before it saved them in a checkpoint, are struck out.
    """

    def __init__(self, workdir: Path, start_step: int) -> None:
        self._writer = SummaryWriter(
            str(workdir / FOLDER),
            purge_step=start_step + 1,
            filename_suffix=f".from_step_{start_step}",
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars, by name."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def images(self, step: int, images: Mapping[str, UInt8[np.ndarray, "height width 3"]]) -> None:
        """Writes pictures, by name."""
        for name, pixels in images.items():
            self._writer.add_image(name, pixels, step, dataformats="HWC")

    def flush(self) -> None:
        """Brings everything written so far to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()


@contextmanager
def event_writer(workdir: Path, start_step: int) -> Iterator[EventWriter]:
    """Opens an `EventWriter` and closes it at the end, whatever happens."""
    writer = EventWriter(workdir, start_step)
    try:
        yield writer
    finally:
        writer.close()


def read_history(workdir: Path) -> History:
    """Reads all scalars of a run, over all its restarts; empty where there are none."""
    if not (workdir / FOLDER).is_dir():
        return {}
    events = EventAccumulator(str(workdir / FOLDER), size_guidance={"scalars": 0, "images": 1})
    events.Reload()
    history = {}
    for name in events.Tags()["scalars"]:
        points = events.Scalars(name)
        history[name] = (
            np.array([point.step for point in points]),
            np.array([point.value for point in points]),
        )
    return history
