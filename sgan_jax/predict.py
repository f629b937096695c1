"""Bravais lattice and space group of measured patterns: `python -m sgan_jax.predict FILE…`.

From Python:

    from sgan_jax.predict import predict, read_pattern

    answer = predict(read_pattern("PBSO4.CWN"), wavelength=1.909, radiation="neutron")
    answer.bravais_lattice[0].symbol, answer.space_group[0].number, answer.warnings
"""

import argparse
import contextlib
import io
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from tqdm import tqdm

from data_gen.command_line import Parser, print_all
from data_gen.errors import InputError
from sgan_jax import bulk, command_line, priors, trained
from sgan_jax.answer_page import page
from sgan_jax.answers import Answer
from sgan_jax.classifier import Classifier
from sgan_jax.grids import GRIDS
from sgan_jax.measured import Pattern, read_pattern
from sgan_jax.panel import Panel
from sgan_jax.presentation import Presented, present, present_file
from sgan_jax.trained import TASKS

__all__ = ["Answer", "Pattern", "predict", "read_pattern"]

_BOTH = "both"


def predict(
    pattern: Pattern | Path | str,
    *,
    wavelength: float | None = None,
    radiation: str | None = None,
    task: str = _BOTH,
    models: str | Sequence[str] = (),
    top: int = 5,
    prior: str = "training",
) -> Answer:
    """Names Bravais lattice and space group of a measured pattern.

    Args:
        pattern: A pattern, or its file.
        wavelength: In Å; needed where the file does not state it, else it goes before.
        radiation: `neutron` or `xray`; likewise.
        task: `bravais_lattice`, `space_group` or `both`.
        models: Name or folder of a classifier, or several, in place of those that come with the
            package.
        top: Candidates in the answer.
        prior: How frequent classes are taken to be: `training`, `flat` or `mp_icsd`.

    Returns:
        The answer; where there is none, its `error` says why.

    Raises:
        InputError: An argument is impossible, or a classifier cannot be read.
    """
    models = (models,) if isinstance(models, str) else tuple(models)
    panel = _panel(task, models, top, prior)
    terms = panel.terms(wavelength, radiation)
    if isinstance(pattern, Pattern):
        presented = present(pattern, terms)
    else:
        presented = present_file(str(pattern), terms)
    return panel.answers([presented])[0]


def _panel(task: str, models: tuple[str, ...], top: int, prior: str) -> Panel:
    if task not in (*TASKS, _BOTH):
        raise InputError(f"task {task!r}: choose {', '.join(TASKS)} or {_BOTH}")
    tasks = tuple(TASKS) if task == _BOTH else (task,)
    return Panel(_classifiers(tasks, models), top, prior)


@lru_cache(maxsize=4)
def _classifiers(tasks: tuple[str, ...], models: tuple[str, ...]) -> list[Classifier]:
    """Kept, since each is compiled when it is first asked."""
    return trained.load(tasks, models)


# ---------------------------------------------------------------- command line

_DESCRIPTION = """\
Names the Bravais lattice and the space group of powder diffraction patterns. For each file it
prints the likeliest of both with their probabilities, and a line that says how sure that is, and
why not surer. Without a usable answer it says so and names none.
"""
_EPILOG = """\
A space group stands beside its extinction group (named after its space group of the lowest number)
and the others in it: they have the same lattice and the same absences, and a powder pattern tells
them apart by intensities alone. A pattern is taken for that of one phase; peaks of a second are not
recognised as such.

Several files: each is answered, a bad one with its reason, and the bad ones are listed at the end.
With --csv the tables are not printed.

exit status: 0 if every file was answered, or declined for want of a confident answer; 2 if one
could not be read, or needs --wavelength or --radiation (the others are answered nevertheless).

  python -m sgan_jax.predict PBSO4.CWN --wavelength=1.909 --radiation=neutron
  python -m sgan_jax.predict pattern.cif --json --plot=pattern.png
  python -m sgan_jax.predict measurements/ --wavelength=1.5403 --radiation=neutron --csv=answers.csv
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 if interrupted, or 2 for bad input."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may not have all signs
    return command_line.exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m sgan_jax.predict",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="pattern, folder of patterns, or 'glob*.xye'")
    add("--wavelength", type=float, metavar="Å", help="where the file does not state it")
    add("--radiation", metavar="NAME", help="neutron or xray, where the file does not state it")
    add("--task", default=_BOTH, metavar="NAME", help=f"{', '.join(TASKS)} or {_BOTH} (default)")
    add(
        "--model",
        metavar="NAME|DIR[,…]",
        help="classifier, or one for each task, in place of measured-bravais and "
        "measured-space-group, which come with this package",
    )
    add("--top", type=int, default=5, metavar="N", help="candidates of each; default: 5")
    add(
        "--prior",
        default=priors.PRIORS[0],
        metavar="NAME",
        help="how frequent classes are before the pattern is seen: training (default), as among "
        "the crystals trained on; flat, all equally; mp_icsd, as among crystals of the Materials "
        "Project with an ICSD number",
    )
    add("--json", action="store_true", help="a list with one object per file, instead of tables")
    add("--csv", type=Path, metavar="FILE", help="write the answers, one line per file")
    add(
        "--plot",
        type=Path,
        metavar="OUT.png",
        help="draw the pattern, what the network saw, and the candidates; for several files, a "
        "folder",
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    files = bulk.find_files(options.files)
    if not files:
        raise InputError(f"{' '.join(options.files)}: no files in there; name a file or a folder")
    pictures = _pictures(files, options.plot)
    for folder in {path.parent for path in pictures}:
        bulk.check_writable(folder)
    command_line.keep_compiled_programs()
    models = tuple(options.model.split(",")) if options.model else ()
    panel = _panel(options.task, models, options.top, options.prior)
    terms = panel.terms(options.wavelength, options.radiation)
    tally = bulk.Tally()
    with (
        bulk.open_table(options.csv, options.top) as table,
        contextlib.closing(bulk.answered(files, panel, terms, keep_stages=bool(pictures))) as pairs,
    ):
        printed = _json if options.json else _no_text if options.csv else _text
        for presented, answer in _shown(pairs, len(files), options):
            tally.add(answer)
            print_all(printed(answer, tally.files, len(files)))
            if table:
                table.add(answer)
            if pictures:
                _draw(presented, answer, pictures[tally.files - 1])
    if len(files) > 1:
        print(tally.line(), file=sys.stderr)
    tally.require_no_mistakes()


def _shown(
    pairs: Iterable[tuple[Presented, Answer]], count: int, options: argparse.Namespace
) -> Iterable[tuple[Presented, Answer]]:
    """With a progress bar where there are many, and tables would not run into it."""
    quiet = bool(options.csv and not options.json) or not sys.stdout.isatty()
    disable = count <= bulk.ONE_BY_ONE or not quiet
    return tqdm(pairs, total=count, unit=" files", smoothing=0.05, disable=disable)


def _text(answer: Answer, number: int, count: int) -> str:
    """The tables of an answer; a file that cannot be read is an error instead."""
    if answer.mistake:
        return ""
    return page(answer) + ("\n" if number < count else "")


def _json(answer: Answer, number: int, count: int) -> str:
    """The answer's part of the whole list, so that no list need be held."""
    text = textwrap.indent(json.dumps(answer.as_json(), indent=2), "  ")
    return ("[\n" if number == 1 else "") + text + (",\n" if number < count else "\n]\n")


def _no_text(answer: Answer, number: int, count: int) -> str:
    return ""


def _pictures(files: Sequence[str], plot: Path | None) -> list[Path]:
    """Where the picture of each file goes.

    Raises:
        InputError: One name is given for several files, or one that does not end in .png.
    """
    if plot is None:
        return []
    if len(files) == 1 and plot.suffix == ".png":
        return [plot]
    if plot.suffix:
        wanted = "a name that ends in .png" if len(files) == 1 else "a folder for several files"
        raise InputError(f"--plot={plot}: give {wanted}")
    names = Counter[str]()
    paths = []
    for name in (Path(file).name for file in files):
        names[name] += 1
        again = f"-{names[name]}" if names[name] > 1 else ""
        paths.append(plot / f"{name}{again}.png")
    return paths


def _draw(presented: Presented, answer: Answer, path: Path) -> None:
    from sgan_jax.figures import save_figure  # only here: matplotlib is slow to import
    from sgan_jax.predict_figures import answer_figure

    axis, stages = next(iter(presented.stages.items()), ("inverse_d", None))
    with bulk.writing(path):
        save_figure(answer_figure(answer, stages, GRIDS[axis]), path)


if __name__ == "__main__":
    sys.exit(main())
