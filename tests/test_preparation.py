"""From measured patterns to what a network sees."""

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pybaselines import Baseline
from scipy.ndimage import uniform_filter1d

from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.profile import render
from sgan_jax.grids import GRIDS, NOT_MEASURED
from sgan_jax.preparation import (
    CLIPPED,
    FIRST,
    LENGTH,
    SMOOTHED,
    STEP,
    averaged,
    background,
    prepare,
    resample,
    to_grid,
)
from sgan_jax.presentation import LEAST_SIGNAL

WORKING = FIRST + STEP * np.arange(LENGTH)
LINES = np.array([9.0, 5.2, 4.4, 3.1, 2.7, 2.2, 1.9, 1.6])  # d in Å
STRENGTHS = np.array([3.0, 1.0, 5.0, 2.0, 4.0, 1.0, 2.0, 3.0])  # m|F|²


def measurement(wavelength, step=0.05, ends=(5.0, 150.0), level=0.0):
    """The lines above as an instrument of some wavelength would measure them."""
    narrow = replace(
        instrument("bt1_cu311"),
        wavelength=wavelength,
        two_theta_min=ends[0],
        two_theta_max=ends[1],
        two_theta_step=0.05,
    )
    theta = np.arcsin(wavelength / 2 / LINES)
    lorentz = 1 / (np.sin(theta) ** 2 * np.cos(theta))
    pattern = render(2 * np.degrees(theta), STRENGTHS * lorentz, narrow).astype(np.float64)
    every = round(step / 0.05)
    return SimpleNamespace(two_theta=narrow.two_theta[::every], intensity=pattern[::every] + level)


def areas(seen, grid):
    """Integral of each line's peak over 1/d."""
    density = np.where(seen >= 0, seen, 0.0) * np.diff(grid.edges)
    return np.array([density[np.abs(grid.centres - 1 / d) < 0.012].sum() for d in LINES])


@pytest.mark.parametrize("axis", GRIDS)
@pytest.mark.parametrize("wavelength", [1.3, 1.9, 2.4])
def test_the_wavelength_changes_neither_positions_nor_intensities(axis, wavelength):
    grid = GRIDS[axis]
    pattern = measurement(wavelength)
    there = np.ones(len(pattern.two_theta), bool)
    seen = to_grid(pattern.two_theta, pattern.intensity, there, wavelength, grid)
    measured = areas(seen, grid) / (STRENGTHS * LINES**2)
    np.testing.assert_allclose(measured / measured.mean(), 1, atol=0.02)


def test_what_was_not_measured_is_marked():
    pattern = measurement(1.54, ends=(20.0, 90.0))
    seen = prepare(pattern, 1.54, GRIDS["inverse_d"])
    inverse_d = 2 * np.sin(np.radians(np.array([20.0, 90.0]) / 2)) / 1.54
    outside = (GRIDS["inverse_d"].edges[:-1] < inverse_d[0]) | (
        GRIDS["inverse_d"].edges[1:] > inverse_d[1]
    )
    np.testing.assert_array_equal(seen.network_input == NOT_MEASURED, outside)
    assert seen.network_input.max() == 1
    assert seen.coverage == pytest.approx(1 - outside.mean())
    assert seen.notes == ()
    assert seen.missing == 0


def test_a_gap_is_marked_and_told():
    whole = measurement(1.54)
    kept = (whole.two_theta < 60) | (whole.two_theta > 70)
    pattern = SimpleNamespace(two_theta=whole.two_theta[kept], intensity=whole.intensity[kept])
    seen = prepare(pattern, 1.54, GRIDS["log_d"])
    centres = GRIDS["log_d"].centres
    inside = (centres > 2 * np.sin(np.radians(30.1)) / 1.54) & (
        centres < 2 * np.sin(np.radians(34.9)) / 1.54
    )
    assert np.all(seen.network_input[inside] == NOT_MEASURED)
    assert seen.missing == pytest.approx(10 / 145, abs=0.001)


def test_coarse_steps_are_no_gaps():
    seen = prepare(measurement(1.54, step=0.8), 1.54, GRIDS["log_d"])
    assert seen.missing == 0
    with pytest.raises(InputError, match=r"steps of 1\.2 degrees, in which peaks are lost"):
        prepare(measurement(1.54, step=1.2), 1.54, GRIDS["log_d"])


@pytest.mark.parametrize("step", [0.05, 0.1, 0.15])
def test_the_step_changes_little(step):
    fine, coarse = (
        prepare(measurement(1.8, step), 1.8, GRIDS["log_d"]).network_input for step in (0.05, step)
    )
    both = (fine >= 0) & (coarse >= 0)
    assert np.abs(fine - coarse)[both].max() < 0.15
    assert np.abs(fine - coarse)[both].mean() < 0.004


def test_points_closer_than_the_step_are_averaged():
    angles = 10 + 0.01 * np.arange(9000)
    grid, values, there = resample(averaged(angles, np.sin(angles)))
    np.testing.assert_allclose(values[1:-1], np.sin(grid)[1:-1], atol=1e-3)
    assert there.all()


def test_a_smooth_background_is_removed_and_peaks_stay():
    peaks = measurement(1.6).intensity
    height = peaks.max()
    angles = measurement(1.6).two_theta
    smooth = height * (0.4 + 0.2 * np.exp(-angles / 40) + 0.05 * np.sin(angles / 30))
    found = background(peaks + smooth)
    assert np.abs(found - smooth).max() < 0.04 * height


@pytest.mark.parametrize("points", [60, 161, 3000])
def test_the_background_is_that_of_the_library(points):
    rng = np.random.default_rng(points)
    intensity = rng.poisson(100 + 2000 * rng.random(points) ** 20).astype(np.float64)
    expected, _ = Baseline().snip(
        uniform_filter1d(intensity, SMOOTHED, mode="nearest"),
        max_half_window=min(CLIPPED, (points - 1) // 2),
        decreasing=True,
        pad_kwargs={"mode": "edge"},
    )
    np.testing.assert_array_equal(background(intensity), expected)


def counted(rng, angles, expected):
    """A measurement that counts."""
    counts = rng.poisson(expected, len(angles)).astype(np.float64)
    return SimpleNamespace(two_theta=angles, intensity=counts)


def signal(pattern):
    """0 where it is refused: at 0.02 counts the background can reach every point."""
    with suppress(InputError):
        return prepare(pattern, 1.5, GRIDS["log_d"]).signal
    return 0.0


@pytest.mark.parametrize("step", [0.01, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("level", [0.02, 0.1, 0.3, 1, 10, 300, 1000])
def test_noise_has_no_clear_peaks(level, step):
    rng, angles = np.random.default_rng(0), np.arange(10.0, 150.0, step)
    per_monitor = counted(rng, angles, level)
    per_monitor.intensity *= 0.37
    noise = [per_monitor, *(counted(rng, angles, level) for _ in range(15))]
    assert max(map(signal, noise)) < LEAST_SIGNAL


@pytest.mark.parametrize("step", [0.01, 0.05, 0.2, 0.5])
def test_a_single_hot_point_is_no_peak(step):
    pattern = counted(np.random.default_rng(0), np.arange(10.0, 150.0, step), 100)
    pattern.intensity[150] = 500
    assert signal(pattern) < LEAST_SIGNAL


@pytest.mark.parametrize(("level", "height"), [(0.1, 10), (1, 10), (100, 60), (1000, 200)])
@pytest.mark.parametrize("step", [0.05, 0.1])
def test_weak_peaks_are_clear(level, height, step):
    pattern = measurement(1.5, step)
    expected = level + height * pattern.intensity / pattern.intensity.max()
    counts = counted(np.random.default_rng(0), pattern.two_theta, expected)
    assert signal(counts) > LEAST_SIGNAL


@pytest.mark.parametrize("factor", [1.0, 0.37, 0.0123])
def test_padding_by_zeros_hides_no_peaks(factor):
    pattern = measurement(1.5, 0.1)
    expected = 400 + 200 * pattern.intensity / pattern.intensity.max()
    counts = counted(np.random.default_rng(0), pattern.two_theta, expected)
    counts.intensity *= factor
    counts.intensity[:5] = 0
    assert signal(counts) > LEAST_SIGNAL


def test_strong_peaks_are_clear_in_coarse_steps():
    pattern = measurement(1.5, 0.3)
    expected = 10 + 1000 * pattern.intensity / pattern.intensity.max()
    counts = counted(np.random.default_rng(0), pattern.two_theta, expected)
    assert signal(counts) > LEAST_SIGNAL


def test_a_flat_line_is_refused():
    flat = SimpleNamespace(two_theta=WORKING, intensity=np.full(len(WORKING), 7.0))
    with pytest.raises(InputError, match="higher than the background"):
        prepare(flat, 1.5, GRIDS["log_d"])


def test_too_narrow_a_range_is_refused():
    narrow = SimpleNamespace(two_theta=WORKING[:200], intensity=np.arange(200.0))
    with pytest.raises(InputError, match="wider range"):
        prepare(narrow, 1.5, GRIDS["log_d"])


def test_what_lies_outside_the_working_grid_is_left_out_and_told():
    angles = 0.5 + 0.1 * np.arange(1750)
    pattern = SimpleNamespace(two_theta=angles, intensity=1 + np.sin(angles) ** 8)
    assert prepare(pattern, 1.5, GRIDS["log_d"]).notes == (
        "what lies outside 2 to 168 degrees is left out",
    )
