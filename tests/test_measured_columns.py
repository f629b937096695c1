import numpy as np
import pytest

from sgan_jax.measured import InputError, read_pattern

X = np.arange(10, 40, 0.1)
Y = np.round(100 + 50 * np.sin(X), 1)
SIGMA = np.arange(len(X)) % 7 + 1.0


def _read(tmp_path, text, name="pattern.xy"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_pattern(path)


def _rows(form, *more):
    return "\n".join(form.format(*row) for row in zip(X, Y, *more, strict=True)) + "\n"


def _check(pattern, sigma=None):
    np.testing.assert_allclose(pattern.two_theta, X, rtol=1e-6)
    np.testing.assert_allclose(pattern.intensity, Y, rtol=1e-6)
    assert (pattern.sigma is None) == (sigma is None)
    if sigma is not None:
        np.testing.assert_allclose(pattern.sigma, sigma)


@pytest.mark.parametrize(
    "text",
    [
        _rows("{:.2f} {:.1f}"),
        _rows("  {:8.2f}{:10.1f}  "),
        _rows("{:.2f}\t{:.1f}"),
        _rows("{:.2f},{:.1f}"),
        _rows("{:.2f}, {:.1f}"),
        _rows("{:.2f} , {:.1f}"),
        _rows('"{:.2f}","{:.1f}"'),
        _rows("{:.2f};{:.1f}"),
        _rows("{:.2f};{:.1f};"),
        _rows("{:.2f};{:.1f}").replace(".", ","),
        _rows("{:.2f} {:.1f}").replace(".", ","),
        _rows("{:.2f}\t{:.1f}").replace(".", ","),
        _rows("{:.2f} {:.1f}").replace("\n", "\r\n"),
        _rows("{:.2f} {:.1f}").replace("\n", "\r"),
        _rows("{:.2f} {:.1f}").rstrip("\n"),
        _rows("{:.2f} {:.1f}") + "\n\n\x1a",
        _rows("{:.2f} {:.1f}").replace("\n", "\n\n"),
        _rows("{:.2f} {:.1f}").replace("\n", "\n# comment\n", 5),
        _rows("{:.2f} {:.1f}").replace("\n", "  ! remark\n"),
        _rows("{:+.5e} {:+.5e}"),
        _rows("{:.5e} {:.5e}").replace("e", "D"),
        "# title\n! more\n' topas\n/ slash\n% percent\n; semicolon\n" + _rows("{:.2f} {:.1f}"),
        "Energy calibration\n" + _rows("{:.2f} {:.1f}"),
        "title of words\n2theta counts\n" + _rows("{:.2f} {:.1f}"),
        "index,2theta,y_obs,y_calc\n"
        + "\n".join(f"{i},{x:.2f},{y:.1f},0" for i, (x, y) in enumerate(zip(X, Y, strict=True))),
        "2theta,ycalc,yobs\n" + _rows("{0:.2f},1.5,{1:.1f}"),
        "Angle;Counts\n" + _rows("{:.2f};{:.1f}").replace(".", ","),
        _rows("{:.2f} {:.1f} -1"),
        _rows("{:.2f} {:.1f} 3 4 5"),
    ],
)
def test_styles(tmp_path, text):
    _check(_read(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        _rows("{:.2f} {:.1f} {:.1f}", SIGMA),
        "2theta,intensity,esd\n" + _rows("{:.2f},{:.1f},{:.1f}", SIGMA),
        "sigma(I)\tI\t2theta\n" + _rows("{2:.1f}\t{1:.1f}\t{0:.2f}", SIGMA),
        "Two Theta,Counts,Background,Error\n" + _rows("{:.2f},{:.1f},7,{:.1f}", SIGMA),
    ],
)
def test_uncertainties(tmp_path, text):
    _check(_read(tmp_path, text), SIGMA)


@pytest.mark.parametrize(
    ("header", "wavelength", "radiation"),
    [
        ("# Lambda: 1.2272 angstroms", 1.2272, None),
        ("! wavelength = 1.54 A, neutron", 1.54, "neutron"),
        ("# Wavelength (Å): 1,5406 X-ray", 1.5406, "xray"),
        ("# wavelength 0.15406 nm", 1.5406, None),
        ("' λ = 2.41 Å neutrons", 2.41, "neutron"),
        ("# K-Alpha1 wavelength: 1.54060\n# K-Alpha2 wavelength: 1.54443", 1.5406, None),
        ("# CuKa1 radiation", None, "xray"),
        ("# K-Alpha1 (Å) = 1.54060", 1.5406, None),
        ("# Cu K-Alpha1, slit 0.60 mm, step 0.01 deg", None, "xray"),
        ("# wavelengths: wavelength 1.54, wavelength 2.4", None, None),
        ("# PbSO4 1.909A data", None, None),
        ("# a=5.431 A", None, None),
        ("# wavelength of 1.54 A", 1.54, None),
        ("# WL=1.54", 1.54, None),
        ("# 1.909 A and 2.345 A", None, None),
        ("# lambda unknown, 300 K, neutron or x-ray", None, None),
        ("# wavelength 99.5", None, None),
        ("# slit 1.5 mm, file 1.5406", None, None),
    ],
)
def test_header(tmp_path, header, wavelength, radiation):
    pattern = _read(tmp_path, f"{header}\n{_rows('{:.2f} {:.1f}')}")
    assert pattern.wavelength == pytest.approx(wavelength)
    assert pattern.radiation == radiation


@pytest.mark.parametrize(
    ("header", "guess", "hint"),
    [
        ("# PbSO4 1.909A neutron data", 1.909, None),
        ("# PbSO4 1.909 Å wavelength", 1.909, None),
        ("# Si a = 5.4310 Å, neutrons, 1.909 Å\n", None, None),
        ("# neutrons of 1.909 Å, Si a = 5.4310 Å\n", 1.909, None),
        ("# PbSO4 1.909A data", None, 1.909),
        ("# PbSO4 1.909A neutron and X-ray data", None, 1.909),
        ("# Si a = 5.4310 Å", None, None),
        ("# Si a = 1.4310 Å neutrons", None, None),
        ("# Ge monochromator d = 3.2664 A, neutrons", None, None),
        ("# Ge 3.2664 A, neutrons", None, 3.2664),
        ("# neutrons, cubic cell 2.4310 Å", None, None),
        ("# neutrons, lattice spacing 1.4310 Å", None, None),
        ("# neutrons of 1.909 A and 2.345 A", None, None),
    ],
)
def test_a_bare_length_is_a_guess_or_a_hint(tmp_path, header, guess, hint):
    pattern = _read(tmp_path, f"{header}\n{_rows('{:.2f} {:.1f}')}")
    assert (pattern.wavelength, pattern.length) == (guess, hint)
    assert pattern.wavelength_guessed == (guess is not None)


def test_points_without_weight_are_left_out(tmp_path):
    rows = [f"{x:.2f} {y:.1f} 2" for x, y in zip(X, Y, strict=True)]
    for index in range(100, 120):
        rows[index] = rows[index][:-1] + ("inf" if index % 2 else "nan")
    pattern = _read(tmp_path, "\n".join(rows))
    assert pattern.notes == ("20 points with zero or no uncertainty left out.",)
    assert not ((pattern.two_theta > 19.95) & (pattern.two_theta < 21.95)).any()
    assert set(pattern.sigma) == {2}


def test_repairs_are_noted(tmp_path):
    rows = [f"{x:.2f} {y:.1f} 2" for x, y in zip(X, Y, strict=True)]
    rows[7] = "10.70 NaN 2"
    rows[9] = "10.90 ? 2"
    rows[20] = rows[20][:-1] + "0"
    rows.insert(31, "13.00 200 2")
    rows = ["-1.0 5 2", "0 4 2", *rows]
    pattern = _read(tmp_path, "\n".join(reversed(rows)))
    assert pattern.notes == (
        "2 points without an intensity left out.",
        "1 point with zero or no uncertainty left out.",
        "The angles were descending.",
        "2 points at 2θ ≤ 0 left out.",
        "1 point at the angle of the point before merged with it.",
    )
    assert len(pattern.two_theta) == len(X) - 3
    place = int(np.searchsorted(pattern.two_theta, 12.999))
    assert pattern.intensity[place] == pytest.approx((Y[30] + 200) / 2)
    assert pattern.sigma[place] == pytest.approx(2 / np.sqrt(2))


def test_uncertainties_that_are_all_zero_are_none(tmp_path):
    pattern = _read(tmp_path, _rows("{:.2f} {:.1f} 0"))
    assert pattern.sigma is None
    assert pattern.notes == ("No point has an uncertainty.",)


def test_zero_and_negative_counts_are_kept(tmp_path):
    pattern = _read(tmp_path, "\n".join(f"{x:.2f} {i % 3 - 1}" for i, x in enumerate(X)))
    assert set(pattern.intensity) == {-1, 0, 1}


def test_irregular_steps(tmp_path):
    x = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.3, 200)) + 5
    pattern = _read(tmp_path, "\n".join(f"{value:.4f} 1" for value in x))
    np.testing.assert_allclose(pattern.two_theta, x, atol=1e-4)


def test_fxye_without_a_bank_is_in_centidegrees(tmp_path):
    text = "\n".join(f"{100 * x:.1f} {y:.1f} 2" for x, y in zip(X, Y, strict=True))
    pattern = _read(tmp_path, text, "pattern.fxye")
    np.testing.assert_allclose(pattern.two_theta, X)


def test_fxye_without_a_bank_may_be_in_degrees(tmp_path):
    pattern = _read(tmp_path, _rows("{:.2f} {:.1f} 2"), "pattern.fxye")
    assert pattern.two_theta[0] == X[0]
    assert "its angles are degrees" in pattern.notes[0]


def test_fit2d(tmp_path):
    rows = _rows("{:.2f} {:.1f}")
    _check(_read(tmp_path, f"title\n2-Theta Angle (Degrees)\nIntensity\n  300\n{rows}"))
    with pytest.raises(InputError, match="its first column is a momentum transfer"):
        _read(tmp_path, f"title\nQ (Inverse Nanometres)\nIntensity\n  300\n{rows}")


def test_factors_of_fullprof(tmp_path):
    header = "XYDATA\nINTER  0.01  10.0  0  0.1\nTEMP 300\n"
    text = header + "".join(f"{100 * x:.1f} {y:.2f} 2\n" for x, y in zip(X, Y / 10, strict=True))
    _check(_read(tmp_path, text), np.full(len(X), 20.0))


def _broken(line, new):
    rows = _rows("{:.2f} {:.1f}").splitlines()
    rows[line - 1] = new
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; give a file"),
        ("\n \n", "the file is empty; give a file"),
        ("words only\nand more\n", "no columns of numbers were found; give lines of 2θ"),
        ("1\n2\n3\n", "no columns of numbers were found; give lines of 2θ"),
        ("10 1\n11 2\n", "2 points, fewer than 50; give a whole pattern"),
        (_broken(100, "19.90"), "line 100: 1 words where the lines before have 2; complete"),
        (_broken(100, "19.90 5 6"), "line 100: 3 words where the lines before have 2; complete"),
        (_broken(100, "19.90 5a"), "line 100: '5a' is no number; correct or delete it"),
        (_broken(100, "19.90 5_0"), "line 100: '5_0' is no number; correct or delete it"),
        (_broken(100, "19.90 1e16"), "line 100: an intensity of 1e\\+16; give counts"),
        (_broken(100, "? 5"), "line 100: an angle is missing; complete the line"),
        (_broken(100, "nan 5"), "line 100: an angle is missing; complete the line"),
        (_broken(100, "2.0 5"), "line 100: 2θ goes back from 19.8° to 2°; give one scan"),
        (_broken(300, "200 5"), "line 300: the first column reaches 200, .*; give 2θ in degrees"),
        (_rows("{:.2f} ?"), "300 of 300 intensities are missing"),
        (_rows("5.00 {1:.1f}"), "299 angles occur more than once; give angles with more digits"),
        (_rows("{:.2f} 1,2{:.1f}"), "commas within numbers that have points too; leave"),
        ("\n".join(f"{i},5,{i},0" for i in range(10, 99)), "commas that can separate"),
        ("# TOF pattern\n" + _rows("{:.2f} {:.1f}"), "a time-of-flight pattern; give a constant"),
        ("Q (1/A)  I\n" + _rows("{:.2f} {:.1f}"), "its first column is a momentum transfer"),
        ("d,I\n" + _rows("{:.2f},{:.1f}"), "its first column is a d-spacing; give"),
        ("theta  I\n" + _rows("{:.2f} {:.1f}"), "its first column is θ, not 2θ; give"),
        (
            "\n".join(f"{1000 + 9 * i} 5" for i in range(99)),
            "line 1: the first column reaches 1000, .* but perhaps a time of flight; give 2θ",
        ),
        ("2theta,I,B,esd\n" + _rows("{:.2f},{:.1f},0,-1"), "line 2: an uncertainty of -1; give"),
        (b"\x00\x01\x02\x03" * 100, "a binary file of an unknown format; export the pattern"),
    ],
)
def test_bad_columns(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text)
    assert str(tmp_path / "pattern.xy") in str(caught.value)
