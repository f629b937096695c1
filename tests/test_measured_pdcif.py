import numpy as np
import pytest

from sgan_jax.measured import InputError, read_patterns

X = np.arange(10, 40, 0.25)
Y = np.round(500 + 100 * np.cos(X))


def _loop(tags, form="{:.2f} {:.0f}", x=X, y=Y):
    rows = "".join(form.format(a, b) + "\n" for a, b in zip(x, y, strict=True))
    return "loop_\n" + "".join(f"{tag}\n" for tag in tags) + rows


def _read(tmp_path, text):
    path = tmp_path / "pattern.cif"
    path.write_text(text)
    return read_patterns(path)


@pytest.mark.parametrize("x", ["_pd_meas_2theta_scan", "_pd_proc.2theta_corrected"])
@pytest.mark.parametrize(
    "y",
    [
        "_pd_meas_counts_total",
        "_pd_meas.intensity_total",
        "_pd_proc_intensity_total",
        "_pd_proc.intensity_net",
    ],
)
def test_columns(tmp_path, x, y):
    (pattern,) = _read(tmp_path, f"# comment\ndata_a\n{_loop((x, y))}")
    np.testing.assert_allclose(pattern.two_theta, X)
    np.testing.assert_array_equal(pattern.intensity, Y)
    assert pattern.sigma is None
    assert ("net" in y) == bool(pattern.notes)


def test_brackets_missing_values_and_background(tmp_path):
    tags = ("_pd_meas_2theta_scan", "_pd_meas_intensity_total", "_pd_proc_intensity_bkg_calc")
    text = "data_a\n" + _loop(tags, "{:.2f} {:.0f}.5(12) 400")
    text = text.replace("\n10.50 ", "\n10.50 ? 1 #")
    (pattern,) = _read(tmp_path, text)
    assert len(pattern.two_theta) == len(X) - 1
    np.testing.assert_allclose(pattern.sigma, 1.2)
    assert set(pattern.background) == {400}
    assert pattern.notes == ("1 point without an intensity left out.",)


def test_range_of_processed_and_measured_points(tmp_path):
    ranges = "".join(
        f"_pd_{kind}_2theta_range_{end} {value}\n"
        for kind, shift in (("meas", 0), ("proc", 0.5))
        for end, value in (("min", 10 + shift), ("max", 39.75 + shift), ("inc", 0.25))
    )
    for kind, first in (("meas", 10), ("proc", 10.5)):
        text = f"data_a\n{ranges}" + _loop((f"_pd_{kind}_intensity_total",), "{1:.0f}")
        assert _read(tmp_path, text)[0].two_theta[0] == pytest.approx(first)


@pytest.mark.parametrize(
    ("items", "wavelength", "radiation"),
    [
        ("_diffrn_radiation_wavelength 1.5(2)\n_diffrn_radiation_probe neutron", 1.5, "neutron"),
        ("_diffrn_radiation_wavelength.wavelength 2.4\n_diffrn_radiation.probe x-ray", 2.4, "xray"),
        ("_diffrn_radiation_type 'Cu K\\a'", None, "xray"),
        ("_diffrn_radiation_type neutron\n_diffrn_radiation_wavelength ?", None, "neutron"),
        (
            "loop_\n_diffrn_radiation_wavelength_id\n_diffrn_radiation_wavelength\n"
            "1 1.54056\n2 1.54439",
            1.54056,
            None,
        ),
    ],
)  # fmt: skip
def test_radiation(tmp_path, items, wavelength, radiation):
    loop = _loop(("_pd_meas_2theta_scan", "_pd_meas_counts_total"))
    (pattern,) = _read(tmp_path, f"data_a\n{items}\n{loop}")
    assert (pattern.wavelength, pattern.radiation) == (wavelength, radiation)


def test_several_wavelengths_are_none(tmp_path):
    loop = _loop(("_pd_meas_2theta_scan", "_pd_meas_counts_total"))
    items = "loop_\n_diffrn_radiation_wavelength\n1.5\n2.4\n"
    (pattern,) = _read(tmp_path, f"data_a\n{items}{loop}")
    assert pattern.wavelength is None
    assert pattern.notes == ("The CIF has several wavelengths; none was taken.",)


def test_blocks(tmp_path):
    loop = _loop(("_pd_meas_2theta_scan", "_pd_meas_counts_total"))
    head = "data_publ\n_diffrn_radiation_wavelength 1.8\n"
    patterns = _read(
        tmp_path, f"{head}data_one\n{loop}data_two\n{loop}data_three\n_cell_length_a 3"
    )
    assert [pattern.block for pattern in patterns] == ["one", "two"]
    assert [pattern.wavelength for pattern in patterns] == [1.8, 1.8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_a\n_cell_length_a 3\n", "a CIF without powder intensities; give a CIF"),
        (
            "data_a\n" + _loop(("_pd_proc_2theta_corrected", "_pd_calc_intensity_total")),
            "a CIF with calculated intensities only; give a CIF with measured",
        ),
        (
            "data_a\n" + _loop(("_pd_meas_time_of_flight", "_pd_meas_counts_total")),
            "a time-of-flight pattern; give a constant-wavelength pattern",
        ),
        (
            "data_a\n" + _loop(("_pd_proc_d_spacing", "_pd_meas_counts_total")),
            "a pattern over another quantity than 2θ; give",
        ),
        (
            "data_a\n" + _loop(("_x", "_pd_meas_counts_total")),
            "no column or range of 2θ for its 120 intensities; give",
        ),
        (
            "data_a\n_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 40\n"
            "_pd_meas_2theta_range_inc 0.25\n" + _loop(("_pd_meas_counts_total",), "{1}"),
            "2θ from 10 to 40° in steps of 0.25° are not 120 points; correct",
        ),
        ("data_a\n_b 'c\n", "line 2: no CIF: .*; correct the syntax"),
        (
            "data_a\n" + _loop(("_pd_meas_2theta_scan", "_pd_meas_counts_total"), "{:.2f} {:.0f}x"),
            "'4.*x' is no number; correct or delete it",
        ),
    ],
)  # fmt: skip
def test_bad_cifs(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text)
