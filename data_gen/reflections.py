"""From crystals to stick lists: reflections with multiplicity, |F|² and intensity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.conditions import powder_conditions
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.kernels.batch import stick_lists
from data_gen.kernels.crystals import (
    DONE,
    MAX_REFLECTIONS,
    MAX_TERMS,
    NO_AMPLITUDE,
    NO_CELL,
    NO_DISPLACEMENT,
    Scatterers,
)
from data_gen.packing import CrystalTable, scatterers
from data_gen.parallel import map_pieces
from data_gen.sample import IDEAL, Sample
from data_gen.scattering import RADIATIONS
from data_gen.setting import prepare_setting

_SAME_D = 1e-6  # relative difference up to which reflections fall on one line
_ZERO = 1e-12  # of the strongest line: what rounding leaves of a structure factor of zero
_CRYSTALS_PER_PIECE = 64


@dataclass(frozen=True, eq=False, slots=True)
class StickList:
    """Reflections of a crystal; each entry stands for a set of equal d.

    Attributes:
        hkl: Indices in the conventional cell of the crystal's setting.
        d: Interplanar distance in Å.
        two_theta: Bragg angle 2θ in degrees.
        multiplicity: Number of reflections in the set, Friedel mates included.
        f_squared: Mean |F|² over the set, of the conventional cell, in fm² for neutrons and in
            electrons² for X-rays.
        intensity: multiplicity · |F|² · Lorentz factor 1/(sin²θ cosθ), for X-rays times their
            polarisation factor, and times the factor of preferred orientation if there is any.
    """

    hkl: Int64[np.ndarray, "n 3"]
    d: Float64[np.ndarray, " n"]
    two_theta: Float64[np.ndarray, " n"]
    multiplicity: Int64[np.ndarray, " n"]
    f_squared: Float64[np.ndarray, " n"]
    intensity: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.d)

    def select(self, which: np.ndarray) -> "StickList":
        """Returns the entries of a mask or of an array of numbers."""
        return StickList(*(getattr(self, field.name)[which] for field in fields(self)))


def reflections(
    crystal: Crystal,
    wavelength: float,
    two_theta_range: tuple[float, float],
    scattering_lengths: str = "periodictable",
    *,
    radiation: str = "neutron",
    sample: Sample = IDEAL,
) -> StickList:
    """Returns all reflections of a crystal in a range of 2θ.

    Each entry stands for the reflections that the Laue group relates; they are in no particular
    order, and several may have one d (see `powder_lines`).

    The sum over atoms is kinematic, without absorption. Systematic absences are left out; a
    reflection that is weak or zero by accident is not.

    Args:
        crystal: The crystal.
        wavelength: In Å.
        two_theta_range: First and last 2θ in degrees.
        scattering_lengths: Table of neutron scattering lengths, see `data_gen.scattering`.
        radiation: ``"neutron"`` or ``"xray"``, not polarised.
        sample: Preferred orientation and thermal motion, if any.

    Returns:
        The stick list; empty if no reflection lies in the range.

    Raises:
        InputError: The wavelength, the range, the radiation or the table is impossible.
        StructureError: A scattering length or displacement parameter is missing, or the crystal
            is too large.
    """
    (found,) = reflections_many(
        [crystal],
        wavelength,
        two_theta_range,
        scattering_lengths,
        radiation=radiation,
        sample=sample,
    )
    if isinstance(found, StructureError):
        raise found
    return found


def reflections_many(
    crystals: Sequence[Crystal] | CrystalTable,
    wavelength: float,
    two_theta_range: tuple[float, float],
    scattering_lengths: str = "periodictable",
    *,
    radiation: str = "neutron",
    sample: Sample = IDEAL,
    threads: int | None = None,
) -> list[StickList | StructureError]:
    """Returns the stick list of every crystal, or what is wrong with it, computed on all cores.

    Args:
        crystals: Crystals; packed ones save the packing when they are used again.
        wavelength: This and what follows: see `reflections`.
        two_theta_range: First and last 2θ.
        scattering_lengths: Table.
        radiation: Kind.
        sample: The powder.
        threads: How many work at the same time; all cores if not given. They hold no interpreter
            lock while they compute.

    Raises:
        InputError: As `reflections`.
    """
    _check_range(wavelength, two_theta_range, radiation)
    if not len(crystals):
        return []
    table = crystals if isinstance(crystals, CrystalTable) else CrystalTable.of(crystals)
    condition = powder_conditions(radiation, wavelength, two_theta_range, sample)
    powers, _ = scatterers(table.species, radiation, scattering_lengths, condition["wavelength"])

    def work(first: int, end: int) -> list[StickList | StructureError]:
        statuses, begins, hkl, multiplicity, values = stick_lists(
            table.crystals, table.cells, table.settings, powers, condition, first, end
        )
        d, two_theta, f_squared, intensity = np.ascontiguousarray(values.T)
        columns = (hkl, d, two_theta, multiplicity, f_squared, intensity)
        return [
            StickList(*(column[begins[n] : begins[n + 1]] for column in columns))
            if status == DONE
            else problem(int(status), table, first + n, powers, 0, scattering_lengths)
            for n, status in enumerate(statuses)
        ]

    pieces = map_pieces(work, len(table), _CRYSTALS_PER_PIECE, threads)
    return [found for piece in pieces for found in piece]


def problem(
    status: int,
    table: CrystalTable,
    index: int,
    powers: Scatterers,
    row: int,
    scattering_lengths: str,
) -> StructureError:
    """Returns what a status of the kernels says of a crystal.

    Args:
        status: Why there is no stick list, one of `data_gen.kernels.crystals`.
        table: The crystals.
        index: Which of them.
        powers: What the species of the table scatter.
        row: Which row of their amplitudes.
        scattering_lengths: Where neutron scattering lengths come from.
    """
    if status == NO_AMPLITUDE:
        known = dict(zip(table.species, ~np.isnan(powers.amplitudes[row]), strict=True))
        missing = next(species for species in table.species_of(index) if not known[species])
        where = "for X-rays" if powers.vary else f"in table {scattering_lengths}"
        return StructureError(Reason.NO_SCATTERING_LENGTH, f"{missing} {where}")
    if status == NO_DISPLACEMENT:
        site = int(np.isnan(table.displacements_of(index)).any(axis=1).argmax())
        detail = f"none that is usable for site {site + 1} ({table.species_of(index)[site]})"
        return StructureError(Reason.NO_DISPLACEMENT, detail)
    if status == NO_CELL:
        return StructureError(Reason.NO_CELL, "the axes and angles make no cell")
    detail = f"over {MAX_REFLECTIONS:,} reflections or {MAX_TERMS:,} terms"
    return StructureError(Reason.TOO_LARGE, detail)


def powder_lines(sticks: StickList, crystal: Crystal) -> StickList:
    """Gathers reflections into the lines of a powder pattern, in order of 2θ.

    Reflections whose d differ by less than 1e-6 of it fall on one line: its multiplicity is their
    sum, its |F|² their weighted mean, its indices those of the strongest, in the equivalent form
    with non-negative and then with the largest leading indices. Lines without intensity are left
    out.
    """
    order = np.lexsort((-sticks.intensity, -sticks.d))
    if not len(order):
        return sticks
    d = sticks.d[order]
    starts = np.flatnonzero(np.diff(d, prepend=2 * d[0]) < -_SAME_D * d)
    multiplicity = np.add.reduceat(sticks.multiplicity[order], starts)
    intensity = np.add.reduceat(sticks.intensity[order], starts)
    total = np.add.reduceat((sticks.multiplicity * sticks.f_squared)[order], starts)
    strongest = [group[np.argmax(sticks.intensity[group])] for group in np.split(order, starts[1:])]
    seen = intensity > _ZERO * intensity.max()
    return StickList(
        hkl=_customary(sticks.hkl[strongest], crystal.setting)[seen],
        d=d[starts][seen],
        two_theta=sticks.two_theta[order][starts][seen],
        multiplicity=multiplicity[seen],
        f_squared=(total / multiplicity)[seen],
        intensity=intensity[seen],
    )


def _customary(hkl: Int64[np.ndarray, "n 3"], setting: str) -> Int64[np.ndarray, "n 3"]:
    """Returns the equivalent indices that one would write down."""
    prepared = prepare_setting(setting)
    laue = np.rint(prepared.axes @ prepared.laue @ prepared.index_basis).astype(np.int64)
    equivalent = np.einsum("ni,oij->noj", hkl, laue)
    best = [
        np.lexsort((*-row.T[::-1], *(row.T[::-1] < 0)))[0]  # non-negative first, then largest
        for row in equivalent
    ]
    return equivalent[np.arange(len(hkl)), best]


def _check_range(wavelength: float, two_theta_range: tuple[float, float], radiation: str) -> None:
    low, high = two_theta_range
    if not 0 < low < high < 180:
        raise InputError(f"two-theta range {low}:{high}: give start < stop within 0 to 180 degrees")
    if not (math.isfinite(wavelength) and wavelength > 0):
        raise InputError(f"wavelength {wavelength} Å: give a positive number")
    if radiation not in RADIATIONS:
        raise InputError(f"radiation {radiation!r}: choose {' or '.join(RADIATIONS)}")
