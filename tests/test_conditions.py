from dataclasses import replace

import numpy as np
import pytest

from data_gen.conditions import conditions, powder_conditions, reaching_in
from data_gen.instrument import instrument
from data_gen.sample import IDEAL, Sample


def test_rows_repeat_the_instrument():
    chosen = instrument("cu_kalpha")
    rows = conditions(chosen, IDEAL, 3)
    assert len(rows) == 3
    for name in ("wavelength", "wavelength_2", "ratio_2", "u", "v", "w", "eta", "s_l", "h_l"):
        np.testing.assert_array_equal(rows[name], getattr(chosen, name))
    assert (rows["two_theta_min"][0], rows["two_theta_max"][0]) == (5.0, 126.6)


def test_neutrons_are_not_polarised_and_monochromators_polarise():
    assert conditions(instrument("d20"), IDEAL)["monochromator"] < 0
    tube = instrument("cu_kalpha")
    assert conditions(tube, IDEAL)["monochromator"] == 1
    graphite = replace(tube, monochromator_two_theta=26.57)
    assert conditions(graphite, IDEAL)["monochromator"] == pytest.approx(0.8, abs=1e-3)


def test_size_and_strain_add_lorentz_widths_to_those_of_the_instrument():
    chosen = replace(instrument("hrpt"), x=0.1, y=0.02)
    row = conditions(chosen, Sample(size=20.0, strain=0.002))[0]
    assert row["x"] == pytest.approx(0.1 + np.degrees(2 * 0.002))
    assert row["y"] == pytest.approx(0.02 + np.degrees(0.9 * 1.494 / 200))


def test_stick_lists_know_orientation_and_motion():
    sample = Sample(preferred_orientation=((1, 0, 2), 0.7), displacements=True)
    row = powder_conditions("neutron", 1.8, (5, 120), sample)[0]
    assert (row["axis_h"], row["axis_k"], row["axis_l"], row["march"]) == (1, 0, 2, 0.7)
    assert row["displacements"]
    assert powder_conditions("neutron", 1.8, (5, 120), IDEAL)[0]["march"] == 1


def test_wide_peaks_reach_in_from_farther_away():
    chosen = instrument("hrpt")
    sharp = reaching_in(conditions(chosen, IDEAL), 40.0, 80.0)[0]
    broad = reaching_in(conditions(chosen, Sample(size=3.0)), 40.0, 80.0)[0]
    assert sharp["two_theta_min"] == pytest.approx(40 - 3 * chosen.fwhm(40.0))
    assert sharp["two_theta_max"] == pytest.approx(80 + 3 * chosen.fwhm(80.0))
    assert broad["two_theta_min"] < sharp["two_theta_min"] - 3
    assert broad["two_theta_max"] > sharp["two_theta_max"] + 3


def test_no_range_leaves_what_can_be_measured():
    rows = conditions(instrument("d20"), Sample(size=1.0, strain=0.09))
    rows["two_theta_min"], rows["two_theta_max"] = 1.0, 179.9
    row = reaching_in(rows, 5.0, 170.0)[0]
    assert (row["two_theta_min"], row["two_theta_max"]) == (2.5, 179.0)
    assert reaching_in(rows, 5.0, 179.5)[0]["two_theta_max"] == 179.5


def test_a_narrower_range_of_its_own_is_kept():
    rows = conditions(instrument("hrpt"), IDEAL, 2)
    rows["two_theta_min"][0], rows["two_theta_max"][0] = 40.0, 80.0
    narrow, whole = reaching_in(rows, 10.0, 150.0)
    alone = reaching_in(rows, 40.0, 80.0)[0]
    assert (narrow["two_theta_min"], narrow["two_theta_max"]) == pytest.approx(
        (alone["two_theta_min"], alone["two_theta_max"])
    )
    assert whole["two_theta_max"] > 150
