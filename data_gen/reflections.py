"""From a crystal to its stick list: reflections with multiplicity, |F|² and intensity."""

import math
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.crystal import Crystal
from data_gen.enumeration import unique_reflections
from data_gen.errors import InputError, Reason, StructureError
from data_gen.orbits import primitive_cell
from data_gen.scattering import scattering_length
from data_gen.setting import PreparedSetting, prepare_setting
from data_gen.structure_factors import powder_intensities

MAX_REFLECTIONS = 1_000_000
MAX_TERMS = 1_000_000_000
"""Largest number of reflections times sites: about one second of work."""

_SAME_D = 1e-6  # relative difference up to which reflections fall on one line
_ZERO = 1e-12  # of the strongest line: what rounding leaves of a structure factor of zero


@dataclass(frozen=True, eq=False, slots=True)
class StickList:
    """Reflections of a crystal; each entry stands for a set of equal d.

    Attributes:
        hkl: Indices in the conventional cell of the crystal's setting.
        d: Interplanar distance in Å.
        two_theta: Bragg angle 2θ in degrees.
        multiplicity: Number of reflections in the set, Friedel mates included.
        f_squared: Mean |F|² over the set, of the conventional cell, in fm².
        intensity: multiplicity · |F|² · Lorentz factor 1/(sin²θ cosθ).
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
) -> StickList:
    """Returns all reflections of a crystal in a range of 2θ.

    Each entry stands for the reflections that the Laue group relates; they are in no particular
    order, and several may have one d (see `powder_lines`).

    The sum over atoms is kinematic: no thermal motion, absorption or preferred orientation.
    Systematic absences are left out; a reflection that is weak or zero by accident is not.

    Args:
        crystal: The crystal.
        wavelength: In Å.
        two_theta_range: First and last 2θ in degrees.
        scattering_lengths: Table, see `data_gen.scattering`.

    Returns:
        The stick list; empty if no reflection lies in the range.

    Raises:
        InputError: The wavelength, the range or the table is impossible.
        StructureError: A scattering length is missing, or the crystal is too large.
    """
    sin_theta_range = _sin_theta_range(wavelength, two_theta_range)
    setting = prepare_setting(crystal.setting)
    lengths = np.array(
        [scattering_length(species, scattering_lengths, wavelength) for species in crystal.species]
    )
    _check_size(crystal, setting, 2 * sin_theta_range[1] / wavelength)
    metric, images, weights = primitive_cell(
        crystal.cell,
        crystal.positions,
        lengths * crystal.occupancies,
        setting.index_basis,
        setting.axes,
        setting.rotations,
        setting.translations,
        setting.centric,
    )
    least, most = ((2 * sine / wavelength) ** 2 for sine in sin_theta_range)
    indices, inverse_squares, multiplicity = unique_reflections(
        metric, least, most, setting.laue, setting.shifts, setting.k_bounds, setting.l_bounds
    )
    hkl, d, two_theta, f_squared, intensity = powder_intensities(
        indices,
        inverse_squares,
        multiplicity,
        images,
        weights,
        setting.centric,
        wavelength,
        setting.index_basis,
    )
    return StickList(hkl, d, two_theta, multiplicity, f_squared, intensity)


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


def _sin_theta_range(
    wavelength: float, two_theta_range: tuple[float, float]
) -> tuple[float, float]:
    low, high = two_theta_range
    if not 0 < low < high < 180:
        raise InputError(f"two-theta range {low}:{high}: give start < stop within 0 to 180 degrees")
    if not (math.isfinite(wavelength) and wavelength > 0):
        raise InputError(f"wavelength {wavelength} Å: give a positive number")
    return math.sin(math.radians(low / 2)), math.sin(math.radians(high / 2))


def _check_size(crystal: Crystal, setting: PreparedSetting, largest: float) -> None:
    """Refuses a crystal whose reflections or sites are too many, before any memory is taken.

    Half of the sphere of radius 1/d is searched in rows of constant h, k, and each operation may
    give every site an image.
    """
    in_sphere = 2 / 3 * math.pi * largest**3 * crystal.volume / setting.n_centring
    searched = max(in_sphere, 2 * crystal.cell[0] * crystal.cell[1] * largest**2)
    images = len(crystal.species) * len(setting.rotations)
    if searched > MAX_REFLECTIONS or searched * images > MAX_TERMS:
        detail = f"{searched:.2g} reflections and {images} sites to sum over"
        raise StructureError(Reason.TOO_LARGE, detail)
