import numpy as np
import pytest

from benchmarks.pattern_samples import SAMPLES, example
from sgan_jax.measured import InputError, read_patterns

POINTS = example(203)  # not a multiple of ten: the last record is short


def _text(kind):
    return SAMPLES[f"INSTRM={kind}"].write(POINTS).decode()


def _read(tmp_path, text):
    path = tmp_path / "pattern.dat"
    path.write_text(text)
    return read_patterns(path)


@pytest.mark.parametrize("kind", [0, 1, 3, 5, 6, 8])
def test_formats_are_told_apart(tmp_path, kind):
    (pattern,) = _read(tmp_path, _text(kind))
    assert pattern.format == f"FullProf INSTRM={kind}"
    np.testing.assert_allclose(pattern.two_theta, POINTS.two_theta)
    np.testing.assert_array_equal(pattern.intensity, POINTS.counts)


def test_range_in_fields_that_touch(tmp_path):
    text = _text(0).split("\n", 1)[1]
    (pattern,) = _read(tmp_path, f"  8.0000  0.1000 28.2000\n{text}")
    assert pattern.two_theta[-1] == pytest.approx(28.2)
    touching = f"130.0000  0.0500140.1000\n{text}"
    assert _read(tmp_path, touching)[0].two_theta[0] == pytest.approx(130)


def test_last_line_may_be_filled(tmp_path):
    rows = [" ".join(["7"] * 10)] * 21
    (pattern,) = _read(tmp_path, "8.0 0.1 28.2 title\n" + "\n".join(rows))
    assert len(pattern.two_theta) == 203
    with pytest.raises(InputError, match="line 13: 11 numbers where the lines before have 10"):
        _read(tmp_path, "8.0 0.1 28.2 title\n" + "\n".join([*rows[:11], "7 " * 11, *rows[12:]]))


def test_numbers_that_touch(tmp_path):
    text = _text(5).replace(f"{POINTS.counts[1]:8.1f}", "123456.7", 1)
    (pattern,) = _read(tmp_path, text)
    assert pattern.intensity[1] == 123456.7


def test_time_of_flight_is_named(tmp_path):
    body = _text(0).split("\n", 1)[1]
    with pytest.raises(InputError, match="line 1: a range that ends at 3010: no 2θ, but perhaps"):
        _read(tmp_path, f"2000 5 3010\n{body}")


@pytest.mark.parametrize("limits", ["1 1e-300 9e99", "1 1 1e999", "8.0 1D-400 28.2", "nan 1 5"])
def test_impossible_ranges(tmp_path, limits):
    body = _text(0).split("\n", 1)[1]
    with pytest.raises(InputError, match="; complete the line"):
        _read(tmp_path, f"{limits}\n{body}")


def test_titles_above_the_range(tmp_path):
    (pattern,) = _read(tmp_path, "! a comment\n! wavelength = 2.4 A\nneutrons\n" + _text(0))
    assert (pattern.wavelength, pattern.radiation) == (2.4, "neutron")


def test_monitors_scale_the_variance(tmp_path):
    text = _text(6).replace("  34000.      0.", "  12000.   3000.")
    (pattern,) = _read(tmp_path, text)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(4 * POINTS.counts))


def test_detectors_divide_the_variance(tmp_path):
    text = "\n".join(line.replace(" 1 ", " 2 ") for line in _text(6).split("\n"))
    (pattern,) = _read(tmp_path, text)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(POINTS.counts / 2))


def test_spectra_of_one_file(tmp_path):
    one = _text(3).removesuffix("  -10000\n")
    patterns = _read(tmp_path, one + one + "  -10000\n")
    assert [pattern.block for pattern in patterns] == ["spectrum 1", "spectrum 2"]


def test_without_uncertainties(tmp_path):
    for kind, header in ((5, 5), (8, 3)):
        text = "\n".join(_text(kind).splitlines()[: header + 21])
        text = text.replace("100.0    1  ", "100.0    0  ")
        (pattern,) = _read(tmp_path, text)
        assert pattern.sigma is None


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        (0, "28.2000", "28.3000", "203 numbers where its header gives 204; export"),
        (0, "28.2000", "27.0000", "line 26: more than the 191 numbers"),
        (1, "28.2000", "29.2000", "fewer than the 213 points"),
        (3, " 203\n", " 202\n", "203 points where its header gives 202"),
        (3, "   -1000\n", "", "no -1000 behind the last count: the file breaks off"),
        (5, "   203  -1.000", "   204  -1.000", "line 4: 204 points, but its range has 203"),
        (5, "28.2000", "28.3000", "line 4: 203 points, but its range has 204"),
        (6, "   -1000\n", "", "no -1000 behind the last count: the file breaks off"),
        (6, "  0.1000      20", " 99.0000      20", "line 2: a start of 8° and a step of 99°"),
        (6, "   -1000\n", "   -1000\n 1   220\n", "line 27: more than the 203 numbers"),
        (8, "28.2000", "28.3000", "line 24: 3 numbers where the lines before have 10"),
    ],
)
def test_headers_are_held_against_the_counts(tmp_path, kind, old, new, message):
    text = _text(kind)
    assert text.count(old) == 1
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text.replace(old, new))


@pytest.mark.parametrize("kind", [1, 3, 6])
def test_a_lost_character_is_found(tmp_path, kind):
    lines = _text(kind).splitlines()
    lines[9] = lines[9][1:]
    with pytest.raises(InputError, match="; export the file again"):
        _read(tmp_path, "\n".join(lines))
