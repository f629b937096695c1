"""What was tried for the preset `tuned`: `python -m benchmarks.tuning --sources=amcsd,…`.

Every variant trains on as many labels as its config says, and is judged by another fifth of all
patterns, none of them of the test set, which has no say: a fifth of the labelled ones would tell
variants apart to 1.6 points at 10 % of the labels, and this does to half a point. That fifth is
missing among the unlabelled patterns, of which an SGAN has more in Table 4. Each seed has a
test set of its own, though: crystals that judge variants here with one seed are in the test sets of
others, as in `benchmarks.table4`. Stopped and started again, it goes on where it was. Beside the
page lie copies of the reports: `--runs` may name their folder, on any machine.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import table4_runs
from benchmarks.table4_columns import duration
from benchmarks.table4_matrix import SHARES, TASKS, Experiment
from benchmarks.table4_settings import Report, Settings, keep, training_seconds
from benchmarks.tables import markdown
from data_gen.command_line import Parser
from data_gen.errors import InputError
from data_gen.pattern_files import save
from sgan_jax import bulk, command_line, preemption
from sgan_jax.supervisor import FAILED
from sgan_jax.wording import points

_HELD_BACK = 0.2
"""Share of all patterns by which the variants are judged."""

_FRACTIONS = {f"{task}_{share}pct": share / 100 for task in TASKS for share in SHARES}
CONFIGS = tuple(_FRACTIONS)

_BOTH: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "relatives": ("data.relatives=True",),
    "no dropout": ("model.dropout=0.0",),
    "dropout 0.3": ("model.dropout=0.3",),
    "no warm-up": ("optimizer.warmup_steps=0",),
    "rate 2e-3": ("optimizer.supervised_learning_rate=2e-3",),
    "rate 2.5e-4": ("optimizer.supervised_learning_rate=2.5e-4",),
    "weight decay 0.05": ("optimizer.weight_decay=0.05",),
}
_NO_CONTRAST = "loss.contrast=0.0"
_QUICK_GAME = (
    "optimizer.unsupervised_learning_rate=1e-4",
    "optimizer.generator_learning_rate=1e-4",
)
_QUICK_GENERATOR = "optimizer.generator_learning_rate=5e-4"
_MATCHING = "loss.feature_matching=True"
_SGAN: dict[str, tuple[str, ...]] = {
    "no contrast": (_NO_CONTRAST,),
    "contrast 0.15": ("loss.contrast=0.15",),
    "contrast 0.3": ("loss.contrast=0.3",),
    "contrast 1.0": ("loss.contrast=1.0",),
    "no game": ("optimizer.unsupervised_learning_rate=0", "optimizer.generator_learning_rate=0"),
    "no contrast, quick game": (_NO_CONTRAST, *_QUICK_GAME),
    "no contrast, quick game, feature matching": (_NO_CONTRAST, *_QUICK_GAME, _MATCHING),
    "no contrast, quick game, output for real and fake, target noise": (
        _NO_CONTRAST,
        *_QUICK_GAME,
        "model.real_fake_head=True",
        "loss.target_noise=0.2",
    ),
    "no contrast, quick generator": (_NO_CONTRAST, _QUICK_GENERATOR),
    "no contrast, quick generator, feature matching": (_NO_CONTRAST, _QUICK_GENERATOR, _MATCHING),
}
_SUPERVISED: dict[str, tuple[str, ...]] = {
    "constant rate": ("optimizer.schedule=constant",),
    "no limit to gradients": ("optimizer.clip_norm=0.0",),
    "average of decay 0.9997": ("ema_decay=0.9997",),
    "average of decay 0.995": ("ema_decay=0.995",),
    "rate 1e-3": ("optimizer.supervised_learning_rate=1e-3",),
    "no average": ("ema_decay=0.0",),
    "batches of 64": ("batch_size=64",),
    "no stem pool": ("model.stem_pool=False",),
    "dropout 0.5": ("model.dropout=0.5",),
    "weight decay 0.5": ("optimizer.weight_decay=0.5",),
}
VARIANTS = {"supervised": _BOTH | _SUPERVISED, "sgan": _BOTH | _SGAN}
"""As many for each method. Fields that differ from the preset, by method and name."""


def experiments(config: str, method: str) -> dict[str, Experiment]:
    """All variants of a method, by name.

    Args:
        config: Name of a file in `configs/`, without its ending.
        method: `supervised` or `sgan`.
    """
    judged = _judged(_FRACTIONS[config])
    return {
        name: Experiment(config, method, changes=(*changes, *judged))
        for name, changes in VARIANTS[method].items()
    }


def _judged(share: float) -> tuple[str, ...]:
    """What holds patterns back beside a share of labelled ones.

    The last weights are judged, as those of Table 4 are: the best of many would flatter.
    """
    both = share + _HELD_BACK
    return (
        f"label_fraction={both:.2f}",
        f"validation_fraction={_HELD_BACK / both:.4f}",
        f"checkpoint_every={10**9}",
    )


def table(settings: Settings, config: str, method: str) -> str:
    """The variants of a method with their accuracy on what was held back, the best first."""
    found, every = [], []
    for name, experiment in experiments(config, method).items():
        changes = " ".join(VARIANTS[method][name]) or "–"
        reports = list(settings.reports(experiment).values())
        every += reports
        reached = [report["checkpoint"]["validation_top1"] for report in reports]
        mean = statistics.fmean(reached) if reached else 0.0
        found.append((mean, [name, changes, str(len(reports)), *_reached(reached, reports)]))
    lines = [line for _, line in sorted(found, key=lambda line: -line[0])]
    title = f"{TASKS[config.partition('_')[0]]}, {method}, `configs/{config}.py`"
    header = ["variant", "fields", "seeds", "validation top-1, %", "training time"]
    return f"{markdown(title, header, lines)}{_conditions(every)}"


def _conditions(reports: Sequence[Report]) -> str:
    """What all variants have in common, and what is reached without learning anything."""
    if not reports:
        return ""
    prior = statistics.fmean(report["test"]["prior_top1"] for report in reports)
    return (
        f"\n{reports[0]['steps']:,} steps each. With one seed ± is the standard error over the "
        f"validation patterns alone. Prior: {points(prior)} %.\n"
    )


def _reached(reached: Sequence[float], reports: Sequence[Report]) -> tuple[str, str]:
    """Mean accuracy with the spread over seeds, or of one with its standard error; mean time."""
    if not reached:
        return "not run", ""
    mean, n = statistics.fmean(reached), reports[0]["dataset"]["n_validation"]
    one = len(reached) == 1
    spread = math.sqrt(mean * (1 - mean) / n) if one else statistics.stdev(reached)
    times = [time for report in reports if (time := training_seconds(report)) is not None]
    return (
        f"{points(mean)} ± {points(spread)}",
        duration(statistics.fmean(times)) if times else "",
    )


def _keep_reports(settings: Settings, config: str, method: str, folder: Path) -> None:
    for experiment in experiments(config, method).values():
        for seed, report in settings.reports(experiment).items():
            keep(folder, settings.run(experiment, seed), report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 2 if a run failed."""
    options = _parser().parse_args(arguments)
    with command_line.errors(), preemption.watch():
        if options.seeds < 1:
            raise InputError(f"--seeds={options.seeds}: give at least 1")
        bulk.check_file(options.out, "--out")
        settings = Settings(options.sources, options.data_dir, options.runs, options.steps)
        methods = [options.method] if options.method else list(VARIANTS)
        wanted = [
            (experiment, seed)
            for seed in range(0 if options.write_only else options.seeds)
            for method in methods
            for experiment in experiments(options.config, method).values()
        ]

        kept = options.out.with_name(f"{options.out.stem}-reports")

        def write() -> None:
            tables = [table(settings, options.config, method) for method in methods]
            save(options.out, "\n".join(tables).encode())
            for method in methods:
                _keep_reports(settings, options.config, method, kept)

        table4_runs.check(settings, wanted)
        write()
        failed = table4_runs.train_all(settings, wanted, write) if wanted else []
        print(options.out)
    return FAILED if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m benchmarks.tuning",
        description="Trains variants of the preset `tuned` and compares them without the test set.",
    )
    add = parser.add_argument
    add("--config", choices=CONFIGS, default="bravais_5pct", help="default: bravais_5pct")
    add("--method", choices=tuple(VARIANTS), help="default: both")
    add("--sources", default="amcsd", help="of structures, as config.data.sources")
    add("--data_dir", default="data", metavar="DIR", help="of the data sets, as config.data.dir")
    add("--runs", type=Path, default=Path("runs/tuning"), metavar="DIR", help="of the runs")
    add("--steps", type=int, metavar="N", help="of every run; default: what its config says")
    add("--seeds", type=int, default=1, metavar="N", help="runs of each variant; default: 1")
    add("--write_only", action="store_true", help="run nothing, write from the reports there are")
    told = "the tables; copies of the reports are kept beside it"
    add("--out", type=Path, default=Path("tuning.md"), metavar="FILE", help=told)
    return parser


if __name__ == "__main__":
    sys.exit(main())
