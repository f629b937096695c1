"""The processes of a run: which this one is, and what they tell one another."""

import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Int, Shaped

from data_gen.errors import InputError

HEARTBEAT_TIMEOUT = 30
"""Seconds after which a silent process is taken for dead, and the others stop."""

NOT_FOUND = (
    "the processes of this run have not found one another; start all of them, with the same "
    "--coordinator, each with its own --process_id"
)

_START_TIMEOUT = 300
_END_TIMEOUT = 900  # the others wait at the end while one process draws the figures of the report
_WORDS_OF_LOSS = ("Gloo", "NCCL", "onnection", "eartbeat", "oordination", "UNAVAILABLE")


def initialize(coordinator: str | None, process_id: int | None, num_processes: int | None) -> None:
    """Joins a run of several processes; comes before anything that JAX computes.

    Args:
        coordinator: HOST:PORT at which process 0 listens; None leaves all three to SLURM.
        process_id: Number of this process.
        num_processes: How many there are.

    Raises:
        InputError: The processes do not find one another.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            cluster_detection_method="slurm" if coordinator is None else "deactivate",
            initialization_timeout=_START_TIMEOUT,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=_END_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{NOT_FOUND} ({_first_line(error)})") from error


def several() -> bool:
    """Whether this process has joined a run of several."""
    return jax.distributed.is_initialized()


def index() -> int:
    """Number of this process, from 0."""
    return jax.process_index()


def count() -> int:
    """How many processes the run has."""
    return jax.process_count()


def is_main() -> bool:
    """Whether this process is the one that writes for all."""
    return index() == 0


def share(rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Every P-th of some rows: those that this one of P processes works on."""
    return rows[index() :: count()]


def join(values: Shaped[np.ndarray, "m k"], n: int) -> Shaped[np.ndarray, "n k"]:
    """What all processes have made of their shares, in the order of the rows.

    Args:
        values: One for each row of this process's share.
        n: Number of rows in all.
    """
    if count() == 1:
        return values
    longest = -(-n // count())
    padded = np.pad(values, ((0, longest - len(values)), (0, 0)))
    gathered = np.asarray(multihost_utils.process_allgather(padded))
    return gathered.swapaxes(0, 1).reshape(-1, values.shape[1])[:n]


def check_same(what: str, value: dict[str, Any]) -> None:
    """Checks that all processes have the same of something, and waits for them.

    Args:
        what: Its name, for the message.
        value: This process's, by field; in JSON.

    Raises:
        InputError: They differ; in all processes alike.
    """
    first, *others = (json.loads(text) for text in _gather(json.dumps(value)))
    for number, other in enumerate(others, start=1):
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise InputError(
                    f"the processes differ in {what}: {name} is {first.get(name)!r} in process 0 "
                    f"and {other.get(name)!r} in process {number}; start all with the same"
                )


def on_main(function: Callable[[], object]) -> None:
    """Calls a function in the main process while the others wait.

    Raises:
        InputError: The function's own, in all processes.
    """
    said = ""
    if is_main():
        try:
            function()
        except InputError as error:
            said = str(error)
    if message := _gather(said)[0]:
        raise InputError(message)


def lost_touch(error: BaseException | None) -> bool:
    """Whether something failed because another process has ended: so JAX says, at its root."""
    while several() and error is not None:
        said_by_jax = isinstance(error, (jax.errors.JaxRuntimeError, ValueError))
        if said_by_jax and any(word in str(error) for word in _WORDS_OF_LOSS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _gather(text: str) -> list[str]:
    """A text of each process, by its number."""
    if count() == 1:
        return [text]
    own = np.frombuffer(text.encode(), np.uint8)
    lengths = np.ravel(multihost_utils.process_allgather(np.array([len(own)])))
    padded = np.pad(own, (0, int(lengths.max()) + 1 - len(own)))
    rows = np.asarray(multihost_utils.process_allgather(padded))
    return [bytes(row[:length]).decode() for row, length in zip(rows, lengths, strict=True)]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
