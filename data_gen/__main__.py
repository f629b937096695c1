"""Builds a data set of powder patterns: `python -m data_gen --sources=amcsd --data_dir=data`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_gen.command_line import Parser
from data_gen.errors import InputError
from data_gen.instrument import DEFAULT_INSTRUMENT, INSTRUMENTS
from data_gen.scattering import TABLES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 2 for bad input, 130 if interrupted."""
    own, beam = _split(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(own)
    try:
        if beam and not arguments.runner:
            raise InputError(f"{beam[0]} is an option of Apache Beam: give --runner too")
        if arguments.runner and arguments.workers is not None:
            raise InputError("--workers is for builds without --runner: give Beam's own options")
        arguments.beam = [f"--runner={arguments.runner}", *beam] if arguments.runner else []
        _build(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(f"interrupted: {str(interruption) or 'nothing is kept'}", file=sys.stderr)
        return 130
    return 0


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Returns what is before and what is behind the first ``--``."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    return argv[:end], argv[end + 1 :]


def _build(arguments: argparse.Namespace) -> None:
    from data_gen.builder import build  # only now: TFDS would slow down --help
    from data_gen.spec import DatasetSpec

    spec = DatasetSpec(
        sources=arguments.sources,
        instrument=arguments.instrument,
        scattering_lengths=arguments.scattering_lengths,
        limit=arguments.limit,
        check_symmetry=arguments.check_symmetry,
    )
    build(spec, arguments.data_dir, workers=arguments.workers, beam=arguments.beam)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m data_gen",
        description="Simulates powder patterns of crystal structures into a TFDS data set.",
    )
    add = parser.add_argument
    add(
        "--sources",
        required=True,
        help="comma-separated: amcsd, a folder or archive of CIFs, a table with a cif column",
    )
    add("--data_dir", required=True, type=Path, help="folder that holds data sets")
    add("--instrument", default=DEFAULT_INSTRUMENT, metavar="NAME", help=", ".join(INSTRUMENTS))
    add("--scattering_lengths", default=TABLES[0], metavar="TABLE", help=", ".join(TABLES))
    add("--limit", type=int, metavar="N", help="read only the first N structures")
    add(
        "--check_symmetry",
        action="store_true",
        help="leave out structures whose coordinates have another space group than stated",
    )
    add("--workers", type=int, metavar="N", help="number of processes; default: every core")
    add(
        "--runner",
        metavar="NAME",
        help="let Apache Beam simulate, on many machines: FlinkRunner, SparkRunner, DataflowRunner "
        "or DirectRunner; its own options follow after --",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
