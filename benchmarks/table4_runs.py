"""Runs what `benchmarks.table4` asks for, one run after another, each in a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

from benchmarks.table4_matrix import Experiment
from benchmarks.table4_settings import Run, Settings
from data_gen.errors import InputError
from data_gen.spec import DatasetSpec
from sgan_jax.config import FURTHER_SOURCES, patterns_per_step, validate

_LAST_LINES = 5
_SOURCES = ("sources", *FURTHER_SOURCES)


def check(settings: Settings, wanted: Sequence[tuple[Experiment, int]]) -> None:
    """Tells before anything is run or written what would stop a run later.

    Args:
        settings: Of all runs.
        wanted: Experiments with their seeds.

    Raises:
        InputError: A run has a config or sources that cannot be used.
    """
    configs = [settings.run(experiment, seed).config for experiment, seed in wanted]
    for config in configs:
        validate(config)
    for sources in {config.data[name] for config in configs for name in _SOURCES}:
        if sources:
            _ = DatasetSpec(sources).opened_sources


def train_all(
    settings: Settings, wanted: Sequence[tuple[Experiment, int]], after: Callable[[], None]
) -> list[str]:
    """Runs or resumes all that is not finished; a run that fails does not keep the others back.

    Args:
        settings: Of all runs.
        wanted: Experiments with their seeds, in this order; see `check`.
        after: Called after each finished run.

    Returns:
        The names of the runs that failed.

    Raises:
        InputError: The folder of the runs cannot be made.
    """
    failed = []
    _make_folder(settings)
    for number, (experiment, seed) in enumerate(wanted, 1):
        run = settings.run(experiment, seed)
        if run.report():
            continue
        left = time_left([settings.run(*one) for one in wanted])
        print(f"run {number} of {len(wanted)}: {run.name}; time left: {left}", flush=True)
        problem = _train(run)
        if problem:
            failed.append(run.name)
            print(f"{run.name} {problem}", file=sys.stderr, flush=True)
        else:
            after()
    return failed


def _train(run: Run) -> str:
    """Runs or resumes one run; returns why it did not end well, or nothing."""
    if not run.ready:
        return "was left out: the runs from which its steps would follow are not finished"
    print(f"  log: {run.log}", flush=True)
    code = launch(run)
    report = run.report()
    if report:
        print(f"  top-1 {100 * report['test']['top1']:.1f} %", flush=True)
        return ""
    said = run.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    return "\n  ".join([f"failed with exit code {code}; the end of {run.log}:", *said])


def launch(run: Run) -> int:
    """Runs a run's command to its end and returns the exit code; its log takes what it says.

    If this process is asked to end meanwhile, the run saves where it stands, and ends first.
    """
    with run.log.open("ab") as log:
        process = subprocess.Popen(
            run.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # else Ctrl-C would reach it as well, and lose its last steps
        )
        try:
            return process.wait()
        finally:
            process.terminate()  # has no effect where it has ended
            process.wait()


def time_left(runs: Sequence[Run]) -> str:
    """How long it takes to train what is not finished, by the speeds of the runs that are.

    A kind of run of which none is finished is taken to be as slow as the slowest that is.
    """
    speeds, unfinished = {}, []
    for run in runs:
        report = run.report()
        if report is None:
            unfinished.append(run)
        elif rate := report["throughput"]["train_patterns_per_s"]:
            speeds[_kind(run)] = rate
    if not speeds:
        return "unknown until a run is finished"
    slowest = min(speeds.values())
    seconds = sum(
        run.config.num_steps * patterns_per_step(run.config) / speeds.get(_kind(run), slowest)
        for run in unfinished
    )
    return f"about {timedelta(seconds=round(seconds))}"


def _kind(run: Run) -> tuple[str, bool]:
    """What a run's speed depends on; one that is to take as long as another is as fast as that."""
    return run.config.method, run.config.model.stem_pool or not run.ready


def _make_folder(settings: Settings) -> None:
    try:
        settings.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--runs={settings.runs}: {error.strerror}; name a folder that can be written"
        ) from error
