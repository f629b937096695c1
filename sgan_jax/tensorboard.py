"""TensorBoard event files: the only home of a run's history, written here and read back."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)

from sgan_jax import processes

FOLDER = "tensorboard"

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of every resumed run

History = dict[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]]
"""Scalar name → (steps, values)."""


class EventWriter:
    """Writes scalars and images of a run by step.

    Events are written at once: tensorboardX's `SummaryWriter` leaves them to a thread, which a full
    disk would end without a word, and the run would wait for it for ever.

    Args:
        workdir: The run's folder.
        start_step: The step from which the run goes on; later events, of a run that was cut off
            before it saved them in a checkpoint, are struck out.
    """

    def __init__(self, workdir: Path, start_step: int) -> None:
        folder = workdir / FOLDER
        folder.mkdir(exist_ok=True)
        self._file = EventsWriter(str(folder / "events"), f".from_step_{start_step}")
        self._write(start_step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars, by name."""
        for name, value in values.items():
            self._write(step, summary=summary.scalar(name, value))

    def images(self, step: int, images: Mapping[str, UInt8[np.ndarray, "height width 3"]]) -> None:
        """Writes pictures, by name."""
        for name, pixels in images.items():
            self._write(step, summary=summary.image(name, pixels, dataformats="HWC"))

    def _write(self, step: int, **content: Any) -> None:  # noqa: ANN401 - a field of `Event`
        self._file.write_event(Event(step=step, wall_time=time.time(), **content))

    def flush(self) -> None:
        """Brings everything written so far to the disk."""
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class _NoEvents(EventWriter):
    """Takes events and writes none."""

    def __init__(self) -> None:
        pass

    def _write(self, step: int, **content: Any) -> None:  # noqa: ANN401
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def event_writer(workdir: Path, start_step: int) -> Iterator[EventWriter]:
    """Opens an `EventWriter` and closes it at the end, whatever happens.

    Of several processes the main one alone writes.
    """
    writer = EventWriter(workdir, start_step) if processes.is_main() else _NoEvents()
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
