import contextlib
import dataclasses
import itertools
import logging

import numpy as np
import pytest

from configs import base
from data_gen.errors import InputError
from data_gen.symmetry import class_list
from sgan_jax import input_pipeline
from sgan_jax.input_pipeline import Dataset, train_batches
from sgan_jax.splits import split

GRID = 7


def make_dataset(n: int = 400, label_fraction: float = 0.25) -> Dataset:
    """Patterns that hold their own number, so that a batch tells where it comes from."""
    classes = class_list("bravais_lattice", "bravais14")
    rng = np.random.default_rng(0)
    space_groups = rng.integers(1, 231, n).astype(np.int32)
    ids = tuple(f"id-{row}" for row in range(n))
    return Dataset(
        patterns=np.repeat(np.arange(n, dtype=np.float32), GRID).reshape(n, GRID),
        labels=classes.index_of_space_group[space_groups].astype(np.int32),
        space_groups=space_groups,
        ids=ids,
        formulas=ids,
        class_list=classes,
        split=split(ids, ids, seed=0, label_fraction=label_fraction),
        n_left_out=0,
        fingerprint="",
        rejected_by_reason={},
    )


def make_config(**changes):
    config = base.get_config()
    config.update(changes)
    return config


def take(dataset, config, count, start=0):
    with contextlib.closing(train_batches(dataset, config, start)) as batches:
        return list(itertools.islice(batches, count))


def assert_equal(one, two):
    np.testing.assert_equal(one, two)


def test_batches_hold_what_they_say():
    dataset, config = make_dataset(), make_config(batch_size=16)
    for batch in take(dataset, config, 30):
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        assert labelled["pattern"].shape == unlabelled["pattern"].shape == (16, GRID)
        assert (labelled["pattern"].dtype, labelled["label"].dtype) == (np.float32, np.int32)
        rows = labelled["pattern"][:, 0].astype(int)
        assert set(rows) <= set(dataset.split.labelled)
        np.testing.assert_array_equal(labelled["label"], dataset.labels[rows])
        assert set(unlabelled["pattern"][:, 0]) <= set(dataset.split.unlabelled)
        assert set(unlabelled) == {"pattern"}


def test_supervised_batches_have_no_unlabelled_part():
    dataset = make_dataset(label_fraction=0.9)
    assert len(dataset.split.unlabelled) == 0
    (batch,) = take(dataset, make_config(method="supervised"), 1)
    assert set(batch) == {"labelled"}


def test_labels_outside_the_labelled_set_never_reach_a_batch():
    dataset, config = make_dataset(), make_config()
    hidden = np.ones(len(dataset.labels), bool)
    hidden[dataset.split.labelled] = False
    scrambled = dataset.labels.copy()
    scrambled[hidden] = np.random.default_rng(1).permutation(scrambled[hidden]) + 100
    other = dataclasses.replace(
        dataset, labels=scrambled, space_groups=np.where(hidden, 1, dataset.space_groups)
    )
    assert_equal(take(dataset, config, 40), take(other, config, 40))


def test_batch_is_a_function_of_seed_and_number():
    dataset, config = make_dataset(), make_config()
    batches = take(dataset, config, 20)
    assert_equal(take(dataset, config, 20), batches)
    assert_equal(take(dataset, config, 8, start=12), batches[12:])
    other = take(dataset, make_config(seed=1), 1)
    assert not np.array_equal(other[0]["labelled"]["pattern"], batches[0]["labelled"]["pattern"])


def test_every_pass_holds_every_pattern_once_in_a_new_order():
    dataset = make_dataset()
    n = len(dataset.split.labelled)
    batches = take(dataset, make_config(batch_size=1), 3 * n)
    rows = np.array([batch["labelled"]["pattern"][0, 0] for batch in batches]).reshape(3, n)
    for order in rows:
        assert sorted(order) == list(dataset.split.labelled)
    assert not np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[1], rows[2])


def test_set_smaller_than_a_batch_repeats():
    dataset = make_dataset(n=60, label_fraction=0.1)
    assert 0 < len(dataset.split.labelled) < 32
    (batch,) = take(dataset, make_config(batch_size=32), 1)
    assert set(batch["labelled"]["pattern"][:, 0]) == set(dataset.split.labelled)


def test_counts_add_up():
    dataset = make_dataset()
    summary = dataset.summary()
    parts = ("n_labelled", "n_unlabelled", "n_validation", "n_test")
    assert sum(summary[name] for name in parts) == summary["n_total"] == 400
    for name, counts in dataset.class_counts.items():
        assert counts.sum() == summary[f"n_{name}"]
        assert counts[3] == sum(dataset.labels[dataset.subsets[name]] == 3)
    assert summary["n_classes"] == 14


def load(data_dir, **changes):
    config = base.get_config()
    config.data.dir = str(data_dir)
    config.data.limit = 150
    config.data.workers = 1
    config.label_fraction = 0.3
    config.update_from_flattened_dict(changes)
    return input_pipeline.load(config)


def test_data_set_is_built_and_read(data_dir):
    dataset = load(data_dir)
    assert dataset.patterns.shape == (len(dataset.ids), 3041)
    assert dataset.patterns.dtype == np.float32
    np.testing.assert_array_equal(dataset.patterns.max(axis=1), 1)
    np.testing.assert_array_equal(dataset.patterns.min(axis=1), 0)
    np.testing.assert_array_equal(
        dataset.labels, dataset.class_list.index_of_space_group[dataset.space_groups]
    )
    assert dataset.n_left_out == 0
    assert len(dataset.ids) + sum(dataset.rejected_by_reason.values()) == 150


def test_crystals_outside_the_classes_are_left_out_and_counted(data_dir):
    everything = load(data_dir)
    common = load(data_dir, task="space_group", classes="at_least_8")
    counts = np.bincount(everything.space_groups, minlength=231)
    assert common.class_list.names == tuple(str(number) for number in np.flatnonzero(counts >= 8))
    assert len(common.labels) == counts[counts >= 8].sum()
    assert common.n_left_out == len(everything.labels) - len(common.labels) > 0
    assert set(common.ids) < set(everything.ids)
    row = everything.ids.index(common.ids[3])
    np.testing.assert_array_equal(common.patterns[3], everything.patterns[row])


def test_classes_without_a_label_are_a_warning_with_the_list(data_dir, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = load(data_dir, label_fraction=0.05)
    missing = dataset.classes_without_label
    assert missing
    assert dataset.summary()["classes_without_label"] == missing
    assert ", ".join(missing) in caplog.text


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"data.limit": 2}, "patterns among the"),
        ({"label_fraction": 0.001}, "no labelled patterns"),
    ],
)
def test_empty_sets_are_refused(data_dir, changes, match):
    with pytest.raises(InputError, match=match):
        load(data_dir, **changes)
