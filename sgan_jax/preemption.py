"""SIGTERM asks a run to make room: it saves where it stands, and can go on later."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from jax.experimental import multihost_utils

from sgan_jax import processes

EXIT_CODE = os.EX_TEMPFAIL
"""Exit code of a run that was asked to end: 75, "temporary failure, try again later"."""


class Preempted(BaseException):
    """The run was asked to end; the message says from where it goes on.

    Like `KeyboardInterrupt` it is no `Exception`: nothing on the way should handle it.
    """


class Preemption:
    """Whether this run has been asked to end.

    Before and after training the request ends the run at once. While training is held together by
    `held`, it is only noted, so that neither a step nor a checkpoint is cut off.
    """

    def __init__(self) -> None:
        self._noted = False
        self._held = False

    def requested(self, step: int) -> bool:
        """Whether the run is to save and end after this step; asked after every step."""
        return self._noted

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs, a request waits for `requested`, or for the end of the block.

        Raises:
            Preempted: The run was asked to end and the block has taken no notice.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._noted:
            self._end()

    def receive(self, signal_number: int, frame: FrameType | None) -> None:
        """Takes the signal; what comes after the first changes nothing."""
        if self._noted:
            return
        self._noted = True
        if not self._held:
            self._end()

    def _end(self) -> None:
        raise Preempted("stopped by SIGTERM; the same command goes on from the last checkpoint")


class SharedPreemption(Preemption):
    """The same for several processes, which must all end after one step.

    JAX takes the signal here, tells the other processes, and all agree on a step that none has
    passed. Before and after training it is ignored.
    """

    def requested(self, step: int) -> bool:
        """Whether the run is to save and end after this step; asked after every step, by all."""
        return multihost_utils.reached_preemption_sync_point(step)


@contextlib.contextmanager
def watch() -> Iterator[Preemption]:
    """While the block runs, SIGTERM is a request to end it in good order.

    Outside the main thread, where Python takes no signals, nothing is changed.
    """
    if processes.several():
        yield SharedPreemption()
        return
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = signal.signal(signal.SIGTERM, preemption.receive)
    try:
        yield preemption
    finally:
        signal.signal(signal.SIGTERM, before)
