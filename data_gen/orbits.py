"""Geometry of sites under symmetry: special positions, multiplicities, atoms of a cell."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from data_gen.compiled import kernel
from data_gen.symmetry import affine_operations

_SAME_PLACE = 0.1  # Å: sites closer than this share one place
_SAME_ATOM = 0.5  # Å: two images of a site that is more than half full cannot be this close
_COINCIDENT = 1e-4  # of an axis: images of a site on a special position, after rounding
_MAX_HALVINGS = 20


class UnitCellSites(NamedTuple):
    """All atoms of the conventional cell, each once.

    Attributes:
        site: Index into the asymmetric unit.
        positions: Fractional coordinates in [0, 1).
    """

    site: Int[np.ndarray, "atoms"]
    positions: Float[np.ndarray, "atoms 3"]


@kernel
def metric_tensor(cell: Float[np.ndarray, "6"]) -> Float[np.ndarray, "3 3"]:
    """Returns the scalar products of the axes a, b, c (Å; angles in degrees), in Å2."""
    metric = np.empty((3, 3))
    for i in range(3):
        metric[i, i] = cell[i] * cell[i]
        j, k = (i + 1) % 3, (i + 2) % 3
        metric[j, k] = metric[k, j] = cell[j] * cell[k] * math.cos(math.radians(cell[3 + i]))
    return metric


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
    return len(rotations) // _stabilisers(rotations, translations, positions)


def unit_cell_sites(setting: str, positions: Float[np.ndarray, "sites 3"]) -> UnitCellSites:
    """Returns the atoms that the symmetry makes of the asymmetric unit, each once.

    Args:
        setting: See `data_gen.symmetry`.
        positions: Fractional coordinates, exact on special positions (see `snap`).
    """
    rotations, translations = affine_operations(setting)
    site, atoms, _ = _distinct_images(rotations, translations, positions, False)
    return UnitCellSites(site, wrap(atoms))


@kernel
def primitive_cell(
    cell: Float[np.ndarray, "6"],
    positions: Float[np.ndarray, "sites 3"],
    lengths: Complex[np.ndarray, "sites"],
    index_basis: Int[np.ndarray, "3 3"],
    axes: Float[np.ndarray, "3 3"],
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    centric: bool,
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "atoms 3"], Complex[np.ndarray, "atoms"]]:
    """Fills a primitive cell with the images of the asymmetric unit.

    Args:
        cell: a, b, c in Å and angles in degrees of the conventional cell.
        positions: Fractional coordinates in it, exact on special positions (see `snap`).
        lengths: Scattering length times occupancy of each site, fm.
        index_basis: This and what follows: see `data_gen.setting.PreparedSetting`.
        axes: Primitive axes.
        rotations: Rotation matrices.
        translations: Translations.
        centric: Whether one atom is to stand for itself and its inverse.

    Returns:
        The metric tensor of the primitive cell in Å2; the coordinates of the atoms in it; the
        scattering length of each, times the number of atoms that it stands for.
    """
    conventional, metric = metric_tensor(cell), np.zeros((3, 3))
    primitive, zero = np.empty((len(positions), 3)), np.zeros(3)
    for i in range(3):
        for j in range(3):
            for k in range(3):
                for m in range(3):
                    metric[i, j] += axes[k, i] * conventional[k, m] * axes[m, j]
    for site in range(len(positions)):
        _image(index_basis, zero, positions[site], primitive[site])
    site_of, atoms, count = _distinct_images(rotations, translations, primitive, centric)
    return metric, atoms, lengths[site_of] * count


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
    return _snap(rotations, translations, metric, positions, tolerances)


def shared_places(
    metric: Float[np.ndarray, "3 3"],
    setting: str,
    positions: Float[np.ndarray, "sites 3"],
    occupancies: Float[np.ndarray, "sites"],
) -> dict[int, dict[int, float]]:
    """Returns which sites lie within 0.1 Å of one another, and how far they fill that place.

    Returns:
        For each site that shares its place, what every site there (its own included) fills of it.
    """
    rotations, translations = affine_operations(setting)
    pairs = _close_pairs(metric, images(setting, positions), positions)
    if not pairs:
        return {}
    stabilisers = _stabilisers(rotations, translations, positions)
    places: dict[int, dict[int, float]] = {}
    for site, other in pairs:
        place = places.setdefault(site, {site: float(occupancies[site])})
        share = float(occupancies[other] / stabilisers[other])
        place[other] = place.get(other, 0.0) + share
    return places


# ---------------------------------------------------------------- kernels


@kernel
def _square(
    metric: Float[np.ndarray, "3 3"], start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> float:
    """Returns the squared distance of two points, modulo the lattice."""
    x, y, z = start[0] - end[0], start[1] - end[1], start[2] - end[2]
    x, y, z = x - np.rint(x), y - np.rint(y), z - np.rint(z)
    mixed = metric[1, 2] * y * z + metric[0, 2] * x * z + metric[0, 1] * x * y
    return metric[0, 0] * x * x + metric[1, 1] * y * y + metric[2, 2] * z * z + 2 * mixed


@kernel
def _coincide(
    start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], sign: float = 1.0
) -> bool:
    """Returns whether two points are the same modulo the lattice, the second times the sign."""
    for i in range(3):
        difference = start[i] - sign * end[i]
        if abs(difference - np.rint(difference)) > _COINCIDENT:
            return False
    return True


@kernel
def _image(
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
    position: Float[np.ndarray, "3"],
    image: Float[np.ndarray, "3"],
) -> None:
    """Writes what an operation makes of a position into `image`."""
    for i in range(3):
        image[i] = translation[i]
        for j in range(3):
            image[i] += rotation[i, j] * position[j]


@kernel
def _stabilisers(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    positions: Float[np.ndarray, "sites 3"],
) -> Int[np.ndarray, "sites"]:
    """Returns how many operations leave each position where it is."""
    counts = np.zeros(len(positions), dtype=np.int64)
    image = np.empty(3)
    for site in range(len(positions)):
        for o in range(len(rotations)):
            _image(rotations[o], translations[o], positions[site], image)
            counts[site] += _coincide(image, positions[site])
    return counts


@kernel
def _distinct_images(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    positions: Float[np.ndarray, "sites 3"],
    centric: bool,
) -> tuple[Int[np.ndarray, "images"], Float[np.ndarray, "images 3"], Int[np.ndarray, "images"]]:
    """Lists the images of each position once.

    Returns:
        Which position each is an image of; its coordinates, not wrapped; how many images it stands
        for: itself and, if `centric`, its inverse, which is then not listed.
    """
    capacity = len(positions) * len(rotations)
    site_of, count = np.empty(capacity, dtype=np.int64), np.empty(capacity, dtype=np.int64)
    images = np.empty((capacity, 3))
    n = 0
    for site in range(len(positions)):
        first = n
        for o in range(len(rotations)):
            image = images[n]
            _image(rotations[o], translations[o], positions[site], image)
            if _is_listed(image, images[first:n], centric):
                continue
            site_of[n] = site
            count[n] = 2 if centric and not _coincide(image, image, -1.0) else 1
            n += 1
    return site_of[:n], images[:n], count[:n]


@kernel
def _is_listed(
    image: Float[np.ndarray, "3"], listed: Float[np.ndarray, "n 3"], centric: bool
) -> bool:
    """Returns whether a list holds an image or, if `centric`, its inverse."""
    for i in range(len(listed)):
        if _coincide(image, listed[i]) or (centric and _coincide(image, listed[i], -1.0)):
            return True
    return False


@kernel
def _snap(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    metric: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "sites 3"],
    tolerances: Float[np.ndarray, "sites"],
) -> Float[np.ndarray, "sites 3"]:
    """See `snap`."""
    snapped = positions.copy()
    close = np.empty(len(rotations), dtype=np.bool_)
    image = np.empty(3)
    for site in range(len(positions)):
        start, tolerance = positions[site], tolerances[site]
        for _ in range(_MAX_HALVINGS):
            mean = np.zeros(3)
            for o in range(len(rotations)):
                _image(rotations[o], translations[o], start, image)
                close[o] = _square(metric, image, start) < tolerance**2
                if close[o]:
                    shift = image - start
                    mean += shift - np.rint(shift)
            moved = start + mean / close.sum()
            if _is_fixed_by(rotations, translations, moved, close):
                snapped[site] = moved
                break
            tolerance /= 2  # a chain of close images is no special position: look closer
    return snapped


@kernel
def _is_fixed_by(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    position: Float[np.ndarray, "3"],
    operations: Bool[np.ndarray, "ops"],
) -> bool:
    """Returns whether the chosen operations, and no others, leave a position where it is."""
    image = np.empty(3)
    for o in range(len(rotations)):
        _image(rotations[o], translations[o], position, image)
        if operations[o] != _coincide(image, position):
            return False
    return True


@kernel
def _close_pairs(
    metric: Float[np.ndarray, "3 3"],
    images: Float[np.ndarray, "sites ops 3"],
    positions: Float[np.ndarray, "sites 3"],
) -> list[tuple[int, int]]:
    """Returns (site, other) for every image of another site that lies in a site's place."""
    pairs = [(0, 0) for _ in range(0)]
    for site in range(len(positions)):
        for other in range(len(positions)):
            if other == site:
                continue
            for o in range(images.shape[1]):
                if _square(metric, images[other, o], positions[site]) < _SAME_PLACE**2:
                    pairs.append((site, other))
    return pairs
