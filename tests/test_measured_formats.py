import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.pattern_samples import SAMPLES, Points, example
from sgan_jax.measured import read_pattern

_CLOSE = {"Fortran": 1e-5}  # six digits after the first


@st.composite
def points(draw):
    count = draw(st.integers(50, 130))
    start, step = draw(st.integers(200, 9000)), draw(st.integers(1, 50))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = rng.integers(0, draw(st.sampled_from([3, 1000, 99_999])), count).astype(float)
    return Points(start / 100, step / 100, counts, rng.integers(1, 99_900, count) / 100)


def _read(tmp_path, name, written):
    path = tmp_path / "pattern"
    path.write_bytes(SAMPLES[name].write(written))
    return read_pattern(path)


@pytest.mark.parametrize("name", SAMPLES)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written=points())
def test_what_was_written_is_read(tmp_path, name, written):
    pattern = _read(tmp_path, name, written)
    close = _CLOSE.get(name, 1e-6)
    np.testing.assert_allclose(pattern.two_theta, written.two_theta, rtol=close)
    np.testing.assert_allclose(pattern.intensity, written.counts, rtol=close)
    if SAMPLES[name].has_sigma:
        assert pattern.sigma is not None
        np.testing.assert_allclose(pattern.sigma, written.sigma, rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("name", SAMPLES)
def test_source_and_background(tmp_path, name):
    pattern = _read(tmp_path, name, example(200))
    sample = SAMPLES[name]
    assert (pattern.wavelength, pattern.radiation) == (sample.wavelength, sample.radiation)
    assert (pattern.background is not None) == (name == "pdCIF range")
    assert (pattern.source, pattern.block) == ("pattern", "")


@pytest.mark.parametrize("name", ["GSAS STD", "INSTRM=1", "INSTRM=3", "INSTRM=6"])
def test_counters_give_uncertainties(tmp_path, name):
    pattern = _read(tmp_path, name, example(200))
    np.testing.assert_allclose(pattern.sigma, np.sqrt(example(200).counts))
