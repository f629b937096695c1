import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks.large_dataset import copies
from data_gen.builder import build
from data_gen.errors import InputError
from data_gen.spec import DatasetSpec
from sgan_jax.records import Records, StreamedPatterns, in_memory


@pytest.fixture(scope="module")
def folder(data_dir):
    return Path(build(DatasetSpec("amcsd", limit=40), data_dir, workers=1, progress=False).data_dir)


@pytest.fixture
def copied(folder, tmp_path):
    """Three files of the same examples."""
    copies(folder, tmp_path / "copied", times=3)
    return tmp_path / "copied"


def open_records(folder):
    return Records(tfds.builder_from_directory(folder))


def patterns_of(records):
    return StreamedPatterns(records, np.arange(len(records)))


def test_examples_of_all_files(folder, copied):
    few, many = open_records(folder), open_records(copied)
    assert len(many) == 3 * len(few)
    assert [name for name, _ in many.identity()] == [path.name for path in many.files]
    n = len(few)
    once = in_memory(patterns_of(few))
    np.testing.assert_array_equal(in_memory(patterns_of(many)), np.tile(once, (3, 1)))
    rows = np.array([2 * n + 1, 1, n + 5, 1])
    np.testing.assert_array_equal(patterns_of(many)[rows], once[rows % n])
    assert patterns_of(many)[rows[:0]].shape == (0, 3041)


def test_chosen_examples(folder):
    records = open_records(folder)
    some = StreamedPatterns(records, np.array([7, 3, 9]))
    assert some.shape == (3, 3041)
    np.testing.assert_array_equal(some[np.array([2, 0])], patterns_of(records)[np.array([9, 7])])


def damage(path, how):
    size = path.stat().st_size
    if how == "gone":
        path.unlink()
    elif how == "foreign":
        path.write_bytes(np.random.default_rng(0).bytes(size))
    elif how == "overwritten":
        content = bytearray(path.read_bytes())
        content[size // 2 : size // 2 + 20_000] = bytes(20_000)
        path.write_bytes(content)
    else:
        with path.open("r+b") as file:
            file.truncate({"truncated": size // 2, "empty": 0}[how])


@pytest.mark.parametrize("how", ["truncated", "empty", "foreign", "overwritten", "gone"])
@pytest.mark.parametrize("number", [0, 2])
def test_damaged_file_is_named(copied, how, number):
    records = open_records(copied)
    file = records.files[number]
    damage(file, how)
    for read in (in_memory, lambda patterns: patterns[np.arange(patterns.shape[0])]):
        with pytest.raises(InputError, match=f"{file}.* cannot be read .*delete {copied}"):
            read(patterns_of(records))


def test_file_that_is_gone_has_no_identity(copied):
    records = open_records(copied)
    records.files[1].unlink()
    with pytest.raises(InputError, match=f"{records.files[1]}.*restore it"):
        records.identity()


def test_limit_of_open_files_is_raised_or_named(monkeypatch, folder):
    limits = {"now": (100, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.update(now=pair))
    open_records(folder)
    assert 100 < limits["now"][0] < 4096
    limits["now"] = (100, 200)
    with pytest.raises(InputError, match=r"1 files .* may open 200; .*ulimit -n 257"):
        open_records(folder)


def test_patterns_without_room_are_told_how_to_do_without(folder):
    class Vast(StreamedPatterns):
        shape = (10**12, 3041)

    with pytest.raises(InputError, match=r"streamed=True"):
        in_memory(Vast(open_records(folder), np.arange(1)))


def test_names_of_shards_do_not_matter_to_the_copies(folder, tmp_path):
    copies(folder, tmp_path / "once", times=1)
    copies(tmp_path / "once", tmp_path / "twice", times=2)
    assert len(open_records(tmp_path / "twice")) == 2 * len(open_records(folder))
    with pytest.raises(FileExistsError):
        copies(folder, tmp_path / "once", times=1)
    shutil.rmtree(tmp_path / "twice")
