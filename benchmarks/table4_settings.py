"""The runs of `benchmarks.table4`: their folders, configs, commands and reports."""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from benchmarks.table4_matrix import MORE_UNLABELLED, PARTS, Experiment
from data_gen.errors import InputError
from data_gen.pattern_files import save
from sgan_jax import workdir
from sgan_jax.config import FURTHER_SOURCES, patterns_per_step
from sgan_jax.report import JSON_FILE, as_json
from sgan_jax.wording import MERITS

ROOT = Path(__file__).resolve().parents[1]

Report = Mapping[str, Any]

_BLOCKS = {
    "checkpoint": ("step",),
    "dataset": ("fingerprint", "n_labelled", "n_test", "n_unlabelled"),
    "environment": (
        "cpu_count",
        "device_count",
        "device_kind",
        "platform",
        "python",
        "versions",
    ),
    "test": (
        "ece",
        "top1_ci95",
        *(f"{prior}{merit.key}" for merit in MERITS for prior in ("", "prior_")),
    ),
    "throughput": ("train_patterns_per_s",),
}
"""What tables are made from, of a report that is whole: keys by block."""

_PLACES = ("dir", "sources", *FURTHER_SOURCES)
"""Fields of `config.data` that hold paths."""


@dataclass(frozen=True, eq=False)
class Run:
    """One training run: an experiment with a seed.

    Attributes:
        name: Of its folder.
        experiment: What is trained.
        fields: `--config.FIELD=VALUE`, all fields that differ from its config.
        folder: Of the run.
        ready: Whether its steps are known.
    """

    name: str
    experiment: Experiment
    fields: tuple[str, ...]
    folder: Path
    ready: bool

    @cached_property
    def config(self) -> ConfigDict:
        """What its command makes of its fields.

        Raises:
            InputError: They cannot be used.
        """
        module = importlib.import_module(f"configs.{self.experiment.config}")
        values = flags.FlagValues()
        config = module.get_config(self.experiment.argument)
        given = ["", *self.fields]
        try:
            holder = config_flags.DEFINE_config_dict(
                "config", config, flag_values=values, sys_argv=given
            )
            values(given)
        except flags.Error as error:
            raise InputError(f"{self.name}: {error}") from error
        except (AttributeError, KeyError) as error:
            field = str(error.args[0]).strip("'\"")
            raise InputError(f"no field {field!r}; configs/base.py lists all fields") from error
        return holder.value

    @property
    def command(self) -> tuple[str, ...]:
        """What is run."""
        config = f"--config={ROOT / self.experiment.file}"
        workdir = f"--workdir={self.folder}"
        return (sys.executable, "-m", "sgan_jax.main", config, *self.fields, workdir)

    @property
    def log(self) -> Path:
        """File for all that it says."""
        return self.folder.with_name(f"{self.name}.log")

    @cached_property
    def _fields(self) -> workdir.Identity:
        config = workdir.identity(self.config, "").config
        return workdir.Identity(_without_places(config), "")

    def report(self) -> Report | None:
        """Its `report.json`, once it is finished: whole, with all steps of this config.

        Where the sources lay does not matter: a report may come from another machine.
        """
        try:
            content = json.loads((self.folder / JSON_FILE).read_text())
            self._fields.check(self.name, _identity(content))
            whole = isinstance(content["per_class"], list) and all(
                isinstance(content[block], dict) and content[block].keys() >= set(keys)
                for block, keys in _BLOCKS.items()
            )
            done = content["steps"] == self.config.num_steps
        except (OSError, ValueError, KeyError, TypeError, InputError):
            return None
        return content if self.ready and whole and done else None


def file_names(sources: str) -> str:
    """Sources, or any path, without the places where they lie."""
    return ",".join(Path(source).name for source in sources.split(","))


@dataclass(frozen=True)
class Settings:
    """What all runs have in common.

    Attributes:
        sources: As `config.data.sources`.
        data_dir: As `config.data.dir`.
        runs: Folder of the runs.
        steps: Of each run; None leaves them to the configs.
        fields: `--config.FIELD=VALUE`, further fields of all runs.
        unlabelled_sources: As `config.data.unlabelled_sources`, of the experiments that have some.
    """

    sources: str
    data_dir: str
    runs: Path
    steps: int | None = None
    fields: tuple[str, ...] = ()
    unlabelled_sources: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of the matrix for which there is all that they need."""
        return tuple(name for name in PARTS if self.unlabelled_sources or name != MORE_UNLABELLED)

    def run(self, experiment: Experiment, seed: int) -> Run:
        """An experiment's run; not ready where its steps depend on a run that is not finished."""
        known = self._equal_time(experiment)
        steps = known or self._longer(experiment) or self.steps
        name = f"{experiment.name}-seed{seed}"
        given = (
            f"--config.data.sources={self.sources}",
            f"--config.data.dir={self.data_dir}",
            *self.fields,
            *([f"--config.num_steps={steps}"] if steps else []),
            *(f"--config.{change}" for change in experiment.changes),
            *self._more(experiment),
            f"--config.seed={seed}",
        )
        return Run(
            name,
            experiment,
            given,
            self.runs / name,
            not experiment.as_long_as or known is not None,
        )

    def _longer(self, experiment: Experiment) -> int | None:
        """Steps of an experiment that takes several times as many as without that."""
        if experiment.times == 1:
            return None
        return experiment.times * self.run(replace(experiment, times=1), 0).config.num_steps

    def _more(self, experiment: Experiment) -> list[str]:
        if not experiment.more_unlabelled:
            return []
        return [f"--config.data.unlabelled_sources={self.unlabelled_sources}"]

    def reports(self, experiment: Experiment) -> dict[int, Report]:
        """The reports of all finished runs of an experiment, by seed."""
        folders = self.runs.glob(f"{experiment.name}-seed*")
        seeds = [folder.name.removeprefix(f"{experiment.name}-seed") for folder in folders]
        found = {
            seed: self.run(experiment, seed).report()
            for seed in sorted(int(seed) for seed in seeds if seed.isdecimal())
        }
        return {seed: report for seed, report in found.items() if report}

    def _equal_time(self, experiment: Experiment) -> int | None:
        """Steps that take as long as another experiment; None if none is named or timed yet.

        By two short runs, one right after the other: the speed of a machine changes in hours.
        """
        other = experiment.as_long_as
        if other is None:
            return None
        trials = [self.run(each.trial, 0).report() for each in (other, experiment)]
        times = [seconds_per_step(trial) for trial in trials if trial]
        if len(times) < len(trials) or None in times:
            return None
        its, own = times
        return max(1, round(self.run(other, 0).config.num_steps * its / own))


def _identity(report: Report) -> workdir.Identity:
    """Of what run a report is, wherever its data lay; older ones know of no pretrained weights."""
    return workdir.Identity(_without_places(report["config"]), "", report.get("pretrained"))


def keep(folder: Path, run: Run, report: Report) -> None:
    """Copies a report, without the places of its data, to a folder laid out as that of the runs.

    On any machine `--runs` may name that folder.

    Args:
        folder: Of the copies.
        run: Whose report it is.
        report: What it says.
    """
    copy = folder / run.name / JSON_FILE
    copy.parent.mkdir(parents=True, exist_ok=True)
    content = {**report, "config": _without_places(report["config"])}
    save(copy, as_json(content).encode())


def _without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    data = {
        field: file_names(str(value)) if field in _PLACES else value
        for field, value in dict(config["data"]).items()
    }
    return {**config, "data": data}


def seconds_per_step(report: Report) -> float | None:
    """What a step of a run took; None where nothing was timed."""
    rate = report["throughput"]["train_patterns_per_s"]
    return patterns_per_step(report["config"]) / rate if rate else None


def training_seconds(report: Report) -> float | None:
    """What all steps of a run took, without evaluation; None where nothing was timed."""
    per_step = seconds_per_step(report)
    return None if per_step is None else report["steps"] * per_step
