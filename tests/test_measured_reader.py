import bz2
import gzip
import lzma
import os
import random

import numpy as np
import pytest

from benchmarks.fuzz_patterns import MUTATIONS, judge, mutant
from benchmarks.pattern_samples import SAMPLES, example
from sgan_jax.measured import InputError, limits, read_pattern, read_patterns
from sgan_jax.measured.pattern import PatternError, Scan, checked

XY = SAMPLES["xy"].write(example(200))


def _write(tmp_path, content, name="pattern.xy"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path, compress):
    path = _write(tmp_path, compress(XY))
    np.testing.assert_array_equal(read_pattern(path).intensity, example(200).counts)
    with pytest.raises(InputError, match=r"cannot be decompressed: .*; give it decompressed"):
        read_pattern(_write(tmp_path, compress(XY)[:-30]))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_that_grow_are_refused(tmp_path, compress):
    path = _write(tmp_path, compress(bytes(limits.MAX_FILE_BYTES + 1)))
    with pytest.raises(InputError, match="larger than 32 MiB; give a file with one pattern"):
        read_pattern(path)


def test_large_files_are_refused(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(limits.MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="larger than 32 MiB"):
        read_pattern(path)
    many = _write(tmp_path, b"1 2\n" * (limits.MAX_POINTS + 5000))
    with pytest.raises(InputError, match="more than 1,002,000 lines; give a coarser pattern"):
        read_pattern(many)


def test_long_lines_are_refused(tmp_path):
    path = _write(tmp_path, XY + b"1 " * 2**20)
    with pytest.raises(InputError, match="line 201: more than 4,000 characters; break the line"):
        read_pattern(path)


def test_paths_that_cannot_be_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none.xy", tmp_path / "a\0b", tmp_path / "pipe"):
        with pytest.raises(InputError, match="; give the path of a pattern"):
            read_pattern(path)


def test_content_and_not_the_suffix_decides(tmp_path):
    for name, sample in SAMPLES.items():
        pattern = read_pattern(_write(tmp_path, sample.write(example(200)), "pattern.txt"))
        assert pattern.source == "pattern.txt", name


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_files(tmp_path, mutation):
    place = list(MUTATIONS).index(mutation)
    for index, _ in enumerate(SAMPLES):
        broken = mutant(place * len(SAMPLES) + index, seed=1)
        assert broken.mutation == mutation
        judge(broken, tmp_path)


@pytest.mark.parametrize("name", SAMPLES)
def test_random_bytes_behind_the_first_are_refused_or_read(tmp_path, name):
    rng = random.Random(0)
    content = SAMPLES[name].write(example(200))
    for length in (4, 16, 100, 600):
        path = _write(tmp_path, content[:length] + rng.randbytes(500))
        with pytest.raises(InputError, match="; "):
            read_patterns(path)


def test_columns_of_a_scan_are_of_one_length():
    x = np.arange(1.0, 90.0)
    with pytest.raises(PatternError, match="its columns differ in length"):
        checked(Scan("columns", x, x[1:]), "source")


def test_an_impossible_wavelength_is_none():
    x = np.arange(1.0, 90.0)
    assert checked(Scan("columns", x, x, wavelength=0.0), "source").wavelength is None
    assert checked(Scan("columns", x, x, wavelength=1.5), "source").wavelength == 1.5
