"""Geometry of sites under symmetry: special positions, multiplicities, atoms of a cell."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data_gen.errors import Reason, StructureError
from data_gen.kernels.sites import close_pairs, distinct_images, snap_positions, stabilisers
from data_gen.kernels.sites import metric_tensor as metric_tensor
from data_gen.limits import MAX_SITES_PER_PLACE
from data_gen.symmetry import affine_operations

_SAME_PLACE = 0.1  # Å: sites closer than this share one place
_SAME_ATOM = 0.5  # Å: two images of a site that is more than half full cannot be this close


class UnitCellSites(NamedTuple):
    """All atoms of the conventional cell, each once.

    Attributes:
        site: Index into the asymmetric unit.
        positions: Fractional coordinates in [0, 1).
    """

    site: Int[np.ndarray, "atoms"]
    positions: Float[np.ndarray, "atoms 3"]


def cell_of_metric(metric: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "6"]:
    """Returns a, b, c and the angles in degrees of a metric tensor."""
    lengths = np.sqrt(np.diag(metric))
    cosines = (metric / lengths / lengths[:, None])[[1, 0, 0], [2, 2, 1]]
    return np.concatenate([lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))])


def images(
    setting: str, positions: Float[np.ndarray, "sites 3"]
) -> Float[np.ndarray, "sites ops 3"]:
    """Returns what every operation of a setting makes of every position, not wrapped."""
    rotations, translations = affine_operations(setting)
    return np.einsum("oij,sj->soi", rotations, positions) + translations


def multiplicities(
    setting: str, positions: Float[np.ndarray, "sites 3"]
) -> Int[np.ndarray, "sites"]:
    """Returns how many atoms of the conventional cell each site stands for.

    Args:
        setting: See `data_gen.symmetry`.
        positions: Fractional coordinates, exact on special positions (see `snap`).
    """
    rotations, translations = affine_operations(setting)
    return len(rotations) // stabilisers(rotations, translations, positions)


def unit_cell_sites(setting: str, positions: Float[np.ndarray, "sites 3"]) -> UnitCellSites:
    """Returns the atoms that the symmetry makes of the asymmetric unit, each once.

    Args:
        setting: See `data_gen.symmetry`.
        positions: Fractional coordinates, exact on special positions (see `snap`).
    """
    rotations, translations = affine_operations(setting)
    site, atoms, _ = distinct_images(rotations, translations, positions, False)
    return UnitCellSites(site, wrap(atoms))


def wrap(positions: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Returns fractional coordinates in [0, 1)."""
    wrapped = positions - np.floor(positions)
    wrapped[wrapped >= 1.0] = 0.0
    return wrapped


def snap(
    metric: Float[np.ndarray, "3 3"],
    setting: str,
    positions: Float[np.ndarray, "sites 3"],
    occupancies: Float[np.ndarray, "sites"],
) -> Float[np.ndarray, "sites 3"]:
    """Returns positions that lie exactly on the special positions which they round.

    Files write 0.333 for 1/3; taken literally, one atom would become three very close ones. Images
    of a site closer than 0.1 Å are taken for one atom; so are images within 0.5 Å if the site is
    more than half full, as two atoms cannot be there.
    """
    rotations, translations = affine_operations(setting)
    tolerances = np.where(occupancies > 0.5, _SAME_ATOM, _SAME_PLACE)
    return snap_positions(rotations, translations, metric, positions, tolerances)


def shared_places(
    metric: Float[np.ndarray, "3 3"],
    setting: str,
    positions: Float[np.ndarray, "sites 3"],
    occupancies: Float[np.ndarray, "sites"],
) -> dict[int, dict[int, float]]:
    """Returns which sites lie within 0.1 Å of one another, and how far they fill that place.

    Every image is compared with every site: their number is limited, and this takes less time than
    the structure factors.

    Returns:
        For each site that shares its place, what every site there (its own included) fills of it.

    Raises:
        StructureError: Too many sites share a place.
    """
    rotations, translations = affine_operations(setting)
    atoms = images(setting, positions)
    pairs = close_pairs(metric, atoms, positions, _SAME_PLACE, MAX_SITES_PER_PLACE - 1)
    if not pairs:
        return {}
    orders = stabilisers(rotations, translations, positions)
    places: dict[int, dict[int, float]] = {}
    for site, other in pairs:
        place = places.setdefault(site, {site: float(occupancies[site])})
        share = float(occupancies[other] / orders[other])
        place[other] = place.get(other, 0.0) + share
    last, _ = pairs[-1]
    if len(places[last]) > MAX_SITES_PER_PLACE:
        detail = f"over {MAX_SITES_PER_PLACE} sites share the place of site {last + 1}"
        raise StructureError(Reason.TOO_LARGE, detail)
    return places
