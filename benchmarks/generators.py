"""What the choice of the generator costs and brings: `python -m benchmarks.generators`."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import markdown
from sgan_jax.models.generator import LAYERS

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """One finished run.

    Attributes:
        top1: Test accuracy.
        prior: That of the most frequent class.
        patterns_per_s: Real patterns trained on per second.
        minutes: From the command to the report.
    """

    top1: float
    prior: float
    patterns_per_s: float
    minutes: float


def run(generator: str, seed: int, folder: Path, flags: Sequence[str]) -> Outcome:
    """Trains one network by the command that users run.

    Raises:
        subprocess.CalledProcessError: The run failed; its error is on the screen.
    """
    workdir = folder / f"{generator}-{seed}"
    command = [sys.executable, "-m", "sgan_jax.main", f"--workdir={workdir}", *flags]
    command += [f"--config.model.generator={generator}", f"--config.seed={seed}"]
    begin = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    minutes = (time.perf_counter() - begin) / 60
    report = json.loads((workdir / "report.json").read_text())
    test, speed = report["test"], report["throughput"]["train_patterns_per_s"]
    return Outcome(test["top1"], test["prior_top1"], speed, minutes)


def row(generator: str, outcomes: Sequence[Outcome]) -> list[str]:
    """One generator's line of the table."""
    top1 = [100 * outcome.top1 for outcome in outcomes]
    spread = f" ± {statistics.stdev(top1):.1f}" if len(top1) > 1 else ""
    prior = statistics.mean(100 * outcome.prior for outcome in outcomes)
    speed = statistics.median(outcome.patterns_per_s for outcome in outcomes)
    minutes = statistics.median(outcome.minutes for outcome in outcomes)
    single = ", ".join(f"{value:.1f}" for value in top1)
    accuracy = f"{statistics.mean(top1):.1f}{spread} ({single})"
    return [generator, accuracy, f"{prior:.1f}", f"{speed:.0f}", f"{minutes:.1f}"]


def main() -> None:
    """Trains with every generator and seed, by turns, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/quickstart.py", help="what is trained")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each generator")
    parser.add_argument("--workdir", type=Path, default=Path("runs/generators"))
    arguments, flags = parser.parse_known_args()
    flags.insert(0, f"--config={arguments.config}")  # before its fields
    outcomes: dict[str, list[Outcome]] = {name: [] for name in LAYERS}
    for seed in range(arguments.seeds):
        for name, found in outcomes.items():
            found.append(run(name, seed, arguments.workdir, flags))
    heading = ["generator", "top-1, % (each seed)", "prior, %", "real patterns/s", "minutes"]
    rows = [row(name, found) for name, found in outcomes.items()]
    print(markdown(f"Generators, {arguments.config}", heading, rows))


if __name__ == "__main__":
    main()
