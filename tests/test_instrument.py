from dataclasses import replace

import numpy as np
import pytest

from data_gen.errors import InputError
from data_gen.instrument import DEFAULT_INSTRUMENT, INSTRUMENTS, instrument


def test_the_default_grid_is_the_papers():
    grid = instrument(DEFAULT_INSTRUMENT).two_theta
    assert grid.shape == (3041,)
    np.testing.assert_allclose(grid[[0, 1, -1]], [3.0, 3.05, 155.0])


@pytest.mark.parametrize("chosen", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_named_instruments_are_sound(chosen):
    assert chosen.two_theta[-1] == pytest.approx(chosen.two_theta_max)
    assert 0.05 < chosen.fwhm(90.0) < 1.0


def test_the_width_follows_caglioti():
    chosen = instrument("d1a")
    assert chosen.fwhm(90.0) ** 2 == pytest.approx(chosen.u + chosen.v + chosen.w)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wavelength": 0.0}, "wavelength"),
        ({"wavelength": float("nan")}, "wavelength"),
        ({"radiation": "electron"}, "radiation 'electron'"),
        ({"eta": 1.5}, "eta"),
        ({"two_theta_min": 0.0}, "two-theta range"),
        ({"two_theta_max": 200.0}, "two-theta range"),
        ({"two_theta_step": -0.1}, "two-theta range"),
        ({"two_theta_step": 1e-6}, "larger step"),
        ({"two_theta_step": 0.5}, "smaller step"),
        ({"w": -1.0}, "not positive"),
        ({"w": float("nan")}, "not positive"),
    ],
)
def test_impossible_values_are_named(change, message):
    with pytest.raises(InputError, match=message):
        replace(instrument(DEFAULT_INSTRUMENT), **change)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="bt1_ge311, bt1_cu311"):
        instrument("bt2")
