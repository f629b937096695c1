"""Draws simulated patterns over measured ones: `python -m benchmarks.overlay`.

The structures are those of the database of minerals and of the given archives. The peaks have the
widths of the named instrument and atoms are at rest; cell, zero shift, scale and a smooth
background are fitted, since measured samples and computed structures differ by up to some per cent
in their cells.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.overlay_cases import CASES, Case, find_structures, phases_of
from benchmarks.overlay_fit import Measurement, fit
from benchmarks.overlay_picture import picture
from benchmarks.tables import markdown
from data_gen.command_line import Parser, exit_status
from data_gen.crystal import Crystal
from data_gen.errors import InputError, StructureError
from data_gen.pattern_files import save
from sgan_jax.measured import read_pattern

_PURPOSE = "Draws simulated patterns over measured ones of known structures."
_RANGE = (8.0, 160.0)  # degrees: beyond lie the direct beam and the last detectors
_HEADER = (
    "file", "structure", "cell moved by (%)", "zero (°)", "Rwp", "of peaks", "B (Å2)", "widths ×",
    "Rwp", "of peaks", "remark",
)  # fmt: skip
_EXPLANATION = """\
Rwp is the weighted profile residual; "of peaks" is the same with the background taken off, over the
points where the peaks rise above it. The first pair is that of the simulator's pattern: atoms at
rest, the widths of the named instrument. The second pair is that with one B for all atoms, and with
the widths multiplied by the factors at the low end, in the middle and at the high end.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    return exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.overlay", description=_PURPOSE)
    add = parser.add_argument
    add("--measured", type=Path, required=True, metavar="DIR", help="searched for known patterns")
    add("--structures", default="", metavar="SOURCES", help="archives, beside AMCSD")
    add("--only", metavar="TEXT", default="", help="only files whose name holds this")
    add("--out", type=Path, required=True, metavar="DIR", help="where overlay.md and PNGs go")
    return parser


def _run(options: argparse.Namespace) -> None:
    places = {path.name: path for path in sorted(options.measured.rglob("*")) if path.is_file()}
    cases = [case for case in CASES if case.file in places and options.only in case.file]
    if not cases:
        raise InputError(f"--measured={options.measured}: holds no pattern that is known here")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out={options.out}: {error.strerror}: give a new folder") from None
    wanted = {name for case in cases for name in case.structures}
    known = find_structures(wanted, f"amcsd,{options.structures}")
    rows = [_row(case, places[case.file], known, options.out) for case in cases]
    table = markdown("Simulated over measured patterns", _HEADER, rows) + "\n" + _EXPLANATION
    save(options.out / "overlay.md", table.encode())
    print(table, end="")


def _row(case: Case, path: Path, known: dict[str, Crystal], out: Path) -> tuple[str, ...]:
    """Fits and draws one case; returns its line of the table."""
    try:
        crystals = tuple(phases_of(case, path, known))
    except (InputError, StructureError) as error:
        return (case.file, "-", *["-"] * 8, str(error))
    measured = _within(_read(path), *_RANGE)
    found = fit(crystals, _without(measured, case.excluded), case.instrument)
    moved = "; ".join(map(_change, crystals, found.crystals))
    save(out / f"{path.stem}.png", picture(case, measured, found, moved))
    return (
        case.file,
        " + ".join(case.structures),
        moved,
        f"{found.zero:+.3f}",
        f"{found.plain.weighted_residual:.3f}",
        f"{found.plain.peak_residual:.3f}",
        f"{found.displacement:.2f}",
        " ".join(f"{factor:.2f}" for factor in found.widths),
        f"{found.adapted.weighted_residual:.3f}",
        f"{found.adapted.peak_residual:.3f}",
        case.remark,
    )


def _read(path: Path) -> Measurement:
    """Reads a pattern; without uncertainties, intensities are taken as counts."""
    pattern = read_pattern(path)
    sigma = pattern.sigma
    if sigma is None:
        sigma = np.sqrt(np.maximum(pattern.intensity, 1.0))
    return Measurement(pattern.two_theta, pattern.intensity, sigma)


def _within(measured: Measurement, low: float, high: float) -> Measurement:
    kept = (measured.two_theta >= low) & (measured.two_theta <= high)
    return Measurement(*(values[kept] for values in measured))


def _without(measured: Measurement, ranges: Sequence[tuple[float, float]]) -> Measurement:
    """Returns the measurement with points that have no weight."""
    sigma = measured.sigma.copy()
    for low, high in ranges:
        sigma[(measured.two_theta >= low) & (measured.two_theta <= high)] = np.inf
    return measured._replace(sigma=sigma)


def _change(before: Crystal, after: Crystal) -> str:
    """Returns by how many per cent the axes, and by how many degrees the angles, changed."""
    lengths = [
        f"{axis} {100 * (new / old - 1):+.2f}"
        for axis, new, old in zip("abc", after.cell, before.cell, strict=False)
    ]
    turned = after.cell[3:] - before.cell[3:]
    angles = [f"{name} {t:+.2f}°" for name, t in zip("αβγ", turned, strict=True) if abs(t) > 5e-3]
    return " ".join(lengths + angles)


if __name__ == "__main__":
    sys.exit(main())
