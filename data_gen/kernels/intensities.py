"""What the geometry of a powder measurement makes of |F|²."""

import math

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.kernels.compiled import kernel
from data_gen.kernels.enumeration import reciprocal_metric


@kernel
def lorentz_polarisation(sin_theta: float, monochromator: float) -> float:
    """Returns the angular factor of a powder at constant wavelength.

    Args:
        sin_theta: Sine of half the scattering angle.
        monochromator: cos² of the monochromator's scattering angle, 1 for none, for X-rays;
            negative for neutrons, which have no polarisation factor.

    Returns:
        1 / (sin²θ cosθ), for X-rays times (1 + m cos²2θ) / (1 + m) (L. V. Azároff, Acta Cryst. 8
        (1955) 701).
    """
    square = sin_theta * sin_theta
    lorentz = 1 / (square * math.sqrt(1 - square))
    if monochromator < 0:
        return lorentz
    cos_two_theta = 1 - 2 * square
    return lorentz * (1 + monochromator * cos_two_theta * cos_two_theta) / (1 + monochromator)


@kernel
def apply_march_dollase(
    strength: Float64[np.ndarray, " n"],
    hkl: Int64[np.ndarray, "n 3"],
    metric: Float64[np.ndarray, "3 3"],
    laue: Int64[np.ndarray, "laue 3 3"],
    axis: Float64[np.ndarray, "3"],
    coefficient: float,
) -> None:
    """Multiplies reflections by the factor of preferred orientation.

    W = ⟨(r² cos²α + sin²α / r)^(−3/2)⟩, the mean over the reflections that the Laue group relates,
    α being their angle with the preferred direction (W. A. Dollase, J. Appl. Cryst. 19 (1986) 267).

    Args:
        strength: Changed in place.
        hkl: Indices in the primitive cell.
        metric: Its metric tensor.
        laue: Rotations of the Laue group, acting on rows of indices.
        axis: Indices of the preferred direction, a reciprocal vector, in the primitive cell.
        coefficient: March coefficient r.
    """
    reciprocal = reciprocal_metric(metric)
    axis_square = _product(reciprocal, axis, axis)
    turned = np.empty(3)
    for q in range(len(hkl)):
        total = 0.0
        for rotation in laue:
            for i in range(3):
                turned[i] = 0.0
                for j in range(3):
                    turned[i] += hkl[q, j] * rotation[j, i]
            along = _product(reciprocal, turned, axis)
            cos_square = along * along / (_product(reciprocal, turned, turned) * axis_square)
            base = coefficient * coefficient * cos_square + (1 - cos_square) / coefficient
            total += base**-1.5
        strength[q] *= total / len(laue)


@kernel
def _product(
    reciprocal: Float64[np.ndarray, "3 3"],
    left: Float64[np.ndarray, "3"],
    right: Float64[np.ndarray, "3"],
) -> float:
    """Returns the scalar product of two reciprocal vectors in Å⁻²."""
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += left[i] * reciprocal[i, j] * right[j]
    return total
