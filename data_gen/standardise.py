"""Symmetry found from coordinates (by moyopy), and the asymmetric unit that it leaves."""

from collections.abc import Sequence
from typing import NamedTuple

import gemmi
import moyopy
import numpy as np
from jaxtyping import Float

from data_gen.errors import Reason, StructureError
from data_gen.limits import MAX_SITES
from data_gen.orbits import cell_of_metric, images
from data_gen.symmetry import setting_of

SYMMETRY_TOLERANCE = 0.1
"""Distance in Å within which atoms count as equivalent."""

_SAME_POINT = 1e-3  # of an axis: images of one atom after refinement


class StandardStructure(NamedTuple):
    """A structure in the standard setting of the symmetry of its coordinates.

    Attributes:
        cell: a, b, c in Å, alpha, beta, gamma in degrees.
        setting: Hall symbol.
        space_group: Number in International Tables.
        numbers: Kind of each site of the asymmetric unit.
        positions: Fractional coordinates of these sites.
    """

    cell: Float[np.ndarray, "6"]
    setting: str
    space_group: int
    numbers: list[int]
    positions: Float[np.ndarray, "sites 3"]


def standardise(
    axes: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "atoms 3"],
    numbers: Sequence[int],
    tolerance: float = SYMMETRY_TOLERANCE,
) -> StandardStructure:
    """Finds the space group of a list of atoms and reduces them to an asymmetric unit.

    Args:
        axes: Cell vectors as rows, in Å.
        positions: Fractional coordinates of all atoms of the cell.
        numbers: What each atom is; equal numbers are equal atoms.
        tolerance: Distance in Å within which atoms count as equivalent.

    Raises:
        StructureError: There are no atoms or too many, or no symmetry can be made out.
    """
    if not 0 < len(numbers) <= MAX_SITES:
        reason = Reason.TOO_LARGE if len(numbers) else Reason.NO_ATOMS
        raise StructureError(reason, f"{len(numbers)} atoms in the cell")
    cell = moyopy.Cell(np.array(axes).tolist(), np.array(positions).tolist(), list(numbers))
    try:
        found = moyopy.MoyoDataset(cell, symprec=tolerance, setting=moyopy.Setting.standard())
    except (ValueError, RuntimeError) as error:
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, str(error)) from None
    hall = moyopy.HallSymbolEntry(found.hall_number).hall_symbol.replace("=", '"')
    setting = setting_of(gemmi.symops_from_hall(hall))
    standard, kinds = np.array(found.std_cell.positions), found.std_cell.numbers
    chosen = _asymmetric_unit(setting, standard, np.array(kinds))
    basis = np.array(found.std_cell.basis)
    return StandardStructure(
        cell_of_metric(basis @ basis.T),
        setting,
        found.number,
        [kinds[i] for i in chosen],
        standard[chosen],
    )


def _asymmetric_unit(
    setting: str, positions: Float[np.ndarray, "atoms 3"], kinds: np.ndarray
) -> list[int]:
    """Returns the first atom of each orbit."""
    pending = np.ones(len(positions), dtype=bool)
    chosen: list[int] = []
    while pending.any():
        first = int(np.argmax(pending))
        chosen.append(first)
        shifts = positions[:, None, :] - images(setting, positions[first : first + 1])
        apart = np.abs(shifts - np.rint(shifts)).max(axis=2).min(axis=1)
        pending &= (apart > _SAME_POINT) | (kinds != kinds[first])
        pending[first] = False
    return chosen
