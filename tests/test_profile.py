from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.instrument import INSTRUMENTS, instrument
from data_gen.profile import render


def one_peak(two_theta, chosen, intensity=1.0):
    return render(np.array([two_theta]), np.array([intensity]), chosen)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(INSTRUMENTS)),
    st.floats(40, 100),
    st.floats(0, 1),
    st.floats(1e-3, 1e8),
)
def test_the_area_of_a_peak_is_its_intensity(name, two_theta, eta, intensity):
    chosen = replace(instrument(name), eta=eta)
    pattern = one_peak(two_theta, chosen, intensity)
    assert pattern.dtype == np.float32
    assert pattern.sum(dtype=float) * chosen.two_theta_step == pytest.approx(intensity, rel=1e-3)


@settings(deadline=None)
@given(st.floats(20, 120), st.floats(0, 1))
def test_the_shape_is_pseudo_voigt(two_theta, eta):
    chosen = replace(instrument("hrpt"), eta=eta)
    x = (chosen.two_theta - two_theta) / chosen.fwhm(two_theta)
    lorentz = 2 / np.pi / (1 + 4 * x**2) / (2 / np.pi * np.arctan(20))
    gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * x**2)
    shape = (eta * lorentz + (1 - eta) * gauss) / chosen.fwhm(two_theta)
    pattern = one_peak(two_theta, chosen)
    drawn = np.abs(x) < 9.99
    np.testing.assert_allclose(pattern[drawn], shape[drawn], atol=2e-4 * shape.max())
    assert not pattern[np.abs(x) > 10.01].any()


def test_peaks_outside_the_grid_reach_in_with_their_tails():
    chosen = instrument("d1a")
    below = one_peak(chosen.two_theta_min - 0.3, chosen)
    above = one_peak(chosen.two_theta_max + 0.3, chosen)
    assert np.argmax(below) == 0
    assert np.argmax(above) == len(above) - 1
    assert not one_peak(1.0, chosen).any()


def test_only_reflections_that_cannot_be_seen_are_not_drawn():
    chosen = instrument("bt1_ge311")
    pattern = render(np.array([50.0, 100.0]), np.array([1.0, 0.9e-6]), chosen)
    np.testing.assert_array_equal(pattern, one_peak(50.0, chosen))
    pattern = render(np.array([50.0, 100.0]), np.array([1.0, 1.1e-6]), chosen)
    assert np.any(pattern != one_peak(50.0, chosen))


def test_no_reflections_give_a_flat_pattern():
    assert not render(np.empty(0), np.empty(0), instrument("d20")).any()


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="give as many of each"):
        render(np.ones(3), np.ones(2), instrument("d20"))
