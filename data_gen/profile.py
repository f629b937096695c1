"""From a stick list to a pattern."""

import numpy as np
from jaxtyping import Float32, Float64

from data_gen.conditions import conditions
from data_gen.instrument import Instrument
from data_gen.kernels.peaks import draw_peaks
from data_gen.sample import IDEAL, Sample


def render(
    two_theta: Float64[np.ndarray, " n"],
    intensity: Float64[np.ndarray, " n"],
    instrument: Instrument,
    sample: Sample = IDEAL,
) -> Float32[np.ndarray, " points"]:
    """Draws reflections as peaks of the instrument's width and shape.

    Args:
        two_theta: Positions in degrees; those outside the grid reach in with their tails.
        intensity: Areas of the peaks.
        instrument: Grid, width and shape.
        sample: Its size and strain broaden the peaks; the rest of it has no effect here.

    Returns:
        The pattern on the instrument's grid, in units of intensity per degree: the sum over the
        grid times its step is the intensity.

    Raises:
        ValueError: The arrays do not belong together, or an angle is impossible.
    """
    two_theta, intensity = np.asarray(two_theta, np.float64), np.asarray(intensity, np.float64)
    if two_theta.ndim != 1 or two_theta.shape != intensity.shape:
        raise ValueError(
            f"two_theta {two_theta.shape} and intensity {intensity.shape}: give as many of each"
        )
    if not np.all((two_theta > 0) & (two_theta < 180)):
        raise ValueError("two_theta: give angles from 0 to 180 degrees")
    pattern = np.zeros(len(instrument.two_theta), np.float32)
    draw_peaks(
        pattern,
        two_theta,
        intensity,
        conditions(instrument, sample)[0],
        instrument.two_theta_min,
        instrument.two_theta_step,
    )
    return pattern
