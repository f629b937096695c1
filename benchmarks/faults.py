"""Kills a run again and again: `python -m benchmarks.faults --kills=20`.

A small run is killed (SIGKILL) at random moments, while it starts, between steps and while it
writes a checkpoint, and started again each time by the same command. It must end with the very
state, to the last bit, and the same choice of a best checkpoint, as a run that was left alone.
"""

import argparse
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from benchmarks.tables import markdown
from data_gen.command_line import Parser
from data_gen.errors import InputError
from sgan_jax import workdir
from sgan_jax.checkpoint import FOLDER, Choice
from sgan_jax.run import open_run
from sgan_jax.state import SganState

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/quickstart.py"
CHECKPOINT_EVERY = 3

_DESCRIPTION = "Kills a run again and again; it must end as if it had been left alone."
_STEP = re.compile(r"\bstep (\d+)/")
_START_SECONDS = 8.0
_MOST_STEPS = 4  # that a run is let do before it is killed
_LONGEST_SAVE = 0.02  # seconds that a checkpoint is let be written before the run is killed


@dataclass(frozen=True)
class Trials:
    """Small runs, started as a user would; they share a data set and compiled programs.

    Attributes:
        folder: Where the runs and their data set are kept.
        steps: Of each run.
        compiled: Where compiled programs are kept.
    """

    folder: Path
    steps: int
    compiled: Path

    def start(
        self, run: Path, *flags: str, config: str = CONFIG, **environment: str
    ) -> subprocess.Popen[str]:
        """Starts a run, or starts it again.

        Args:
            run: Its folder.
            flags: Further flags of `sgan_jax.main`; the last of several counts.
            config: Its config.
            environment: Further environment variables.
        """
        fields = {
            "data.dir": self.folder / "data",
            "data.limit": 200,
            "data.workers": 1,
            "batch_size": 8,
            "num_steps": self.steps,
            "validation_fraction": 0.3,
            "log_every": 1,
            "eval_every": self.steps,
            "checkpoint_every": CHECKPOINT_EVERY,
        }
        small = [f"--config.{name}={value}" for name, value in fields.items()]
        compiled = {"JAX_COMPILATION_CACHE_DIR": str(self.compiled)}
        where = (f"--config={config}", f"--workdir={run}")
        return subprocess.Popen(
            [sys.executable, "-m", "sgan_jax.main", *where, *small, *flags],
            cwd=ROOT,
            env=os.environ | compiled | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(
        self, run: Path, *flags: str, config: str = CONFIG, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """As `start`, and waits for its end."""
        process = self.start(run, *flags, config=config, **environment)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@dataclass(frozen=True)
class Hit:
    """A moment at which a run was killed.

    Attributes:
        wanted: Of `MOMENTS`.
        step: The last step that it had told of, 0 for none.
        saving: Whether it left a checkpoint half written.
        seconds: Since it was started.
    """

    wanted: str
    step: int
    saving: bool
    seconds: float


def kill(trials: Trials, run: Path, moment: str, rng: random.Random) -> Hit:
    """Starts a run, or starts it again, and kills it.

    Args:
        trials: Of which it is.
        run: Its folder.
        moment: Of `MOMENTS`.
        rng: Decides what is left open.

    Raises:
        InputError: It ended before.
    """
    began = time.monotonic()
    with trials.start(run) as process:
        assert process.stderr is not None
        told = _wait_for(moment, process.stderr, run / FOLDER, rng)
        process.kill()
        seconds = time.monotonic() - began
        told += process.stderr.read()
    if process.returncode != -signal.SIGKILL:
        raise InputError(f"the run ended with exit code {process.returncode} by itself:\n{told}")
    steps = _STEP.findall(told)
    return Hit(moment, int(steps[-1]) if steps else 0, _is_saving(run / FOLDER), seconds)


MOMENTS = ("while saving", "between steps", "at start")


def _wait_for(moment: str, stderr: IO[str], checkpoints: Path, rng: random.Random) -> str:
    """Waits for a moment; returns what was written on stderr until then."""
    if moment == "at start":
        time.sleep(rng.uniform(0, _START_SECONDS))
        return ""
    lines = list(_until_step(stderr, rng.randint(1, _MOST_STEPS)))
    if moment == "while saving":
        steps = (line for line in stderr if _STEP.search(line))
        lines += itertools.islice(steps, -int(_STEP.findall(lines[-1])[-1]) % CHECKPOINT_EVERY)
        while not _is_saving(checkpoints):
            time.sleep(0.0005)
    time.sleep(rng.uniform(0, _LONGEST_SAVE))
    return "".join(lines)


def _until_step(stderr: IO[str], count: int) -> Iterator[str]:
    """Lines of a run until it has told of so many steps."""
    for line in stderr:
        yield line
        count -= bool(_STEP.search(line))
        if count == 0:
            return


def _is_saving(checkpoints: Path) -> bool:
    return any(checkpoints.glob("*.orbax-checkpoint-tmp*"))


def outcome(run: Path) -> tuple[SganState, Choice]:
    """The last state of a finished run, and which of its checkpoints it chose."""
    with open_run(ConfigDict(workdir.read(run).config), run) as opened:
        last = opened.checkpoints.steps[-1]
        return opened.checkpoints.restore(opened.new_state(), last), opened.checkpoints.chosen


def are_equal(first: tuple[SganState, Choice], second: tuple[SganState, Choice]) -> bool:
    """Whether two runs ended with the same bits and the same choice."""
    same = jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), first[0], second[0])
    return all(jax.tree.leaves(same)) and first[1] == second[1]


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, 1 if the runs differ, 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.faults", description=_DESCRIPTION)
    add = parser.add_argument
    add("--kills", type=int, default=20, metavar="N", help="how often; default: 20")
    add("--seed", type=int, default=0, help="another one kills at other moments")
    try:
        return _run(parser.parse_args(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.kills < 1:
        raise InputError("--kills: give at least 1")
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), steps_for(options.kills), Path(folder) / "compiled")
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        _finish(trials, whole)
        moments = itertools.islice(itertools.cycle(MOMENTS), options.kills)
        hits = [kill(trials, killed, moment, rng) for moment in tqdm(list(moments), unit=" kills")]
        _finish(trials, killed)
        equal = are_equal(outcome(whole), outcome(killed))
    print(hit_table(hits))
    print("the same state, bit for bit" if equal else "NOT the same state")
    return 0 if equal else 1


def steps_for(kills: int) -> int:
    """Steps of a run that is not over before the last kill."""
    return (kills + 1) * (_MOST_STEPS + CHECKPOINT_EVERY)


def _finish(trials: Trials, run: Path) -> None:
    done = trials.finish(run)
    if done.returncode:
        raise InputError(f"a run failed: {done.stderr.strip().splitlines()[-1]}")


def hit_table(hits: Sequence[Hit]) -> str:
    """Returns where each kill hit."""
    saving = sum(hit.saving for hit in hits)
    rows = [
        (
            str(number),
            hit.wanted,
            str(hit.step or "before the first"),
            "yes" if hit.saving else "no",
            f"{hit.seconds:.1f} s",
        )
        for number, hit in enumerate(hits, start=1)
    ]
    title = f"{len(hits)} kills, {saving} with a checkpoint half written"
    return markdown(title, ("kill", "aimed", "last step told", "half written", "after"), rows)


if __name__ == "__main__":
    sys.exit(main())
