"""Thermal motion: displacement tensors of the atoms of a primitive cell."""

import math

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.kernels.compiled import kernel
from data_gen.kernels.enumeration import reciprocal_metric
from data_gen.kernels.sites import coincide, congruent, transform


@kernel
def motion_of_images(
    displacements: Float64[np.ndarray, "sites 6"],
    positions: Float64[np.ndarray, "sites 3"],
    images: Float64[np.ndarray, "images 3"],
    site_of: Int64[np.ndarray, " images"],
    rotations: Float64[np.ndarray, "ops 3 3"],
    translations: Float64[np.ndarray, "ops 3"],
    centric: bool,
) -> Float64[np.ndarray, "6 images"]:
    """Turns the displacement tensors of sites into those of their images.

    Each is the mean over all operations that lead to the image, so that it has the symmetry of its
    site, whatever rounding left of that in a file.

    Args:
        displacements: Tensor of each site in the primitive axes, as the six factors of h², k², l²,
            2kl, 2hl, 2hk in the exponent of the Debye–Waller factor.
        positions: Of the sites, primitive axes.
        images: Of the images, as `data_gen.kernels.sites.distinct_images` lists them.
        site_of: The site that each is an image of.
        rotations: Operations.
        translations: Operations.
        centric: Whether the images' inverses are not listed.

    Returns:
        The six factors of each image.
    """
    motion = np.zeros((6, len(images)))
    point = np.empty(3)
    for j in range(len(images)):
        tensor, found = _matrix(displacements[site_of[j]]), 0
        mean = np.zeros((3, 3))
        for o in range(len(rotations)):
            transform(rotations[o], translations[o], positions[site_of[j]], point)
            if coincide(point, images[j]) or (centric and coincide(point, images[j], -1.0)):
                mean += congruent(tensor, rotations[o].T)
                found += 1
        mean /= found
        for i in range(3):
            motion[i, j] = mean[i, i]
            motion[3 + i, j] = mean[(i + 1) % 3, (i + 2) % 3]
    return motion


@kernel
def _matrix(six: Float64[np.ndarray, "6"]) -> Float64[np.ndarray, "3 3"]:
    """Returns the symmetric matrix of its entries 11, 22, 33, 23, 13, 12."""
    matrix = np.empty((3, 3))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        matrix[i, i] = six[i]
        matrix[j, k] = matrix[k, j] = six[3 + i]
    return matrix


@kernel
def primitive_displacements(
    displacements: Float64[np.ndarray, "sites 6"],
    metric: Float64[np.ndarray, "3 3"],
    index_basis: Int64[np.ndarray, "3 3"],
) -> Float64[np.ndarray, "sites 6"]:
    """Turns tensors U in Å² (CIF convention) into what `motion_of_images` takes.

    The exponent is 2π² Σ U_ij a*_i a*_j h_i h_j with conventional indices, which are primitive ones
    times the index basis; `metric` is the metric tensor of the primitive cell.
    """
    basis = index_basis.astype(np.float64)
    reciprocal = reciprocal_metric(congruent(metric, basis))
    result = np.empty((len(displacements), 6))
    for site in range(len(displacements)):
        tensor = _matrix(displacements[site])
        for i in range(3):
            for j in range(3):
                tensor[i, j] *= 2 * math.pi**2 * math.sqrt(reciprocal[i, i] * reciprocal[j, j])
        tensor = congruent(tensor, basis.T)
        for i in range(3):
            result[site, i] = tensor[i, i]
            result[site, 3 + i] = tensor[(i + 1) % 3, (i + 2) % 3]
    return result
