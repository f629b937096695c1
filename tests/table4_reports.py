"""Runs of `benchmarks.table4` that have ended, for the tests of what is made from them."""

import re
from pathlib import Path

from random_report import random_report

from benchmarks.table4_matrix import Experiment
from benchmarks.table4_settings import Settings
from sgan_jax import report, report_page


def settings_in(folder: Path) -> Settings:
    """Of runs in a folder, with sources that need not be there."""
    return Settings(f"amcsd,{folder / 'none.tar.gz'}", "data", folder / "runs", steps=60)


def finish(
    settings: Settings, experiment: Experiment, seed: int = 0, top1: float = 0.5, rate: float = 10.0
) -> dict:
    """Leaves what a run leaves that has ended well."""
    run = settings.run(experiment, seed)
    content = random_report(config=run.config)
    content["steps"] = run.config.num_steps
    content["test"] |= {"top1": top1, "top1_ci95": [top1 - 0.02, top1 + 0.03]}
    content["throughput"]["train_patterns_per_s"] = rate
    run.folder.mkdir(parents=True)
    report.write(run.folder, content, report_page.page)
    return content


def flags_of(settings: Settings, out: Path) -> list[str]:
    """Of the command line, for runs with some settings."""
    return [
        f"--sources={settings.sources}",
        f"--data_dir={settings.data_dir}",
        f"--runs={settings.runs}",
        f"--steps={settings.steps}",
        f"--out={out}",
    ]


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The tables of a page by title, each row by column."""
    found = {}
    for title, body in re.findall(r"^## (.*)\n\n((?:\|.*\n)+)", text, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip("|").split(" |")] for line in body.splitlines()
        ]
        header = lines[0]
        assert {len(line) for line in lines[2:]} <= {len(header)}
        found[title] = [dict(zip(header, line, strict=True)) for line in lines[2:]]
    return found
