"""The sites of an asymmetric unit as files give them, and their displacement parameters."""

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

U_OF_B = 1 / (8 * math.pi**2)
"""B = 8π² U."""

TENSOR_COMPONENTS = ("11", "22", "33", "23", "13", "12")

_ROWS, _COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)  # of these components in a matrix
_LARGEST = 1.0  # Å2; values printed in the wrong units are larger
_ROUNDING = 5e-4  # Å2: eigenvalues that rounding may have made negative


class Sites(NamedTuple):
    """Sites of an asymmetric unit.

    Attributes:
        species: Element or isotope of each.
        occupancies: As written.
        positions: Fractional coordinates as written.
        isotropic: U_iso in Å2, NaN where not given; None where the file has none.
        anisotropic: Tensors in Å2, in the CIF convention and the order of `TENSOR_COMPONENTS`; a
            row with NaN is not given; None where the file has none.
    """

    species: tuple[str, ...]
    occupancies: Float[np.ndarray, "sites"]
    positions: Float[np.ndarray, "sites 3"]
    isotropic: Float[np.ndarray, "sites"] | None = None
    anisotropic: Float[np.ndarray, "sites 6"] | None = None

    def select(self, kept: Sequence[int]) -> "Sites":
        """Returns the chosen sites."""
        if len(kept) == len(self.species):
            return self
        isotropic, anisotropic = (
            None if values is None else values[kept]
            for values in (self.isotropic, self.anisotropic)
        )
        species = tuple(self.species[i] for i in kept)
        return Sites(species, self.occupancies[kept], self.positions[kept], isotropic, anisotropic)


def displacement_tensors(
    sites: Sites, cell: Float[np.ndarray, "6"]
) -> Float[np.ndarray, "sites 6"]:
    """Returns the displacement parameters of all sites as tensors U in the CIF convention.

    An atom scatters less by exp(−2π² Σ h_i h_j a*_i a*_j U_ij). In this form an isotropic U is
    U g*_ij / (a*_i a*_j), with the reciprocal metric tensor g* (K. N. Trueblood et al.,
    Acta Cryst. A52 (1996) 770).

    Args:
        sites: The sites.
        cell: a, b, c in Å and angles in degrees.

    Returns:
        Tensors in Å2, in the order of `TENSOR_COMPONENTS`. An impossible tensor (not positive, or
        beyond 1 Å2) is replaced by the isotropic value of its site; NaN where there is none, or it
        is negative or beyond 1 Å2.
    """
    tensors = np.full((len(sites.species), 6), np.nan)
    if sites.isotropic is not None:
        possible = (sites.isotropic >= 0) & (sites.isotropic <= _LARGEST)
        tensors = np.where(possible, sites.isotropic, np.nan)[:, None] * _sphere(cell)
    if sites.anisotropic is not None:
        possible = _possible(sites.anisotropic)
        tensors[possible] = sites.anisotropic[possible]
    return tensors


def rows_by_label(
    labels: Sequence[str], names: Sequence[str], rows: Float[np.ndarray, "names n"]
) -> Float[np.ndarray, "sites n"]:
    """Finds the row of each site in a table by label.

    Labels should be unique, but are not in every file: the second site of a label takes the second
    row of that name, or else the last.

    Args:
        labels: Of the sites.
        names: Of the rows.
        rows: The table.

    Returns:
        A row per site; NaN where no row has its label.
    """
    places: dict[str, deque[int]] = defaultdict(deque)
    for row, name in enumerate(names):
        places[name].append(row)
    found = np.full((len(labels), rows.shape[1]), np.nan)
    for site, label in enumerate(labels):
        if label and label in places:
            waiting = places[label]
            found[site] = rows[waiting.popleft() if len(waiting) > 1 else waiting[0]]
    return found


def _sphere(cell: Float[np.ndarray, "6"]) -> Float[np.ndarray, "6"]:
    """Returns the tensor of an isotropic displacement of 1 Å2: cosines of reciprocal angles."""
    cosines, sines = np.cos(np.radians(cell[3:])), np.sin(np.radians(cell[3:]))
    one, other = [1, 0, 0], [2, 2, 1]
    reciprocal = (cosines[one] * cosines[other] - cosines) / (sines[one] * sines[other])
    return np.concatenate([np.ones(3), reciprocal])


def _possible(tensors: Float[np.ndarray, "sites 6"]) -> Bool[np.ndarray, "sites"]:
    """Returns which tensors are given and could be those of an atom.

    Whether a tensor is positive does not depend on the axes to which it refers.
    """
    given = (np.abs(tensors) <= _LARGEST).all(axis=1)
    matrices = np.zeros((len(tensors), 3, 3))
    matrices[:, _ROWS, _COLUMNS] = matrices[:, _COLUMNS, _ROWS] = tensors
    matrices[~given] = 0.0
    return given & (np.linalg.eigvalsh(matrices)[:, 0] >= -_ROUNDING)
