import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from numpy.dtypes import StringDType

from benchmarks.large_dataset import copies
from data_gen.builder import build
from data_gen.errors import InputError
from data_gen.spec import DatasetSpec
from data_gen.summary import SUMMARY_FILE
from sgan_jax import dataset_index
from sgan_jax.dataset_index import INDEX_FILE, Index
from sgan_jax.records import Records

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(data_dir):
    return Path(build(DatasetSpec("amcsd", limit=40), data_dir, workers=1, progress=False).data_dir)


@pytest.fixture
def folder(built, tmp_path):
    copies(built, tmp_path / "set", times=2)
    (tmp_path / "set" / INDEX_FILE).unlink(missing_ok=True)
    return tmp_path / "set"


def index_of(folder, fingerprint="this"):
    return dataset_index.dataset_index(Records(tfds.builder_from_directory(folder)), fingerprint)


def assert_same(one, other):
    for field in fields(Index):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_index_holds_what_the_examples_hold(folder):
    index = index_of(folder)
    examples = tfds.builder_from_directory(folder).as_data_source(split="all")
    assert len(index.ids) == len(examples)
    for row, example in enumerate(examples):
        assert index.ids[row].encode() == example["id"]
        assert index.formulas[row].encode() == example["formula"]
        assert index.space_groups[row] == example["space_group"]


def test_index_is_read_from_its_file_the_next_time(folder, monkeypatch):
    made = index_of(folder)
    monkeypatch.delattr(dataset_index, "_collect")
    assert_same(index_of(folder), made)
    assert not list(folder.glob("*.part"))
    assert not (folder / ".lock").exists()


def test_tfds_does_not_mind_the_index(folder):
    index = index_of(folder)
    assert len(tfds.builder_from_directory(folder).as_data_source(split="all")) == len(index.ids)


def spoil(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "foreign":
        np.savez(path, something=np.arange(3))
    elif how == "pickled":
        np.savez(path, identity=np.array([{}], dtype=object))
    elif how == "text":
        path.write_text("no index")
    else:
        np.save(path.with_suffix(".npy"), np.arange(3))
        path.with_suffix(".npy").replace(path)


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "flipped", "foreign", "pickled", "text", "array"]
)
def test_damaged_index_is_made_anew(folder, caplog, how):
    made, path = index_of(folder), folder / INDEX_FILE
    spoil(path, how)
    with caplog.at_level(logging.INFO):
        assert_same(index_of(folder), made)
    assert f"{path} is damaged" in caplog.text
    caplog.clear()
    assert_same(index_of(folder), made)
    assert not caplog.text


def test_index_of_another_state_is_made_anew(folder, built, caplog):
    index_of(folder)
    with caplog.at_level(logging.INFO):
        index_of(folder, "that")
    assert "another state" in caplog.text
    kept = (folder / INDEX_FILE).read_bytes()
    copies(built, folder.parent / "more", times=3)
    (folder.parent / "more" / INDEX_FILE).write_bytes(kept)
    assert len(index_of(folder.parent / "more", "that").ids) == 3 * len(index_of(built).ids)


def test_opened_with_what_is_told_of_its_making(folder, built):
    (folder / SUMMARY_FILE).write_bytes((built / SUMMARY_FILE).read_bytes())
    opened = dataset_index.open_dataset(tfds.builder_from_directory(folder))
    told = json.loads((built / SUMMARY_FILE).read_text())
    assert (opened.fingerprint, opened.rejected) == (
        told["fingerprint"],
        told["rejected_by_reason"],
    )
    assert_same(opened.index, index_of(folder))


@pytest.mark.parametrize("text", [None, "", '{"fingerprint": "ab', "[]", "{}"])
def test_data_set_of_which_nothing_is_told_is_an_error_that_says_so(folder, text):
    (folder / SUMMARY_FILE).unlink(missing_ok=True)
    if text is not None:
        (folder / SUMMARY_FILE).write_text(text)
    with pytest.raises(InputError, match=f"{SUMMARY_FILE} is gone.*or delete {folder} and"):
        dataset_index.open_dataset(tfds.builder_from_directory(folder))


def test_file_that_became_shorter_is_noticed(folder):
    index_of(folder)
    file = Records(tfds.builder_from_directory(folder)).files[1]
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(InputError, match=str(file)):
        index_of(folder)


_KILLED = """
import os, signal, sys
import numpy as np
import tensorflow_datasets as tfds
from sgan_jax.dataset_index import dataset_index
from sgan_jax.records import Records

def savez(file, **arrays):
    file.write(b"PK" + bytes(1000))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

np.savez = savez
dataset_index(Records(tfds.builder_from_directory(sys.argv[1])), "this")
"""


def test_killed_while_writing(folder):
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert not (folder / INDEX_FILE).exists()
    assert list(folder.glob("*.part"))
    made = index_of(folder)
    assert not list(folder.glob("*.part"))
    assert_same(index_of(folder), made)


def test_no_room_for_the_index_is_an_error_that_says_so(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match=f"cannot write to {folder}: No space left"):
        index_of(folder)
    assert not (folder / INDEX_FILE).exists()


def test_folder_that_cannot_be_written_is_only_read(folder, monkeypatch, caplog):
    monkeypatch.setattr(os, "access", lambda *_: False)
    made = index_of(folder)
    assert "read at every start" in caplog.text
    assert not (folder / INDEX_FILE).exists()
    monkeypatch.undo()
    assert_same(index_of(folder), made)


def test_those_who_want_it_at_once_make_it_once(folder, monkeypatch):
    collect, calls = dataset_index._collect, []

    def counted(records):
        calls.append(records)
        return collect(records)

    monkeypatch.setattr(dataset_index, "_collect", counted)
    found = []
    threads = [threading.Thread(target=lambda: found.append(index_of(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(calls) == 1


def test_texts_of_all_kinds():
    texts = np.array(["", "Fe2O3", "längere Namen\nin zwei Zeilen\0", "☃" * 100, ""], StringDType())
    joined, lengths = dataset_index._packed(texts)
    assert len(joined) == lengths.sum()
    np.testing.assert_array_equal(dataset_index._unpacked(joined, lengths), texts)
    nothing = dataset_index._packed(texts[:0])
    assert len(dataset_index._unpacked(*nothing)) == 0
    with pytest.raises(ValueError, match="other lengths"):
        dataset_index._unpacked(joined, lengths + 1)
