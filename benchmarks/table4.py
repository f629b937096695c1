"""The paper's Table 4 on open data: `python -m benchmarks.table4 --sources=amcsd,mp_icsd.tar.gz`.

Trains every cell of the matrix that is not finished, one after another, and after each writes
`RESULTS.md` and its pictures anew from the runs' `report.json`. Without a finished run of these
settings nothing is written, so that no page of others is lost. Stopped and started again, it goes
on where it was.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import table4_cells, table4_figures, table4_page, table4_runs
from benchmarks.table4_matrix import (
    DECIDED,
    MORE_UNLABELLED,
    PARTS,
    PRESETS_PART,
    fields_of_presets,
    in_order,
)
from benchmarks.table4_settings import Settings, keep
from data_gen.command_line import Parser
from data_gen.errors import InputError
from data_gen.pattern_files import save
from sgan_jax import command_line, preemption
from sgan_jax.report import JSON_FILE
from sgan_jax.supervisor import FAILED

PAGE = "RESULTS.md"
PICTURES = Path("docs", "results")
REPORTS = PICTURES / "reports"
"""Copies of the reports, laid out as the runs are: `--runs` may name them, on any machine."""

_EPILOG = """\
Fields of all runs may be changed by --config.FIELD=VALUE, as of python -m sgan_jax.main. Other
settings want another --runs=DIR.

exit status: 0 if all is finished; 1 after Ctrl-C and 75 after SIGTERM (the run saves where it
stands; the same command goes on from there); 2 for bad input or if a run failed, which its log
explains (the others are run nevertheless).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = _parser()
    options, fields = parser.parse_known_args(arguments)
    if unknown := [field for field in fields if not field.startswith("--config.")]:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with command_line.errors(), preemption.watch():
        return _run(options, fields)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m benchmarks.table4",
        description="Trains the matrix of the paper's Table 4 and writes RESULTS.md.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sources", default="amcsd", help="of structures, as config.data.sources")
    add("--unlabelled_sources", default="", help=f"further structures, for part {MORE_UNLABELLED}")
    add("--data_dir", default="data", metavar="DIR", help="of the data sets, as config.data.dir")
    add("--runs", type=Path, default=Path("runs/table4"), metavar="DIR", help="of the runs")
    add("--steps", type=int, metavar="N", help="of every run; default: what its config says")
    add("--seeds", type=int, default=1, metavar="N", help="runs of each cell; default: 1")
    add("--only", choices=tuple(PARTS), action="append", help="run a part; may be repeated")
    add("--write_only", action="store_true", help="run nothing, write from the reports there are")
    add("--out", type=Path, default=Path(), metavar="DIR", help=f"where {PAGE} and {PICTURES}/ go")
    return parser


def _run(options: argparse.Namespace, fields: Sequence[str]) -> int:
    for name in ("seeds", "steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"--{name}={value}: give at least 1")
    more = options.unlabelled_sources
    settings = Settings(
        options.sources, options.data_dir, options.runs, options.steps, tuple(fields), more
    )
    parts = options.only or settings.parts
    if MORE_UNLABELLED in parts and not more:
        raise InputError(f"--only={MORE_UNLABELLED} wants --unlabelled_sources=PATH[,PATH]")
    _check_fields(fields, parts)
    wanted = [] if options.write_only else in_order(parts, options.seeds)
    table4_runs.check(settings, wanted)
    if options.write_only:
        _check_begun(settings, table4_cells.read(settings))
    _make_folder(options.out)

    def write_all() -> None:
        write(settings, options.seeds, options.out)

    failed = table4_runs.train_all(settings, wanted, write_all) if wanted else []
    write_all()
    print(options.out / PAGE)
    _tell_of_others(settings)
    if failed:
        print(f"error: {len(failed)} runs failed: {', '.join(failed)}", file=sys.stderr)
    return FAILED if failed else 0


def _check_fields(fields: Sequence[str], parts: Sequence[str]) -> None:
    of_presets = fields_of_presets() if PRESETS_PART in parts else frozenset()
    for field in fields:
        name = field.removeprefix("--config.").partition("=")[0]
        if name in DECIDED:
            raise InputError(
                f"{field}: the matrix decides config.{name}, or leaves it alone; leave it out, or "
                "see --help"
            )
        if name in of_presets:
            raise InputError(
                f"{field}: the presets differ by config.{name}, and part {PRESETS_PART} compares "
                "them; name other parts with --only"
            )


def _make_folder(out: Path) -> None:
    """Made before hours of training, if it can be."""
    reports = out / REPORTS
    try:
        reports.mkdir(parents=True, exist_ok=True)
        writable = all(os.access(each, os.W_OK) for each in (out, out / PICTURES, reports))
    except OSError as error:
        raise InputError(f"--out={out}: {error.strerror}: name another folder") from error
    if not writable:
        raise InputError(f"--out={out} cannot be written to: name another folder")


def write(settings: Settings, seeds: int, out: Path) -> None:
    """Writes the page and its pictures from the reports that there are, and keeps copies of these.

    Args:
        settings: Of the runs.
        seeds: How many of each cell there are to be.
        out: Folder of the page, with that of the pictures in it.

    Raises:
        InputError: There is no report.
    """
    cells = table4_cells.read(settings)
    _check_begun(settings, cells)
    captions = table4_figures.draw(cells, out / PICTURES)
    pictures = {f"{PICTURES.as_posix()}/{name}": text for name, text in captions.items()}
    save(out / PAGE, table4_page.page(settings, cells, pictures, seeds).encode())
    _keep_reports(settings, cells, out / REPORTS)


def _check_begun(settings: Settings, cells: table4_cells.Cells) -> None:
    if not table4_page.begun(cells):
        raise InputError(
            f"--runs={settings.runs} has no finished run of these settings: give --sources, "
            "--steps and all else as when they were run; nothing was written"
        )


def _keep_reports(settings: Settings, cells: table4_cells.Cells, folder: Path) -> None:
    """Without them the page could not be written, nor the matrix gone on with, elsewhere."""
    for cell in cells.values():
        for seed, report in cell.reports.items():
            keep(folder, settings.run(cell.experiment, seed), report)


def _tell_of_others(settings: Settings) -> None:
    """Says which reports in the folder of the runs are in no table."""
    cells = table4_cells.read(settings).values()
    used = {f"{cell.experiment.name}-seed{seed}" for cell in cells for seed in cell.reports}
    there = {path.parent.name for path in settings.runs.glob(f"*/{JSON_FILE}")}
    if others := sorted(there - used):
        print(f"in no table, since of other settings or not finished: {', '.join(others)}")


if __name__ == "__main__":
    sys.exit(main())
