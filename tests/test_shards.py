"""Shards and their journals."""

import json
import os

import pytest

from data_gen import shards as shards_module
from data_gen.errors import Reason
from data_gen.generate import Example, Rejection
from data_gen.shards import ShardFolder


def example(name: str) -> Example:
    return Example(name, "source", 225, b"content of " + name.encode())


def rejection(name: str) -> Rejection:
    return Rejection(name, "source", Reason.NO_CELL, 'a "detail",\nin two lines')


@pytest.fixture
def folder(tmp_path) -> ShardFolder:
    return ShardFolder(tmp_path / "shards", "fingerprint")


def test_journals_are_read_as_they_were_written(folder):
    folder.append([[example("a"), rejection("ü")], [example("b"), example("a")]], folder.open())
    (journal,) = folder.journals()
    assert journal.examples == [("a", 225), ("b", 225)]
    assert journal.rejections[0] == rejection("ü")
    assert journal.rejections[1].reason is Reason.DUPLICATE_ID
    assert (journal.records, journal.structures) == (2, 4)
    assert journal.example_bytes == 24
    assert journal.file_bytes == folder.shard(0).stat().st_size


def test_a_record_stays_in_one_shard(folder, monkeypatch):
    monkeypatch.setattr(shards_module, "EXAMPLES_PER_SHARD", 2)
    groups = [[example("a")], [example("b"), example("c")], [example("d")]]
    folder.append(groups, folder.open())
    assert [journal.records for journal in folder.journals()] == [2, 1]


def test_shards_of_nothing_but_rejections_have_no_file(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(shards_module, "REJECTIONS_PER_SHARD", 2)
    groups = [[rejection("a")], [rejection("b")], [example("c")], [rejection("d")]]
    folder.append(groups, folder.open())
    assert [journal.structures for journal in folder.journals()] == [2, 2]
    assert not folder.shard(0).exists()
    assert folder.move(lambda i, n: tmp_path / f"{i}-of-{n}") == [1]
    assert (tmp_path / "0-of-1").exists()


def test_progress_is_found_again(folder):
    done = folder.open()
    folder.append([[example("a")], [rejection("b")]], done)
    again = ShardFolder(folder.path, "fingerprint").open()
    assert (again.shards, again.records, again.structures) == (1, 2, 2)
    assert not again.ids.add("a")
    assert again.ids.add("b")


def test_shards_of_another_data_set_go(folder):
    folder.append([[example("a")]], folder.open())
    assert ShardFolder(folder.path, "other").open().shards == 0
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"examples": 1, "rejections": []}'])
def test_a_journal_that_is_none_is_not_believed(folder, text):
    folder.append([[example("a")]], folder.open())
    folder.journal(0).write_text(text)
    assert list(folder.journals()) == []


@pytest.mark.parametrize("key", ["examples", "records", "file_bytes"])
def test_a_journal_that_lacks_something_is_not_believed(folder, key):
    folder.append([[example("a")]], folder.open())
    stored = json.loads(folder.journal(0).read_text())
    del stored[key]
    folder.journal(0).write_text(json.dumps(stored))
    assert list(folder.journals()) == []


def test_moving_breaks_off_without_a_gap(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(shards_module, "EXAMPLES_PER_SHARD", 1)
    folder.append([[example(name)] for name in "abc"], folder.open())
    replace = os.replace

    def replace_last_only(source, target):
        if source != folder.shard(2):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_last_only)
    with pytest.raises(KeyboardInterrupt):
        folder.move(lambda i, n: tmp_path / f"{i}")
    assert len(list(folder.journals())) == 2
