"""Sites under symmetry: images, special positions, the atoms of a primitive cell."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from data_gen.kernels.compiled import kernel

_COINCIDENT = 1e-4  # of an axis: images of a site on a special position, after rounding
_MAX_HALVINGS = 20


@kernel
def metric_tensor(cell: Float[np.ndarray, "6"]) -> Float[np.ndarray, "3 3"]:
    """Returns the scalar products of the axes a, b, c (Å; angles in degrees), in Å2."""
    metric = np.empty((3, 3))
    for i in range(3):
        metric[i, i] = cell[i] * cell[i]
        j, k = (i + 1) % 3, (i + 2) % 3
        metric[j, k] = metric[k, j] = cell[j] * cell[k] * math.cos(math.radians(cell[3 + i]))
    return metric


@kernel
def square_of_distance(
    metric: Float[np.ndarray, "3 3"], start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> float:
    """Returns the squared distance of two points, modulo the lattice."""
    x, y, z = start[0] - end[0], start[1] - end[1], start[2] - end[2]
    x, y, z = x - np.rint(x), y - np.rint(y), z - np.rint(z)
    mixed = metric[1, 2] * y * z + metric[0, 2] * x * z + metric[0, 1] * x * y
    return metric[0, 0] * x * x + metric[1, 1] * y * y + metric[2, 2] * z * z + 2 * mixed


@kernel
def coincide(start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], sign: float = 1.0) -> bool:
    """Returns whether two points are the same modulo the lattice, the second times the sign."""
    for i in range(3):
        difference = start[i] - sign * end[i]
        if abs(difference - np.rint(difference)) > _COINCIDENT:
            return False
    return True


@kernel
def transform(
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
def stabilisers(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    positions: Float[np.ndarray, "sites 3"],
) -> Int[np.ndarray, "sites"]:
    """Returns how many operations leave each position where it is."""
    counts = np.zeros(len(positions), dtype=np.int64)
    image = np.empty(3)
    for site in range(len(positions)):
        for o in range(len(rotations)):
            transform(rotations[o], translations[o], positions[site], image)
            counts[site] += coincide(image, positions[site])
    return counts


@kernel
def distinct_images(
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
            transform(rotations[o], translations[o], positions[site], image)
            if _is_listed(image, images[first:n], centric):
                continue
            site_of[n] = site
            count[n] = 2 if centric and not coincide(image, image, -1.0) else 1
            n += 1
    return site_of[:n], images[:n], count[:n]


@kernel
def _is_listed(
    image: Float[np.ndarray, "3"], listed: Float[np.ndarray, "n 3"], centric: bool
) -> bool:
    """Returns whether a list holds an image or, if `centric`, its inverse."""
    for i in range(len(listed)):
        if coincide(image, listed[i]) or (centric and coincide(image, listed[i], -1.0)):
            return True
    return False


@kernel
def snap_positions(
    rotations: Float[np.ndarray, "ops 3 3"],
    translations: Float[np.ndarray, "ops 3"],
    metric: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "sites 3"],
    tolerances: Float[np.ndarray, "sites"],
) -> Float[np.ndarray, "sites 3"]:
    """See `data_gen.orbits.snap`; tolerances in Å, one per site."""
    snapped = positions.copy()
    close = np.empty(len(rotations), dtype=np.bool_)
    image = np.empty(3)
    for site in range(len(positions)):
        start, tolerance = positions[site], tolerances[site]
        for _ in range(_MAX_HALVINGS):
            mean = np.zeros(3)
            for o in range(len(rotations)):
                transform(rotations[o], translations[o], start, image)
                close[o] = square_of_distance(metric, image, start) < tolerance**2
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
        transform(rotations[o], translations[o], position, image)
        if operations[o] != coincide(image, position):
            return False
    return True


@kernel
def close_pairs(
    metric: Float[np.ndarray, "3 3"],
    images: Float[np.ndarray, "sites ops 3"],
    positions: Float[np.ndarray, "sites 3"],
    tolerance: float,
    most: int,
) -> list[tuple[int, int]]:
    """Returns (site, other) for every image of another site within a tolerance (Å) of a site.

    It ends with the first site that has more than `most` others near it.
    """
    pairs = [(0, 0) for _ in range(0)]
    for site in range(len(positions)):
        others = 0
        for other in range(len(positions)):
            if other == site:
                continue
            before = len(pairs)
            for o in range(images.shape[1]):
                if square_of_distance(metric, images[other, o], positions[site]) < tolerance**2:
                    pairs.append((site, other))
            others += len(pairs) > before
            if others > most:
                return pairs
    return pairs


@kernel
def congruent(
    matrix: Float[np.ndarray, "3 3"], transformation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """Returns Tᵀ M T; a product of such small matrices is no work for BLAS."""
    half, result = np.zeros((3, 3)), np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                half[i, j] += matrix[i, k] * transformation[k, j]
    for i in range(3):
        for j in range(3):
            for k in range(3):
                result[i, j] += transformation[k, i] * half[k, j]
    return result


@kernel
def symmetric_metric(
    metric: Float[np.ndarray, "3 3"], rotations: Float[np.ndarray, "ops 3 3"]
) -> Float[np.ndarray, "3 3"]:
    """Returns the mean of a metric tensor over rotations: the nearest one that has the symmetry."""
    mean = np.zeros((3, 3))
    for rotation in rotations:
        mean += congruent(metric, rotation)
    return mean / len(rotations)


@kernel
def primitive_positions(
    index_basis: Int[np.ndarray, "3 3"], positions: Float[np.ndarray, "sites 3"]
) -> Float[np.ndarray, "sites 3"]:
    """Returns conventional coordinates in the axes of the primitive cell."""
    primitive = np.zeros((len(positions), 3))
    for site in range(len(positions)):
        for i in range(3):
            for j in range(3):
                primitive[site, i] += index_basis[i, j] * positions[site, j]
    return primitive
