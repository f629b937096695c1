import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgan_jax.splits import Split, is_test, split

IDS = [f"id-{n}" for n in range(5000)]
FORMULAS = [f"formula-{n % 700}" for n in range(5000)]


def make(fraction: float = 0.25, **changes) -> Split:
    ids = changes.pop("ids", IDS)
    formulas = changes.pop("formulas", FORMULAS)
    return split(ids, formulas, **{"seed": 0, "label_fraction": fraction} | changes)


@pytest.mark.parametrize("split_by", ["random", "formula"])
@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.9])
def test_every_pattern_is_in_one_set(split_by, fraction):
    parts = make(fraction, split_by=split_by, validation_fraction=0.2)
    rows = np.concatenate([parts.test, parts.labelled, parts.validation, parts.unlabelled])
    assert sorted(rows) == list(range(len(IDS)))


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_shares(fraction):
    parts = make(fraction)
    assert len(parts.test) / len(IDS) == pytest.approx(0.1, abs=0.015)
    assert len(parts.labelled) / len(IDS) == pytest.approx(fraction, abs=0.025)
    assert len(parts.validation) == 0


def test_all_but_the_test_set_is_labelled_at_the_largest_fraction():
    parts = make(0.9)
    assert len(parts.unlabelled) == 0


@pytest.mark.parametrize("split_by", ["random", "formula"])
def test_smaller_labelled_sets_are_subsets_and_the_test_set_stays(split_by):
    fractions = [0.05, 0.1, 0.25, 0.5, 0.9]
    parts = [make(fraction, split_by=split_by) for fraction in fractions]
    for small, large in itertools.pairwise(parts):
        assert set(small.labelled) < set(large.labelled)
        np.testing.assert_array_equal(small.test, large.test)


@settings(deadline=None)
@given(st.permutations(range(60)))
def test_order_and_company_do_not_matter(order):
    full = make(0.25, seed=5)
    some = make(0.25, seed=5, ids=[IDS[n] for n in order], formulas=[FORMULAS[n] for n in order])
    for name in ("test", "labelled", "unlabelled"):
        there = {IDS[row] for row in getattr(full, name) if row < 60}
        assert {IDS[order[row]] for row in getattr(some, name)} == there


def test_another_seed_gives_another_split():
    assert set(make(seed=0).test) != set(make(seed=1).test)


def test_splitting_by_formula_keeps_each_composition_on_one_side():
    parts = make(split_by="formula", validation_fraction=0.3)
    test = {FORMULAS[row] for row in parts.test}
    validation = {FORMULAS[row] for row in parts.validation}
    assert test
    assert validation
    for rows in (parts.labelled, parts.unlabelled, parts.validation):
        assert not test & {FORMULAS[row] for row in rows}
    assert not validation & {FORMULAS[row] for row in parts.labelled}


@pytest.mark.parametrize("split_by", ["random", "formula"])
def test_the_test_set_is_known_without_the_rest_of_the_split(split_by):
    parts = make(0.1, seed=3, split_by=split_by, validation_fraction=0.2)
    found = is_test(IDS, FORMULAS, seed=3, split_by=split_by)
    np.testing.assert_array_equal(np.flatnonzero(found), parts.test)


def test_every_machine_agrees():
    parts = make(0.1)
    assert list(parts.test[:5]) == [4, 12, 16, 18, 26]
    assert list(parts.labelled[:5]) == [1, 31, 50, 62, 84]
