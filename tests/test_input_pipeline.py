import contextlib
import dataclasses
import itertools
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks.large_dataset import copies
from configs import base
from data_gen.crystal import Crystal
from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.simulate import simulate
from data_gen.symmetry import class_list
from sgan_jax import input_pipeline, processes
from sgan_jax.dataset_index import Index
from sgan_jax.figures import angle_axis
from sgan_jax.input_pipeline import Dataset, train_batches
from sgan_jax.splits import is_test, split

ROOT = Path(__file__).resolve().parents[1]
GRID = 7
HALITE = Path(__file__).parent / "data" / "halite.cif"


def make_dataset(n: int = 400, label_fraction: float = 0.25, n_measured: int = 0) -> Dataset:
    """Patterns that hold their own number, so that a batch tells where it comes from."""
    classes = class_list("bravais_lattice", "bravais14")
    rng = np.random.default_rng(0)
    space_groups = rng.integers(1, 231, n).astype(np.int32)
    ids = tuple(f"id-{row}" for row in range(n))
    return Dataset(
        patterns=np.repeat(np.arange(n, dtype=np.float32), GRID).reshape(n, GRID),
        axis=angle_axis(np.arange(GRID, dtype=np.float64)),
        measured=np.repeat(-1.0 - np.arange(n_measured, dtype=np.float32), GRID).reshape(-1, GRID),
        labels=classes.index_of_space_group[space_groups].astype(np.int32),
        space_groups=space_groups,
        ids=ids,
        formulas=ids,
        class_list=classes,
        split=split(ids, ids, seed=0, label_fraction=label_fraction),
        n_left_out=0,
        n_known=0,
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


def test_one_in_four_unlabelled_patterns_is_a_measured_one_if_there_are_any():
    dataset, config = make_dataset(n_measured=5), make_config(batch_size=6)
    first = np.concatenate(
        [batch["unlabelled"]["pattern"][:, 0] for batch in take(dataset, config, 20)]
    )
    np.testing.assert_array_equal(first < 0, np.arange(120) % 4 == 0)
    shown, counts = np.unique(first[first < 0], return_counts=True)
    np.testing.assert_array_equal(shown, [-5, -4, -3, -2, -1])
    assert np.all(counts == 6)


def test_measured_patterns_alone_serve_where_all_others_are_labelled():
    dataset = make_dataset(label_fraction=0.9, n_measured=5)
    (batch,) = take(dataset, make_config(batch_size=8), 1)
    assert np.all(batch["unlabelled"]["pattern"] < 0)


def test_compositions_are_left_out_however_they_are_written():
    formulas = np.array(["O4PbS", "BaCo2LaO6", "O2Pb", "Ba0.5CoLa0.5O3", "NaCl"])
    found = input_pipeline._has_formula(formulas, "PbSO4, La0.5Ba0.5CoO3")
    np.testing.assert_array_equal(found, [True, True, False, True, False])
    assert not input_pipeline._has_formula(formulas, "").any()
    with pytest.raises(InputError, match="separate formulas"):
        input_pipeline._has_formula(formulas, "PbSO4,no formula")


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


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("method", ["sgan", "supervised"])
def test_processes_share_a_batch_in_their_order(monkeypatch, count, method):
    dataset, config = make_dataset(), make_config(batch_size=24, method=method)
    whole = take(dataset, config, 20, start=3)
    monkeypatch.setattr(processes, "count", lambda: count)
    shares = []
    for index in range(count):
        monkeypatch.setattr(processes, "index", lambda index=index: index)
        shares.append(take(dataset, config, 20, start=3))
    joined = [
        {
            part: {name: np.concatenate([share[part][name] for share in of_step]) for name in batch}
            for part, batch in of_step[0].items()
        }
        for of_step in zip(*shares, strict=True)
    ]
    assert_equal(joined, whole)


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
    assert isinstance(dataset.patterns, np.ndarray)
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
    rows = np.array([everything.ids.tolist().index(name) for name in common.ids])
    np.testing.assert_array_equal(common.patterns[np.arange(len(rows))], everything.patterns[rows])


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("subset", ["labelled", "unlabelled"])
def test_further_structures_are_all_in_one_set(data_dir, streamed, subset):
    alone = load(data_dir)
    further = {f"data.{subset}_sources": str(HALITE), "data.streamed": streamed}
    more = load(data_dir, **further)
    n = len(alone.labels)
    assert more.patterns.shape == (n + 1, more.grid_size)
    assert more.space_groups[n] == 225
    assert more.ids[n] not in alone.ids
    for name, rows in alone.subsets.items():
        own = [*rows, n] if name == subset else rows
        np.testing.assert_array_equal(more.subsets[name], own)
    rows = np.array([n, 0])
    np.testing.assert_array_equal(more.patterns[rows][1], alone.patterns[rows[1:]][0])
    assert more.patterns[rows][0].max() == 1
    assert more.fingerprint.startswith(alone.fingerprint + "+")


def test_further_structures_are_none_of_those_that_are_there(data_dir):
    alone = load(data_dir)
    further = dict.fromkeys(("data.labelled_sources", "data.unlabelled_sources"), "amcsd")
    same = load(data_dir, **further)
    assert same.patterns.shape == alone.patterns.shape
    assert same.n_left_out == alone.n_left_out
    assert same.n_known == 2 * len(alone.labels)


def test_further_structures_of_both_kinds_are_told_apart(data_dir, tmp_path):
    other = tmp_path / "potassium.cif"
    other.write_text(HALITE.read_text().replace("Na", "K"))
    alone = load(data_dir)
    further = {"data.labelled_sources": str(HALITE), "data.unlabelled_sources": str(other)}
    more = load(data_dir, **further)
    n = len(alone.labels)
    assert more.split.labelled[-1] == n
    assert more.split.unlabelled[-1] == n + 1
    paper = instrument("bt1_ge311")
    for pattern, path in zip(more.patterns[np.array([n, n + 1])], (HALITE, other), strict=True):
        np.testing.assert_allclose(pattern, simulate(Crystal.from_cif(path), paper), atol=1e-6)
    assert more.fingerprint.count("+") == 2


def test_a_run_is_of_all_its_data_sets(tmp_path):
    source = tmp_path / "more"
    source.mkdir()
    (source / "one.cif").write_text(HALITE.read_text())
    config = base.get_config()
    alone = input_pipeline.fingerprint(config)
    config.data.labelled_sources = str(source)
    both = input_pipeline.fingerprint(config)
    assert both.startswith(f"{alone}+")
    (source / "two.cif").write_text(HALITE.read_text())
    more = input_pipeline.fingerprint(config)
    assert more.startswith(f"{alone}+")
    assert more != both


def test_errors_name_the_field_of_further_sources(tmp_path):
    config = base.get_config()
    config.data.unlabelled_sources = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^config\.data\.unlabelled_sources: source .*nowhere'"):
        input_pipeline.fingerprint(config)


def test_structures_of_ids_that_are_there_are_told(data_dir, caplog):
    with caplog.at_level(logging.WARNING):
        load(data_dir, **{"data.labelled_sources": "amcsd"})
    told = "since their ids are there already, such as .*; if they are of other structures, rename"
    assert re.search(
        rf"config\.data\.labelled_sources: \d+ patterns are left out, {told}", caplog.text
    )


def test_where_formulas_are_split_further_structures_give_none_away(data_dir):
    alone = load(data_dir, **{"data.split_by": "formula", "validation_fraction": 0.2})
    index = Index(alone.space_groups, alone.ids, alone.formulas)
    renamed = dataclasses.replace(index, ids="new " + alone.ids)
    config = base.get_config()
    config.data.split_by = "formula"
    known = input_pipeline._is_held_back(renamed, index, alone.split, config)
    held_back = np.concatenate([alone.split.test, alone.split.validation])
    secret = set(alone.formulas[held_back].tolist())
    np.testing.assert_array_equal(known, [text in secret for text in alone.formulas.tolist()])
    assert len(alone.split.validation) > 0
    assert 0 < known.sum() < len(known)


@pytest.mark.parametrize("split_by", ["random", "formula"])
def test_what_would_be_tested_is_not_trained_on_wherever_it_comes_from(data_dir, split_by):
    alone = load(data_dir, **{"data.split_by": split_by})
    index = Index(alone.space_groups, alone.ids, alone.formulas)
    elsewhere = dataclasses.replace(index, ids="new " + alone.ids, formulas="X" + alone.formulas)
    config = base.get_config()
    config.data.split_by = split_by
    known = input_pipeline._is_held_back(elsewhere, index, alone.split, config)
    expected = is_test(elsewhere.ids, elsewhere.formulas, seed=0, split_by=split_by)
    np.testing.assert_array_equal(known, expected)
    assert 0 < known.sum() < len(known)


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


# ---------------------------------------------------------------- streamed


def test_streamed_patterns_are_those_in_memory_and_those_of_tfds(data_dir):
    inside, streamed = (load(data_dir, **{"data.streamed": each}) for each in (False, True))
    assert isinstance(inside.patterns, np.ndarray)
    assert not isinstance(streamed.patterns, np.ndarray)
    assert streamed.patterns.shape == inside.patterns.shape
    rows = np.random.default_rng(0).permutation(len(inside.labels))
    found = streamed.patterns[rows]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, inside.patterns[rows])
    examples = open_dataset(data_dir, inside).as_data_source(split="all")
    for row, example in zip(range(20), examples, strict=False):
        np.testing.assert_array_equal(inside.patterns[row], example["pattern"])
        assert inside.ids[row].encode() == example["id"]
        assert inside.formulas[row].encode() == example["formula"]
        assert inside.space_groups[row] == example["space_group"]


def test_streamed_batches_are_those_from_memory(data_dir):
    changes = {"task": "space_group", "classes": "at_least_8"}  # so that some are left out
    config = make_config(batch_size=8)
    inside, streamed = (
        take(load(data_dir, **changes, **{"data.streamed": each}), config, 30, start=5)
        for each in (False, True)
    )
    assert_equal(streamed, inside)


@pytest.mark.parametrize(
    ("patterns_that_fit", "count", "streamed"),
    [(310, 1, False), (290, 1, True), (310, 4, True), (1210, 4, False)],
)
def test_patterns_are_streamed_where_they_would_fill_the_memory(
    data_dir, monkeypatch, patterns_that_fit, count, streamed
):
    dataset = load(data_dir)
    n, grid = dataset.patterns.shape
    free = patterns_that_fit * grid * 4 * n // 150
    monkeypatch.setattr(input_pipeline, "available_memory", lambda: free)
    monkeypatch.setattr(processes, "count", lambda: count)
    assert isinstance(load(data_dir).patterns, np.ndarray) is not streamed
    forced = load(data_dir, **{"data.streamed": not streamed}).patterns
    assert isinstance(forced, np.ndarray) is streamed


_CHILD = """
import json, sys
import tensorflow_datasets as tfds
from configs import base
from sgan_jax import input_pipeline

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024

config = base.get_config("supervised")
config.data.streamed = json.loads(sys.argv[2])
before = status("VmRSS")
dataset = input_pipeline.read(tfds.builder_from_directory(sys.argv[1]), config)
batches = input_pipeline.train_batches(dataset, config, 0)
for _ in range(20):
    next(batches)
batches.close()
print(json.dumps([dataset.patterns.shape, status("VmHWM") - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own account of the memory")
def test_streamed_patterns_take_no_memory(data_dir, tmp_path):
    small = open_dataset(data_dir, load(data_dir))
    copies(Path(small.data_dir), tmp_path / "large", times=100)

    def taken_mib(streamed):
        arguments = [str(tmp_path / "large"), json.dumps(streamed)]
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        (n, grid), taken = json.loads(done.stdout.splitlines()[-1])
        return taken, n * grid * 4 / 2**20

    taken, patterns = taken_mib(streamed=False)
    assert taken > patterns > 140
    taken, patterns = taken_mib(streamed=True)
    assert taken < patterns / 2


def open_dataset(data_dir, dataset):
    (folder,) = Path(data_dir).glob(f"*/*-{dataset.fingerprint[:12]}/1.0.0")
    return tfds.builder_from_directory(folder)
