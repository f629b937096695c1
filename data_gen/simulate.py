"""From a crystal to its powder pattern; `python -m data_gen.simulate` for a single CIF."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from data_gen.command_line import Parser, exit_status, print_all
from data_gen.conditions import CONDITIONS, check_conditions, conditions, reaching_in
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.instrument import (
    DEFAULT_OF_RADIATION,
    INSTRUMENTS,
    Instrument,
    instrument,
)
from data_gen.kernels.batch import fill_patterns
from data_gen.kernels.crystals import DONE, NO_INTENSITY, NO_REFLECTIONS, Scatterers
from data_gen.packing import CrystalTable, scatterers
from data_gen.parallel import map_pieces
from data_gen.pattern_files import MOST_LINES, pattern_table, picture, save, stick_table, strongest
from data_gen.reflections import powder_lines, problem, reflections
from data_gen.sample import IDEAL, Sample
from data_gen.scattering import RADIATIONS, TABLES, notes

_PATTERNS_PER_PIECE = 32


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patterns of many crystals.

    Attributes:
        patterns: One row per crystal on the instrument's grid, scaled so that the minimum is 0 and
            the maximum 1; zeros where there is none.
        errors: What is wrong with those that have none, by row.
    """

    patterns: Float32[np.ndarray, "patterns points"]
    errors: dict[int, StructureError]


def simulate(
    crystal: Crystal,
    instrument: Instrument,
    scattering_lengths: str = "periodictable",
    sample: Sample = IDEAL,
) -> Float32[np.ndarray, " points"]:
    """Computes the powder pattern of a crystal.

    Args:
        crystal: The crystal.
        instrument: Radiation, wavelength, grid and resolution.
        scattering_lengths: Table of neutron scattering lengths, see `data_gen.scattering`.
        sample: What the powder does to the pattern.

    Returns:
        The pattern on the instrument's grid, scaled so that its minimum is 0 and its maximum 1.

    Raises:
        InputError: There is no such table.
        StructureError: No reflection lies in the range, or as `data_gen.reflections.reflections`.
    """
    made = simulate_many([crystal], instrument, scattering_lengths, sample)
    if made.errors:
        raise made.errors[0]
    return made.patterns[0]


def simulate_many(
    crystals: Sequence[Crystal] | CrystalTable,
    instrument: Instrument,
    scattering_lengths: str = "periodictable",
    sample: Sample = IDEAL,
    *,
    threads: int | None = None,
) -> Patterns:
    """Computes the powder patterns of many crystals on all cores.

    Args:
        crystals: Crystals; packed ones save the packing when they are used again.
        instrument: This and what follows: see `simulate`.
        scattering_lengths: Table.
        sample: The powder.
        threads: How many work at the same time; all cores if not given. They hold no interpreter
            lock while they compute.

    Raises:
        InputError: There is no such table.
    """
    grid = instrument.two_theta
    if not len(crystals):
        return Patterns(np.zeros((0, len(grid)), np.float32), {})
    table = crystals if isinstance(crystals, CrystalTable) else CrystalTable.of(crystals)
    rows = reaching_in(conditions(instrument, sample), grid[0], grid[-1]).repeat(len(table))
    which, radiation = np.arange(len(table)), instrument.radiation
    cells = table.cells.copy()  # read-only ones would have the kernel compiled a second time
    return _simulate(table, which, cells, False, rows, radiation, scattering_lengths, grid, threads)


def simulate_under(
    table: CrystalTable,
    which: Int64[np.ndarray, " patterns"],
    rows: np.ndarray,
    grid: Float64[np.ndarray, " points"],
    *,
    scattering_lengths: str = "periodictable",
    cells: Float64[np.ndarray, "patterns 6"] | None = None,
    exchanged: Int64[np.ndarray, "patterns species"] | None = None,
    threads: int | None = None,
) -> Patterns:
    """Computes patterns of packed crystals, each under conditions of its own.

    This is what makes new patterns of the crystals of a data set at full speed: one compiled
    function without the interpreter lock makes them from the packed arrays.

    Args:
        table: The crystals.
        which: Number of the crystal that each pattern is of; crystals may come again.
        rows: One row of `data_gen.conditions.CONDITIONS` per pattern, all for the same radiation.
            Reflections outside a row's own range of 2θ are not drawn.
        grid: 2θ of the points in degrees, in equal steps.
        scattering_lengths: Table of neutron scattering lengths.
        cells: Cell to take in place of the crystal's own, a, b, c in Å and angles in degrees; it
            is given the shape that the crystal's symmetry demands.
        exchanged: For each pattern and species of the table, by number, the species to take in its
            place: another compound of the same structure. With neutrons only.
        threads: How many work at the same time; all cores if not given.

    Raises:
        InputError: There is no such table, or a condition is impossible.
        IndexError: There is no such crystal.
        ValueError: The arrays do not belong together, or the grid has no equal steps.
    """
    which = np.arange(len(table))[which]
    distorted = cells is not None
    cells = np.ascontiguousarray(table.cells[which] if cells is None else cells, np.float64)
    count = len(which)
    if exchanged is not None and exchanged.shape != (count, len(table.species)):
        raise ValueError(f"exchanged {exchanged.shape}: give {(count, len(table.species))} numbers")
    if rows.dtype != CONDITIONS or rows.shape != (count,) or cells.shape != (count, 6):
        raise ValueError(
            f"{count} patterns, conditions {rows.shape} of type {rows.dtype}, cells "
            f"{cells.shape}: give a row of CONDITIONS and a cell for each pattern"
        )
    _check_steps(grid)
    rows = reaching_in(rows, float(grid[0]), float(grid[-1]))
    radiation = check_conditions(rows)
    if exchanged is not None and radiation != "neutron":
        raise ValueError("exchanged: species can be exchanged for neutrons only")
    return _simulate(
        table,
        which,
        cells,
        distorted,
        rows,
        radiation,
        scattering_lengths,
        grid,
        threads,
        exchanged,
    )


def _check_steps(grid: Float64[np.ndarray, " points"]) -> None:
    steps = np.diff(grid)
    if not (len(steps) and np.all(steps > 0) and np.ptp(steps) < 1e-6 * steps[0] + 1e-9):
        raise ValueError("grid: give at least two points in equal, ascending steps")


def _simulate(
    table: CrystalTable,
    which: Int64[np.ndarray, " patterns"],
    cells: Float64[np.ndarray, "patterns 6"],
    distorted: bool,
    rows: np.ndarray,
    radiation: str,
    scattering_lengths: str,
    grid: Float64[np.ndarray, " points"],
    threads: int | None,
    exchanged: Int64[np.ndarray, "patterns species"] | None = None,
) -> Patterns:
    """Simulates what `simulate_under` has checked."""
    powers, numbers = scatterers(table.species, radiation, scattering_lengths, rows["wavelength"])
    if exchanged is not None:
        amplitudes = powers.amplitudes[numbers[:, None], exchanged]
        powers, numbers = powers._replace(amplitudes=amplitudes), np.arange(len(numbers))
    patterns, statuses = _fill(table, which, cells, distorted, rows, powers, numbers, grid, threads)
    errors = _errors(statuses, table, which, rows, powers, numbers, scattering_lengths, grid)
    return Patterns(patterns, errors)


def _fill(
    table: CrystalTable,
    which: Int64[np.ndarray, " patterns"],
    cells: Float64[np.ndarray, "patterns 6"],
    distorted: bool,
    rows: np.ndarray,
    powers: Scatterers,
    numbers: Int64[np.ndarray, " patterns"],
    grid: Float64[np.ndarray, " points"],
    threads: int | None,
) -> tuple[Float32[np.ndarray, "patterns points"], Int64[np.ndarray, " patterns"]]:
    """Returns patterns and statuses, see `data_gen.kernels.batch.fill_patterns`."""
    patterns = np.empty((len(which), len(grid)), np.float32)
    statuses = np.empty(len(which), np.int64)
    start, step = float(grid[0]), float(grid[-1] - grid[0]) / (len(grid) - 1)

    def work(first: int, end: int) -> None:
        fill_patterns(
            which[first:end],
            cells[first:end],
            distorted,
            table.crystals,
            table.settings,
            powers,
            rows[first:end],
            numbers[first:end],
            start,
            step,
            patterns[first:end],
            statuses[first:end],
        )

    for _ in map_pieces(work, len(which), _PATTERNS_PER_PIECE, threads):
        pass
    return patterns, statuses


def _errors(
    statuses: Int64[np.ndarray, " patterns"],
    table: CrystalTable,
    which: Int64[np.ndarray, " patterns"],
    rows: np.ndarray,
    powers: Scatterers,
    numbers: Int64[np.ndarray, " patterns"],
    scattering_lengths: str,
    grid: Float64[np.ndarray, " points"],
) -> dict[int, StructureError]:
    """Returns what is wrong with the patterns that could not be made."""
    errors = {}
    for n in np.flatnonzero(statuses != DONE).tolist():
        if statuses[n] == NO_REFLECTIONS:
            wavelength = float(rows["wavelength"][n])
            detail = f"none from {grid[0]:g} to {grid[-1]:g} degrees at {wavelength:g} Å"
            errors[n] = StructureError(Reason.NO_REFLECTIONS, detail)
        elif statuses[n] == NO_INTENSITY:
            detail = "all reflections have zero intensity"
            errors[n] = StructureError(Reason.NO_REFLECTIONS, detail)
        else:
            status, crystal = int(statuses[n]), int(which[n])
            row = int(numbers[n])
            errors[n] = problem(status, table, crystal, powers, row, scattering_lengths)
    return errors


# ---------------------------------------------------------------- command line

_REMEDIES = {
    Reason.NO_SCATTERING_LENGTH: "choose another table, radiation or species",
    Reason.NO_DISPLACEMENT: "leave out --displacements, or complete the CIF",
    Reason.NO_REFLECTIONS: "widen --two_theta, or shorten --wavelength",
    Reason.TOO_LARGE: "lengthen --wavelength, or narrow --two_theta",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    return exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m data_gen.simulate",
        description="Simulates the powder pattern of the first structure of a CIF.",
        epilog="Peak widths are always those of the instrument, also with another wavelength or "
        "range; another wavelength is one line, without Kα2.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.cif")
    defaults = ", ".join(f"{name} for {kind}" for kind, name in DEFAULT_OF_RADIATION.items())
    names = ", ".join(INSTRUMENTS)
    add("--instrument", metavar="NAME", help=f"one of {names}; default: {defaults}")
    add("--radiation", metavar="NAME", help=f"{' or '.join(RADIATIONS)}; default: the instrument's")
    add("--wavelength", type=float, metavar="Å", help="default: the instrument's")
    add("--two_theta", metavar="START:STOP:STEP", help="in degrees; default: the instrument's")
    add("--scattering_lengths", default=TABLES[0], metavar="TABLE", help=" or ".join(TABLES))
    add("--size", type=float, metavar="NM", help="size of the crystallites; default: large")
    add("--strain", type=float, default=0.0, metavar="ΔD/D", help="width of its distribution")
    add(
        "--preferred_orientation",
        metavar="H,K,L:R",
        help="direction and March coefficient, such as 0,0,1:0.7",
    )
    add("--displacements", action="store_true", help="thermal motion as the CIF says")
    add("--sticks", action="store_true", help=f"the {MOST_LINES} strongest lines, not the pattern")
    add("--out", type=Path, metavar="FILE", help=".csv or .png; default: CSV to standard output")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.out and options.out.suffix not in (".csv", ".png"):
        raise InputError(f"--out={options.out}: give a name that ends in .csv or .png")
    chosen, sample, table = _instrument(options), _sample(options), options.scattering_lengths
    crystal = _read(options.file)
    try:
        sticks = reflections(
            crystal,
            chosen.wavelength,
            (chosen.two_theta_min, chosen.two_theta_max),
            table,
            radiation=chosen.radiation,
            sample=sample,
        )
        pattern = simulate(crystal, chosen, table, sample)
    except StructureError as error:
        remedy = _REMEDIES[error.reason]
        raise InputError(f"{options.file}: {error}: {remedy}") from None
    for note in notes(crystal.species, chosen.radiation, table, chosen.wavelength):
        print(f"note: {note}", file=sys.stderr)
    lines = strongest(powder_lines(sticks, crystal))
    if options.out and options.out.suffix == ".png":
        name = os.fsencode(options.file.name).decode(errors="replace")
        title = f"{name}: {crystal.formula}, {chosen.radiation} {chosen.wavelength:g} Å"
        curve = None if options.sticks else (chosen.two_theta, pattern)
        save(options.out, picture(title, lines, curve))
        return
    text = stick_table(lines) if options.sticks else pattern_table(chosen.two_theta, pattern)
    if options.out:
        save(options.out, text.encode())
    else:
        print_all(text)


def _instrument(options: argparse.Namespace) -> Instrument:
    radiation = options.radiation
    if radiation is not None and radiation not in RADIATIONS:
        raise InputError(f"--radiation={radiation}: choose {' or '.join(RADIATIONS)}")
    named = instrument(options.instrument or DEFAULT_OF_RADIATION[radiation or "neutron"])
    if radiation not in (None, named.radiation):
        raise InputError(
            f"--radiation={radiation}: {named.name} measures with {named.radiation}s; "
            "name another --instrument, or none"
        )
    changes: dict[str, Any] = {}
    if options.wavelength is not None:
        changes = {"wavelength": options.wavelength, "wavelength_2": 0.0, "ratio_2": 0.0}
    if options.two_theta is not None:
        try:
            start, stop, step = (float(part) for part in options.two_theta.split(":"))
        except ValueError:
            raise InputError(
                f"--two_theta={options.two_theta}: give START:STOP:STEP, such as 5:150:0.05"
            ) from None
        changes |= {"two_theta_min": start, "two_theta_max": stop, "two_theta_step": step}
    return replace(named, **changes)


def _sample(options: argparse.Namespace) -> Sample:
    orientation = None
    if options.preferred_orientation is not None:
        try:
            axis, coefficient = options.preferred_orientation.split(":")
            h, k, l = (int(index) for index in axis.split(","))  # noqa: E741
            orientation = (h, k, l), float(coefficient)
        except ValueError:
            raise InputError(
                f"--preferred_orientation={options.preferred_orientation}: give H,K,L:R, such as "
                "0,0,1:0.7"
            ) from None
    return Sample(
        size=options.size,
        strain=options.strain,
        preferred_orientation=orientation,
        displacements=options.displacements,
    )


def _read(path: Path) -> Crystal:
    try:
        return Crystal.from_cif(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: give the path of a CIF") from None
    except StructureError as error:
        raise InputError(f"{path}: {error}: give a CIF with a complete structure") from None


if __name__ == "__main__":
    sys.exit(main())
