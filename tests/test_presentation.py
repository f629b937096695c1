from dataclasses import replace

import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax.grids import GRIDS
from sgan_jax.measured import read_pattern
from sgan_jax.presentation import (
    LEAST_SIGNAL,
    Terms,
    present,
    present_file,
    present_files,
)
from tests.fixed_classifier import pattern_text

TERMS = Terms(("inverse_d",), frozenset({"neutron"}), 1.54, "neutron")
NOTHING_GIVEN = replace(TERMS, wavelength=None, radiation=None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pattern.xye"
    path.write_text(pattern_text())
    return str(path)


@pytest.fixture
def pattern(file):
    return read_pattern(file)


def test_a_pattern_becomes_what_the_networks_see(file):
    shown = present_file(file, replace(TERMS, grids=("inverse_d", "log_d")))
    assert shown.error is None
    assert (shown.file, shown.wavelength, shown.radiation) == (file, 1.54, "neutron")
    assert set(shown.inputs) == {"inverse_d", "log_d"}
    for axis, seen in shown.inputs.items():
        assert seen.shape == GRIDS[axis].centres.shape
        assert seen.max() == 1
        np.testing.assert_array_equal(seen, shown.stages[axis].network_input)


def test_what_is_sent_between_processes_has_no_stages(file):
    (shown,) = present_files([file], TERMS, keep_stages=False, many=False)
    assert not shown.stages
    assert shown.inputs
    (shown,) = present_files([file], TERMS, keep_stages=True, many=False)
    assert shown.stages


@pytest.mark.parametrize(
    ("wavelength", "radiation", "words"),
    [
        (None, "neutron", "give --wavelength=1.5403, with the true value"),
        (1.54, None, "give --radiation=neutron, with the true value"),
        (None, None, "give --wavelength=1.5403 and --radiation=neutron, with"),
    ],
)
def test_nothing_is_guessed(pattern, wavelength, radiation, words):
    shown = present(pattern, replace(TERMS, wavelength=wavelength, radiation=radiation))
    assert words in shown.error
    assert shown.mistake
    assert not shown.inputs


def test_what_the_file_states_is_used(pattern):
    shown = present(replace(pattern, wavelength=2.4, radiation="neutron"), NOTHING_GIVEN)
    assert (shown.wavelength, shown.radiation, shown.error) == (2.4, "neutron", None)


def test_a_guessed_wavelength_is_a_doubt(pattern):
    guessed = replace(pattern, wavelength=1.909, wavelength_guessed=True)
    terms = replace(TERMS, wavelength=None)
    assert present(guessed, terms).doubts == ("the wavelength 1.909 Å is guessed from the title",)
    assert present(guessed, replace(TERMS, wavelength=1.91)).doubts == ()
    (doubt,) = present(guessed, TERMS).doubts
    assert doubt == "taken with the given 1.54 Å, while the title suggests 1.909 Å"


def test_a_length_in_the_title_is_mentioned(pattern):
    shown = present(replace(pattern, length=1.909), replace(TERMS, wavelength=None))
    assert shown.mistake
    assert shown.error.endswith(
        "it mentions 1.909 Å: if that is the wavelength, --wavelength=1.909"
    )


def test_a_failing_preparation_is_a_mistake(pattern):
    shown = present(replace(pattern, intensity=pattern.intensity[:-5]), TERMS)
    assert "unexpected failure" in shown.error
    assert shown.mistake


@pytest.mark.parametrize(("end", "is_doubt"), [(55.0, False), (75.0, True)])
def test_wide_gaps_are_a_doubt_and_others_a_note(pattern, end, is_doubt):
    kept = (pattern.two_theta < 50) | (pattern.two_theta > end)
    cut = replace(pattern, two_theta=pattern.two_theta[kept], intensity=pattern.intensity[kept])
    shown = present(cut, TERMS)
    gaps = f"gaps are {100 * (end - 50) / 119.9:.0f} % of the measured range"
    assert (shown.doubts, shown.notes) == (((gaps,), ()) if is_doubt else ((), (gaps,)))


def test_what_is_given_goes_before_what_the_file_states(pattern):
    shown = present(replace(pattern, wavelength=1.545, radiation="neutron"), TERMS)
    assert shown.wavelength == 1.54
    assert not shown.doubts
    shown = present(replace(pattern, wavelength=1.6, radiation="xray"), TERMS)
    assert (shown.wavelength, shown.radiation) == (1.54, "neutron")
    assert shown.doubts == (
        "taken with the given 1.54 Å, while the file states 1.6 Å",
        "taken for neutrons as given, while the file says X-rays",
    )


@pytest.mark.parametrize("wavelength", [None, 1.54])
def test_without_a_model_for_x_rays_they_get_no_answer(pattern, wavelength):
    x_rays = replace(pattern, radiation="xray", wavelength=wavelength)
    shown = present(x_rays, NOTHING_GIVEN)
    assert shown.error == "no model trained for X-rays"
    assert not shown.mistake
    assert shown.radiation == "xray"


def test_too_short_a_range_gets_no_answer(pattern):
    shown = present(pattern, replace(TERMS, wavelength=9.0))
    assert "% of the range that the networks look at was measured" in shown.error
    assert not shown.mistake
    assert shown.stages  # which can be drawn


def test_a_cut_range_is_a_doubt(tmp_path):
    path = tmp_path / "pattern.xye"
    path.write_text(pattern_text(end=70.0))
    (doubt,) = present_file(str(path), replace(TERMS, wavelength=1.9)).doubts
    assert doubt.startswith("only 56 %")


@pytest.mark.parametrize("end", [60.0, 130.0])
def test_noise_gets_no_answer(tmp_path, end):
    path = tmp_path / "noise.xye"
    path.write_text(pattern_text(peaks=0, end=end))
    shown = present_file(str(path), replace(TERMS, wavelength=1.2))
    assert shown.error.startswith("no clear peaks: the clearest rises by ")
    assert shown.stages["inverse_d"].signal < LEAST_SIGNAL


@pytest.mark.parametrize("wavelength", [1.2, 2.4])
def test_a_liquid_gets_no_answer(tmp_path, wavelength):
    angles = np.arange(5.0, 150.0, 0.1)
    q = 4 * np.pi * np.sin(np.radians(angles / 2)) / wavelength
    hump = 1.5 * np.exp(-(((q - 2.0) / 0.35) ** 2)) + 0.5 * np.exp(-(((q - 3.7) / 0.6) ** 2))
    counts = np.random.default_rng(0).poisson(50_000 * (1 + hump))
    path = tmp_path / "liquid.xy"
    path.write_text("".join(f"{x:.1f} {y}\n" for x, y in zip(angles, counts, strict=True)))
    shown = present_file(str(path), replace(TERMS, wavelength=wavelength))
    assert shown.error == "no sharp peaks: only humps, as of a liquid or a glass"


def test_a_flat_line_gets_no_answer(tmp_path):
    path = tmp_path / "flat.xye"
    path.write_text("".join(f"{10 + i / 10:.1f} 7 1\n" for i in range(1200)))
    shown = present_file(str(path), TERMS)
    assert shown.error
    assert not shown.mistake


def test_bad_files_have_a_reason(tmp_path):
    shown = present_file(str(tmp_path / "nothing.xye"), TERMS)
    assert shown.error.startswith(f"{tmp_path / 'nothing.xye'}: no such file")
    assert shown.mistake
    (tmp_path / "text.xye").write_text("no numbers at all\n")
    assert present_file(str(tmp_path / "text.xye"), TERMS).mistake


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"wavelength": 0.0}, "wavelength 0: give Å, up to 20"),
        ({"wavelength": float("nan")}, "wavelength nan"),
        ({"radiation": "electron"}, "radiation 'electron': choose neutron or xray"),
    ],
)
def test_impossible_terms(fields, words):
    with pytest.raises(InputError, match=words):
        replace(TERMS, **fields)
