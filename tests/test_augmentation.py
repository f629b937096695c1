"""Simulated measurements, new in every epoch."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from data_gen.crystal import Crystal
from data_gen.instrument import instrument
from data_gen.packing import CrystalTable
from data_gen.simulate import simulate
from sgan_jax.augmentation import compiled
from sgan_jax.augmentation.effects import (
    ALL,
    EFFECTS,
    UNSEEN_WAVELENGTHS,
    Effects,
    draw,
)
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.grids import GRIDS, NOT_MEASURED
from sgan_jax.preparation import FIRST, LENGTH, STEP, prepare

WORKING = FIRST + STEP * np.arange(LENGTH)
NONE = Effects(**dict.fromkeys(EFFECTS, False))
ROWS = np.array([0, 1, 2, 1])


def crystal(setting, cell, *sites):
    species, positions = zip(*sites, strict=True)
    return Crystal(
        cell=np.array(cell, np.float64),
        setting=setting,
        species=species,
        occupancies=np.ones(len(sites)),
        positions=np.array(positions, np.float64),
    )


@pytest.fixture(scope="module")
def crystals():
    return [
        crystal("F 4 2 3", (5.64, 5.64, 5.64, 90, 90, 90), ("Na", (0, 0, 0)), ("Cl", (0.5, 0, 0))),
        crystal(
            "-P 2ac 2n",
            (8.5, 5.4, 7.0, 90, 90, 90),
            ("Pb", (0.19, 0.25, 0.17)),
            ("O", (0.9, 0.25, 0.6)),
        ),
        crystal(
            "-P 1", (5.1, 6.2, 7.3, 80, 95, 100), ("Fe", (0.1, 0.2, 0.3)), ("O", (0.6, 0.4, 0.8))
        ),
    ]


@pytest.fixture(scope="module")
def table(crystals):
    return CrystalTable.of(crystals)


def patterns_of(table, effects=ALL, axis="log_d"):
    everything = np.arange(len(table))
    return AugmentedPatterns(table, everything, GRIDS[axis], effects, "periodictable")


def measurements(count=1, **fields):
    """Rows of an ideal measurement over the whole working grid, but for some fields."""
    rows = np.zeros(count, compiled.MEASUREMENT)
    rows["end"], rows["stride"], rows["wavelength"] = LENGTH, 1, 2.0
    rows["overdispersion"], rows["envelope"] = 1.0, 1.0
    for name, value in fields.items():
        rows[name] = value
    return rows


def measured(patterns, rows, axis="inverse_d", impurities=None):
    """What the compiled code makes of patterns; each has its own second phase if there are any."""
    seen = np.empty((len(patterns), len(GRIDS[axis].centres)), np.float32)
    thetas, count = np.radians(WORKING / 2), len(patterns)
    compiled.measure(
        np.array(patterns, np.float32),
        np.zeros((0, LENGTH), np.float32) if impurities is None else impurities,
        np.full(count, -1) if impurities is None else np.arange(count),
        rows,
        np.zeros(2 * LENGTH, np.float32),
        np.zeros(count, np.int64),
        np.sin(thetas),
        np.cos(thetas),
        GRIDS[axis].edges.copy(),
        seen,
    )
    return seen


def peaks_at(*angles, heights=None, sigma=0.15):
    heights = np.ones(len(angles)) if heights is None else heights
    shapes = np.exp(-0.5 * ((WORKING - np.array(angles)[:, None]) / sigma) ** 2)
    return (np.array(heights) @ shapes).astype(np.float32)


def heights_near(seen, two_thetas):
    """Intensities of the highest points near some angles."""
    centres = GRIDS["inverse_d"].centres
    places = 2 * np.sin(np.radians(np.array(two_thetas) / 2)) / 2.0
    return np.array([seen[np.abs(centres - place) < 0.01].max() ** 2 for place in places])


@pytest.mark.parametrize("axis", GRIDS)
def test_compiled_preparation_equals_the_definition(axis):
    rng, count = np.random.default_rng(0), 6
    patterns = rng.random((count, LENGTH)).astype(np.float32) ** 8
    firsts, strides = rng.integers(0, 300, count), np.array([1, 2, 3, 4, 1, 2])
    lengths = rng.integers(900, 2900, count) // 12 * 12 + 1
    rows = measurements(
        count,
        first=firsts,
        end=firsts + lengths,
        stride=strides,
        wavelength=rng.uniform(1.2, 2.5, count),
        gap_first=firsts + 12 * 20 + 1,
        gap_end=firsts + 12 * np.array([25, 0, 0, 0, 22, 30]),
    )
    seen = measured(patterns, rows, axis)
    for n, row in enumerate(rows):
        points = np.arange(row["first"], row["end"], row["stride"])
        points = points[(points < row["gap_first"]) | (points >= row["gap_end"])]
        whole = SimpleNamespace(
            two_theta=WORKING[points], intensity=patterns[n, points].astype(np.float64)
        )
        wanted = prepare(whole, float(row["wavelength"]), GRIDS[axis]).network_input
        both = (seen[n] >= 0) & (wanted >= 0)
        assert np.mean((seen[n] >= 0) == (wanted >= 0)) > 0.99  # the ends of a gap
        np.testing.assert_allclose(seen[n][both] ** 2, wanted[both] ** 2, atol=2e-6)


def test_shifts_move_peaks_as_they_say():
    angles = np.array([30.0, 60.0, 110.0])
    shifts = {
        "zero": 0.1 * np.ones(3),
        "along": 0.1 * np.sin(np.radians(angles)),
        "across": 0.1 * np.cos(np.radians(angles)),
    }
    centres = GRIDS["inverse_d"].centres
    for name, shift in shifts.items():
        seen = measured([peaks_at(*angles)], measurements(**{name: 0.1}))[0]
        for place in 2 * np.sin(np.radians((angles + shift) / 2)) / 2.0:
            near = np.abs(centres - place) < 0.008
            found = np.average(centres[near], weights=seen[near] ** 2)
            assert found == pytest.approx(place, abs=1e-4)


def test_thermal_motion_weakens_peaks_as_debye_and_waller_have_it():
    angles = np.array([30.0, 110.0])
    seen = measured([peaks_at(*angles)], measurements(thermal=1.2))[0]
    factors = np.exp(-2 * 1.2 * (np.sin(np.radians(angles / 2)) / 2.0) ** 2)
    found = heights_near(seen, angles)
    assert found[1] / found[0] == pytest.approx(factors[1] / factors[0], rel=0.01)


def test_an_impurity_has_its_share_of_the_intensity():
    seen = measured(
        [peaks_at(40.0)], measurements(impurity=0.25), impurities=peaks_at(80.0, 100.0)[None]
    )[0]
    np.testing.assert_allclose(
        heights_near(seen, [40.0, 80.0, 100.0]), [1, 0.125, 0.125], atol=5e-3
    )


def test_stray_peaks_are_where_and_as_high_as_they_are_drawn():
    rows = measurements()
    rows["stray_height"][0, :2] = 0.3, 0.1
    rows["stray_centre"][0, :2] = (np.array([50.0, 70.0]) - FIRST) / STEP
    rows["stray_width"][0, :2] = 0.15 / STEP
    seen = measured([peaks_at(90.0)], rows)[0]
    np.testing.assert_allclose(heights_near(seen, [90.0, 50.0, 70.0]), [1, 0.3, 0.1], atol=5e-3)


def test_reflections_that_are_spared_would_change_next_to_nothing(table):
    """Peak clipping reaches far, but ever more weakly."""
    drawn = draw(np.random.default_rng(3), 60)
    for name in ("counts", "background", "stray_height"):  # relative to the highest peak of all
        drawn.measurements[name] = 0
    drawn.impurity[:] = -1
    rows, whole = np.arange(60) % 3, drawn.copy()
    whole.conditions["two_theta_min"], whole.conditions["two_theta_max"] = 2.0, 178.0
    spared, complete = (patterns_of(table)._measured(rows, each) for each in (drawn, whole))
    difference = np.abs(spared - complete)
    assert difference.mean() < 5e-4
    assert np.mean(difference > 0.02) < 0.004


def test_without_effects_it_is_the_pattern_of_the_papers_instrument(crystals, table):
    paper = instrument("bt1_ge311")
    seen = patterns_of(table, NONE, "two_theta").drawn(np.arange(3), (0,))
    for each, ours in zip(crystals, seen, strict=True):
        ideal = np.sqrt(simulate(each, paper))
        covered = ours != NOT_MEASURED
        assert covered.mean() > 0.99
        strong = covered & (ideal > 0.15)
        ratio = ours[strong] / ideal[strong]
        # Clipping takes a part of what lies between overlapping peaks.
        assert np.corrcoef(ours[covered], ideal[covered])[0, 1] > 0.98
        assert 0.8 < np.median(ratio) < 1.05


def test_patterns_are_valid_network_inputs(table):
    augmented = patterns_of(table)
    rows = np.arange(200) % 3
    seen = augmented.drawn(rows, (3, 1))
    assert seen.shape == (200, 3041)
    assert np.all(((seen >= 0) & (seen <= 1)) | (seen == NOT_MEASURED))
    assert np.all(seen.max(axis=1) == 1)
    covered = (seen >= 0).mean(axis=1)
    assert covered.min() > 0.2
    assert covered.std() > 0.05


def test_every_draw_is_new_and_every_evaluation_the_same(table):
    augmented = patterns_of(table)
    first, second = (augmented.drawn(ROWS, (0, step)) for step in (1, 2))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, augmented.drawn(ROWS, (0, 1)))
    whole = augmented[ROWS]
    np.testing.assert_array_equal(whole[1], whole[3])
    np.testing.assert_array_equal(whole[2:3], augmented[ROWS[2:3]])
    np.testing.assert_array_equal(whole, patterns_of(table, NONE)[ROWS])


def test_exchanged_elements_leave_the_lines_where_they_are(crystals):
    """Other intensities, the same absences."""
    table = CrystalTable.of(crystals)
    only = patterns_of(table, replace(NONE, elements=True))
    ideal = patterns_of(table, NONE).drawn(np.zeros(40, np.int64), (0,))
    other = only.drawn(np.zeros(40, np.int64), (0,))
    changed = np.abs(other - ideal).max(axis=1) > 1e-3
    assert 8 < changed.sum() < 36  # half of them, but exchanges that touch neither Na nor Cl
    assert other[:, ideal.max(axis=0) < 1e-3].max() < 0.02


def test_a_share_of_a_batch_is_that_part_of_the_whole(table):
    augmented, rows = patterns_of(table), np.arange(8) % 3
    whole = augmented.drawn(rows, (0, 7))
    share = augmented.drawn(rows[4:], (0, 7), slice(4, 8), 8)
    np.testing.assert_array_equal(whole[4:], share)


@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_can_be_switched_off_alone(table, name):
    rows = np.arange(30) % 3
    without = patterns_of(table, replace(ALL, **{name: False})).drawn(rows, (0,))
    all_of_them = patterns_of(table).drawn(rows, (0,))
    alone = patterns_of(table, replace(NONE, **{name: True})).drawn(rows, (0,))
    none = patterns_of(table, NONE).drawn(rows, (0,))
    assert not np.allclose(without, all_of_them)
    assert not np.allclose(alone, none)


def test_counting_noise_is_that_of_counts():
    rows = measurements(counts=1000, background=0.25)
    pattern = np.full(LENGTH, 0.0, np.float32)
    pattern[1000] = 1.0
    noise = np.random.default_rng(0).standard_normal(LENGTH).astype(np.float32)
    compiled._count(pattern, rows[0], noise)
    flat = np.delete(pattern, 1000)
    assert flat.mean() == pytest.approx(0.25, abs=1e-3)
    assert flat.std() == pytest.approx((0.25 / 1000) ** 0.5, rel=0.05)


def test_unseen_wavelengths_are_never_drawn():
    drawn = draw(np.random.default_rng(0), 50_000).conditions["wavelength"]
    for unseen in UNSEEN_WAVELENGTHS:
        assert np.abs(drawn / unseen - 1).min() > 0.03
    assert drawn.min() > 1.1
    assert drawn.max() < 2.7


def test_a_crystal_without_a_reflection_in_the_range_is_seen_with_another_wavelength():
    small = crystal("-I 4 2 3", (2.5, 2.5, 2.5, 90, 90, 90), ("Fe", (0, 0, 0)))  # d below 1.8 Å
    augmented = patterns_of(CrystalTable.of([small]))
    seen = augmented.drawn(np.zeros(400, np.int64), (0,))
    assert np.all(seen.max(axis=1) == 1)
