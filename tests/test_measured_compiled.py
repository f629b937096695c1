import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgan_jax.measured import read_pattern
from sgan_jax.measured.compiled import table_of
from sgan_jax.preparation import background
from tests.fixed_classifier import pattern_text

WORDS = st.one_of(
    st.floats(-1e6, 1e6).map("{:.7g}".format),
    st.floats(-1e13, 1e13).map("{:.3f}".format),
    st.integers(-(10**16), 10**16).map(str),
    st.from_regex(r"[-+]?[0-9]{0,17}\.?[0-9]{0,25}", fullmatch=True),
    st.text("0123456789.-+e ", max_size=8),
)


@settings(deadline=None)  # compiled on the first call
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_numbers_are_what_python_makes_of_them(rows):
    text = "".join(f" {first}\t{second} \r\n" for first, second in rows)
    values = table_of(text, 2)
    if values is not None:
        expected = np.array([[float(word) for word in line.split()] for line in text.splitlines()])
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_array_equal(np.signbit(values), np.signbit(expected))


def test_usual_numbers_are_read():
    found = table_of("1 2.50\n  -0.125\t+7.\n.5 00012345678901.2345\n", 2)
    np.testing.assert_array_equal(found, [[1, 2.5], [-0.125, 7], [0.5, 12345678901.2345]])


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n3\n", "1 2 3\n", "1 2\n\n3 4\n", "1 2", "1 .\n", "1 -\n", "1-2 3\n", "1e5 3\n",
        "1,5 3\n", "1 2 # 3\n", "1 nan\n", "1 1234567890123456\n", "1 1.2.3\n", "1 ٣\n",
        "1 0.00000000000000000000001\n",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_others(text):
    assert table_of(text, 2) is None


@pytest.mark.parametrize("points", [60, 161, 3000])
def test_backgrounds_are_the_same(points):
    rng = np.random.default_rng(points)
    intensity = rng.poisson(100 + 2000 * rng.random(points) ** 20).astype(np.float64)
    np.testing.assert_array_equal(background(intensity, many=True), background(intensity))


@pytest.mark.parametrize(
    "head", ["", "# 2theta counts\n", "two_theta intensity bkg\n", "title\n\n", "! λ = 1.54 Å\n"]
)
@pytest.mark.parametrize("change", [("", ""), (" ", ";"), (".", ","), ("\n", "\n\n"), ("1", "1 ")])
def test_files_are_read_alike(tmp_path, head, change):
    path = tmp_path / "pattern.xye"
    path.write_text(head + pattern_text().replace(*change))
    try:
        one = read_pattern(path)
    except Exception as error:
        with pytest.raises(type(error), match="pattern"):
            read_pattern(path, many=True)
        return
    many = read_pattern(path, many=True)
    for name in ("two_theta", "intensity", "sigma"):
        np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
    assert (many.notes, many.wavelength, many.format) == (one.notes, one.wavelength, one.format)
