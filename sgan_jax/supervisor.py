"""Starts the processes of a run on this machine, and says in one line how they ended.

A process that waits for another, which has died, is in the hands of JAX's runtime: that ends it
with a crash and pages of its own. So each is the child of a supervisor, which does no other work.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from data_gen.errors import InputError
from sgan_jax.preemption import EXIT_CODE as PREEMPTED
from sgan_jax.processes import NOT_FOUND

_MEMBER = "SGAN_JAX_MEMBER"
"""Environment variable by which a child knows who it is."""

FAILED = 2
LOST_TOUCH = os.EX_UNAVAILABLE
"""Exit code of a child that stopped because another process has; the supervisor says so."""

_GRACE = 15.0
"""Seconds in which processes end by themselves after one of them has failed."""

_POLL = 0.1
_TAIL_LINES = 25
_GOES_ON = "the same command goes on from the last checkpoint"
_OTHER_DIED = "distributed service detected fatal errors"
_NEVER_MET = "RegisterTask"  # what JAX was at when it gave up waiting for the others


@dataclass(frozen=True)
class Member:
    """One process of a run of several.

    Attributes:
        coordinator: HOST:PORT at which process 0 listens; None where SLURM knows all this.
        process_id: Number of this process.
        num_processes: How many there are.
        gpus: Which GPUs of its machine it takes, as `JAX_LOCAL_DEVICE_IDS`; empty: all.
    """

    coordinator: str | None
    process_id: int
    num_processes: int
    gpus: str = ""


def members(
    processes: int | None,
    coordinator: str | None,
    process_id: int | None,
    num_processes: int | None,
    environment: Mapping[str, str] = os.environ,
) -> list[Member]:
    """The processes that a command stands for on this machine.

    Args:
        processes: How many to start here.
        coordinator: Or, of a run started process by process: HOST:PORT of process 0,
        process_id: the number of this one,
        num_processes: and how many there are.
        environment: In which SLURM says the same to each task of `srun`.

    Returns:
        An empty list where the run has but one process.

    Raises:
        InputError: The flags do not fit together.
    """
    one_by_one = {
        "--coordinator": coordinator,
        "--process_id": process_id,
        "--num_processes": num_processes,
    }
    given = [name for name, value in one_by_one.items() if value is not None]
    if processes is not None:
        if given:
            raise InputError(
                f"--processes starts all processes here and {given[0]} names one of several; "
                "give one or the other"
            )
        _check(processes >= 1, f"--processes={processes}: must be 1 or more")
        return _here(processes) if processes > 1 else []
    if given:
        missing = [name for name in one_by_one if name not in given]
        _check(not missing, f"{given[0]} needs {' and '.join(missing)} beside it")
        return _one(str(coordinator), int(process_id or 0), int(num_processes or 0))
    return _of_slurm(environment)


def supervise(group: list[Member]) -> int:
    """Runs this very command in child processes, one for each member, until all have ended.

    SIGTERM and SIGINT are passed on. When one fails, the others get a while to end, and are then
    killed; they also end with the supervisor, however that ends. What the first one says is seen on
    the screen; of the others, and of what libraries say, only what explains a failure.

    Returns:
        Exit code for the whole: 0, `PREEMPTED` where any stopped for a signal, `FAILED` where any
        failed.
    """
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(_child(m, shown=m is group[0])) for m in group]
        forwarded = _forward_signals(children)
        deadline = None
        while any(child.code is None for child in children):
            time.sleep(_POLL)
            if deadline is None and any(child.code not in {None, 0} for child in children):
                deadline = time.monotonic() + _GRACE
            if deadline is not None and time.monotonic() > deadline:
                for child in children:
                    child.stop()
        if forwarded == {signal.SIGTERM}:
            # One that had not come as far as to mind the signal has nothing to save either.
            codes = {PREEMPTED if c.code == -signal.SIGTERM else c.code for c in children}
            if codes <= {0, PREEMPTED}:
                return PREEMPTED
        _explain(children)
    codes = {child.code for child in children}
    return 0 if codes == {0} else PREEMPTED if codes <= {0, PREEMPTED} else FAILED


def supervised() -> Member | None:
    """Who this process is if a supervisor has started it; it then ends with the supervisor.

    What libraries write from below Python stays off the screen.
    """
    text = os.environ.get(_MEMBER)
    if text is None:
        return None
    told = json.loads(text)
    if screen := told.pop("screen"):
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in screen)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    return Member(**told)


def note(error: str) -> None:
    """Leaves what this process says on the screen for its supervisor, if it has one.

    When another process ends first, a library may end this one before it can say so itself by its
    exit code.
    """
    if _MEMBER in os.environ and sys.stderr is not sys.__stderr__:
        print(error, file=sys.__stderr__, flush=True)


class _Child:
    """A process of the run, and what it has written without being shown."""

    def __init__(self, member: Member, process: subprocess.Popen[bytes], log: IO[str]) -> None:
        self.name = f"process {member.process_id} of {member.num_processes}"
        self._process = process
        self._log = log
        self._stopped = False

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    @property
    def stopped(self) -> bool:
        """Whether it had to be stopped since another failed."""
        return self._stopped

    def send(self, number: int) -> None:
        if self.code is None:
            self._process.send_signal(number)

    def stop(self) -> None:
        if self.code is None:
            self._stopped = True
            self._process.kill()
            self._process.wait()

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.code is not None and self.code < 0

    def lost_touch(self) -> bool:
        """Whether it ended because another process had."""
        return self.code == LOST_TOUCH or any(_OTHER_DIED in line for line in self._written())

    def has_said_why(self) -> bool:
        """Whether it has left an error."""
        return any(line.startswith("error: ") for line in self._written())

    def reason(self) -> str:
        """Why it failed; what it wrote last is put on the screen where nothing else tells."""
        errors = [line for line in self._written() if line.startswith("error: ")]
        if self.killed and any(_NEVER_MET in line for line in self._written()):
            return f"gave up: {NOT_FOUND}"
        if self.lost_touch():
            return f"stopped, since another process of the run has ended or is silent; {_GOES_ON}"
        if self.code == FAILED and errors:
            return "failed: " + errors[-1].removeprefix("error: ")
        if self.code == -signal.SIGKILL:
            return f"was killed; {_GOES_ON}"
        print(*self._written()[-_TAIL_LINES:], sep="\n", file=sys.stderr)
        code = self.code or 0
        ending = signal.Signals(-code).name if self.killed else f"exit code {code}"
        return f"broke off ({ending}); what it wrote last is above"

    def _written(self) -> list[str]:
        self._log.seek(0)
        return self._log.read().splitlines()


@contextlib.contextmanager
def _child(member: Member, *, shown: bool) -> Iterator[_Child]:
    """Starts a child; its standard input is the pipe that ends with this process."""
    screen = [os.dup(1), os.dup(2)] if shown else []
    told = json.dumps(asdict(member) | {"screen": screen})
    environment = os.environ | {_MEMBER: told}
    if member.gpus:
        environment["JAX_LOCAL_DEVICE_IDS"] = member.gpus
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sgan_jax.main", *sys.argv[1:]],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=screen,
            start_new_session=True,  # else Ctrl-C would reach it twice
        )
        for number in screen:
            os.close(number)
        child = _Child(member, process, log)
        try:
            yield child
        finally:
            child.stop()
            if process.stdin is not None:
                process.stdin.close()


def _forward_signals(children: list[_Child]) -> set[int]:
    """Passes signals on from now on; returns a set that will hold those that came."""
    forwarded: set[int] = set()

    def forward(number: int, _: Any) -> None:  # noqa: ANN401
        forwarded.add(number)
        for child in children:
            child.send(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    return forwarded


def _explain(children: list[_Child]) -> None:
    """Says why the run failed, unless the process on the screen has said so."""
    failed = [c for c in children if c.code not in {0, PREEMPTED} and not c.stopped]
    causes = [child for child in failed if not child.lost_touch()]
    shown = children[0]
    if shown in failed and (shown.has_said_why() or (shown in causes and not shown.killed)):
        return
    for child in causes or failed:
        print(f"error: {child.name} {child.reason()}", file=sys.stderr)


def _end_with_supervisor() -> None:
    with contextlib.suppress(OSError):
        os.read(0, 1)  # nothing is ever written: this returns when the other end is closed
    os._exit(FAILED)


def _here(processes: int) -> list[Member]:
    """All processes of a run on this machine; each takes one GPU where there are any."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [Member(address, i, processes, gpus=str(i)) for i in range(processes)]


def _one(coordinator: str, process_id: int, num_processes: int) -> list[Member]:
    """One process of a run that is started process by process."""
    host, _, port = coordinator.rpartition(":")
    _check(
        bool(host) and port.isdigit() and 0 < int(port) < 2**16,
        f"--coordinator={coordinator}: must be HOST:PORT",
    )
    _check(num_processes >= 1, f"--num_processes={num_processes}: must be 1 or more")
    _check(
        0 <= process_id < num_processes,
        f"--process_id={process_id}: must be 0 to {num_processes - 1}, one less than "
        "--num_processes",
    )
    return [Member(coordinator, process_id, num_processes)] if num_processes > 1 else []


def _of_slurm(environment: Mapping[str, str]) -> list[Member]:
    """This task of `srun`; a batch script outside of `srun` is no task."""
    count = int(environment.get("SLURM_NTASKS", 1))
    if count == 1 or "SLURM_STEP_NODELIST" not in environment:
        return []
    alone = environment.get("SLURM_STEP_TASKS_PER_NODE", "").partition("(")[0] == "1"
    gpus = range(int(environment.get("SLURM_GPUS_ON_NODE", 1)))
    # A task to which SLURM shows a single GPU sees it as number 0.
    bound = environment.get("CUDA_VISIBLE_DEVICES", "").isdigit()
    taken = ",".join(map(str, gpus)) if alone else environment["SLURM_LOCALID"]
    return [
        Member(
            coordinator=None,
            process_id=int(environment["SLURM_PROCID"]),
            num_processes=count,
            gpus="" if bound else taken,
        )
    ]


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise InputError(message)
