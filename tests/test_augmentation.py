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


@pytest.mark.parametrize("axis", GRIDS)
def test_compiled_preparation_equals_the_definition(axis):
    rng, count = np.random.default_rng(0), 6
    patterns = rng.random((count, LENGTH)).astype(np.float32) ** 8
    made = np.zeros(count, compiled.MEASUREMENT)
    made["first"], made["end"] = rng.integers(0, 300, count), rng.integers(900, LENGTH + 1, count)
    made["stride"], made["wavelength"] = 1, rng.uniform(1.2, 2.5, count)
    made["overdispersion"], made["envelope"] = 1.0, 1.0
    ours = np.empty((count, len(GRIDS[axis].centres)), np.float32)
    thetas = np.radians(WORKING / 2)
    compiled.measure(
        patterns.copy(),
        np.zeros((0, LENGTH), np.float32),
        np.full(count, -1),
        made,
        np.zeros(2 * LENGTH, np.float32),
        np.zeros(count, np.int64),
        np.sin(thetas),
        np.cos(thetas),
        GRIDS[axis].edges.copy(),
        ours,
    )
    for n in range(count):
        part = slice(made["first"][n], made["end"][n])
        intensity = patterns[n, part].astype(np.float64)
        whole = SimpleNamespace(two_theta=WORKING[part], intensity=intensity)
        wanted = prepare(whole, float(made["wavelength"][n]), GRIDS[axis]).network_input
        np.testing.assert_allclose(ours[n], wanted, atol=2e-6)


def test_without_effects_it_is_the_pattern_of_the_papers_instrument(crystals, table):
    paper = instrument("bt1_ge311")
    seen = patterns_of(table, NONE, "two_theta").drawn(np.arange(3), (0,))
    for each, ours in zip(crystals, seen, strict=True):
        ideal = np.sqrt(simulate(each, paper))
        measured = ours != NOT_MEASURED
        assert measured.mean() > 0.99
        strong = measured & (ideal > 0.15)
        ratio = ours[strong] / ideal[strong]
        # Clipping takes a part of what lies between overlapping peaks.
        assert np.corrcoef(ours[measured], ideal[measured])[0, 1] > 0.98
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
    rows = np.zeros(1, compiled.MEASUREMENT)
    rows["end"], rows["stride"], rows["counts"] = LENGTH, 1, 1000
    rows["overdispersion"], rows["envelope"], rows["background"] = 1.0, 1.0, 0.25
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
        assert np.abs(drawn / unseen - 1).min() > 3e-3
    assert drawn.min() > 1.1
    assert drawn.max() < 2.7


def test_a_crystal_without_a_reflection_in_the_range_is_seen_with_another_wavelength():
    small = crystal("-I 4 2 3", (2.5, 2.5, 2.5, 90, 90, 90), ("Fe", (0, 0, 0)))  # d below 1.8 Å
    augmented = patterns_of(CrystalTable.of([small]))
    seen = augmented.drawn(np.zeros(400, np.int64), (0,))
    assert np.all(seen.max(axis=1) == 1)
