"""From a crystal to its powder pattern; `python -m data_gen.simulate` for a single CIF."""

import argparse
import contextlib
import csv
import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from data_gen.command_line import Parser, print_all
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.instrument import DEFAULT_INSTRUMENT, INSTRUMENTS, Instrument, instrument
from data_gen.profile import render
from data_gen.reflections import StickList, powder_lines, reflections
from data_gen.scattering import TABLES

_STRONGEST = 100


def simulate(
    crystal: Crystal, instrument: Instrument, scattering_lengths: str = "periodictable"
) -> Float32[np.ndarray, " points"]:
    """Computes the powder pattern of a crystal.

    Args:
        crystal: The crystal.
        instrument: Wavelength, grid and resolution.
        scattering_lengths: Table, see `data_gen.scattering`.

    Returns:
        The pattern on the instrument's grid, scaled so that its minimum is 0 and its maximum 1.

    Raises:
        InputError: There is no such table.
        StructureError: No reflection lies in the range, or as `data_gen.reflections.reflections`.
    """
    sticks = reflections(
        crystal, instrument.wavelength, instrument.reflection_range, scattering_lengths
    )
    return _pattern(sticks, instrument)


def _pattern(sticks: StickList, instrument: Instrument) -> Float32[np.ndarray, " points"]:
    grid = instrument.two_theta
    if not np.any((sticks.two_theta >= grid[0]) & (sticks.two_theta <= grid[-1])):
        detail = f"none from {grid[0]:g} to {grid[-1]:g} degrees at {instrument.wavelength:g} Å"
        raise StructureError(Reason.NO_REFLECTIONS, detail)
    pattern = render(sticks.two_theta, sticks.intensity, instrument)
    pattern -= pattern.min()
    height = pattern.max()
    if not height > 0:
        raise StructureError(Reason.NO_REFLECTIONS, "all reflections have zero intensity")
    pattern /= height
    return pattern


# ---------------------------------------------------------------- command line

_REMEDIES = {
    Reason.NO_SCATTERING_LENGTH: "choose the other --scattering_lengths, or another species",
    Reason.NO_REFLECTIONS: "widen --two_theta, or shorten --wavelength",
    Reason.TOO_LARGE: "lengthen --wavelength, or narrow --two_theta",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m data_gen.simulate",
        description="Simulates the powder pattern of the first structure of a CIF.",
        epilog="Peak widths are always those of the instrument, also with another wavelength or "
        "range.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.cif")
    names = ", ".join(INSTRUMENTS)
    add(
        "--instrument",
        default=DEFAULT_INSTRUMENT,
        metavar="NAME",
        help=f"one of {names}; default: {DEFAULT_INSTRUMENT}",
    )
    add("--wavelength", type=float, metavar="Å", help="default: the instrument's")
    add("--two_theta", metavar="START:STOP:STEP", help="in degrees; default: the instrument's")
    add("--radiation", default="neutron", metavar="NAME", help="default: neutron")
    add("--scattering_lengths", default=TABLES[0], metavar="TABLE", help=" or ".join(TABLES))
    add("--sticks", action="store_true", help=f"the {_STRONGEST} strongest lines, not the pattern")
    add("--out", type=Path, metavar="FILE", help=".csv or .png; default: CSV to standard output")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.out and options.out.suffix not in (".csv", ".png"):
        raise InputError(f"--out={options.out}: give a name that ends in .csv or .png")
    chosen = _instrument(options)
    crystal = _read(options.file)
    try:
        sticks = reflections(
            crystal, chosen.wavelength, chosen.reflection_range, options.scattering_lengths
        )
        pattern = _pattern(sticks, chosen)
    except StructureError as error:
        remedy = _REMEDIES[error.reason]
        raise InputError(f"{options.file}: {error}: {remedy}") from None
    lines = _strongest(powder_lines(_within_grid(sticks, chosen), crystal))
    if options.out and options.out.suffix == ".png":
        name = os.fsencode(options.file.name).decode(errors="replace")
        title = f"{name}: {crystal.formula}, {chosen.wavelength:g} Å"
        curve = None if options.sticks else (chosen.two_theta, pattern)
        _save(options.out, _picture(title, lines, curve))
        return
    text = _stick_table(lines) if options.sticks else _pattern_table(chosen.two_theta, pattern)
    if options.out:
        _save(options.out, text.encode())
    else:
        print_all(text)


def _instrument(options: argparse.Namespace) -> Instrument:
    changes: dict[str, Any] = {"radiation": options.radiation}
    if options.wavelength is not None:
        changes["wavelength"] = options.wavelength
    if options.two_theta is not None:
        try:
            start, stop, step = (float(part) for part in options.two_theta.split(":"))
        except ValueError:
            raise InputError(
                f"--two_theta={options.two_theta}: give START:STOP:STEP, such as 5:150:0.05"
            ) from None
        changes |= {"two_theta_min": start, "two_theta_max": stop, "two_theta_step": step}
    return replace(instrument(options.instrument), **changes)


def _read(path: Path) -> Crystal:
    try:
        return Crystal.from_cif(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: give the path of a CIF") from None
    except StructureError as error:
        raise InputError(f"{path}: {error}: give a CIF with a complete structure") from None


def _within_grid(sticks: StickList, instrument: Instrument) -> StickList:
    grid = instrument.two_theta
    return sticks.select((sticks.two_theta >= grid[0]) & (sticks.two_theta <= grid[-1]))


def _strongest(lines: StickList) -> StickList:
    """Returns the strongest lines, in order of 2θ, with the intensity of the first set to 100."""
    order = np.sort(np.argsort(-lines.intensity, kind="stable")[:_STRONGEST])
    chosen = lines.select(order)
    return replace(chosen, intensity=100 * chosen.intensity / chosen.intensity.max())


def _pattern_table(two_theta: Iterable[float], pattern: Iterable[float]) -> str:
    rows = ((f"{x:.6g}", f"{y:.7g}") for x, y in zip(two_theta, pattern, strict=True))
    return _csv(("two_theta", "intensity"), rows)


def _stick_table(lines: StickList) -> str:
    header = ("h", "k", "l", "d", "two_theta", "multiplicity", "f_squared", "intensity")
    rows = (
        (*hkl, f"{d:.7g}", f"{two_theta:.5f}", multiplicity, f"{f_squared:.7g}", f"{intensity:.6g}")
        for hkl, d, two_theta, multiplicity, f_squared, intensity in zip(
            lines.hkl.tolist(),
            lines.d,
            lines.two_theta,
            lines.multiplicity,
            lines.f_squared,
            lines.intensity,
            strict=True,
        )
    )
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _picture(title: str, lines: StickList, curve: tuple[np.ndarray, np.ndarray] | None) -> bytes:
    """Draws the pattern over marks at its lines, or else the lines themselves, as PNG."""
    from matplotlib.figure import Figure  # slow to import, and rarely needed

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    if curve is None:
        axes.vlines(lines.two_theta, 0, lines.intensity, linewidth=1)
        axes.set(ylabel="intensity (strongest line = 100)", ylim=(0, None))
    else:
        two_theta, pattern = curve
        axes.plot(two_theta, pattern, linewidth=0.8)
        axes.plot(lines.two_theta, np.full(len(lines), -0.04), "|", color="black", markersize=7)
        axes.set(ylabel="intensity (maximum = 1)", xlim=(two_theta[0], two_theta[-1]))
    axes.set_title(title, parse_math=False)
    axes.set_xlabel("2θ (degrees)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def _save(path: Path, content: bytes) -> None:
    """Writes a file so that no one ever sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InputError(f"{path}: {error.strerror}: give a place that can be written") from None


if __name__ == "__main__":
    sys.exit(main())
