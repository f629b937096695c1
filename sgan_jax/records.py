"""Random access to the examples of a data set, which stay in its files."""

import os
import resource
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32, Int
from tensorflow_datasets.proto import tf_example_pb2

from data_gen.errors import InputError
from data_gen.parallel import map_pieces

ROWS_PER_PIECE = 512
"""Examples that a thread reads at a time where all are read."""

_FILES_BESIDE = 256
"""Open files of a process beside those of its data set, generously."""

_Example: Any = cast(Any, tf_example_pb2).Example  # generated, and unknown to type checkers


class Patterns(Protocol):
    """Patterns by number, in memory (then a NumPy array) or not."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of patterns and of their points."""
        ...

    def __getitem__(self, rows: Int[np.ndarray, " m"], /) -> Float32[np.ndarray, "m grid"]: ...


class Examples(Protocol):
    """Examples by number; their patterns have `grid_size` points."""

    grid_size: int

    def __len__(self) -> int: ...

    def features(self, row: int) -> Mapping[str, Any]:
        """The features of one example."""
        ...


class JoinedExamples:
    """The examples of two data sets on the same grid, those of the second behind the first's.

    Args:
        first: A data set.
        second: Another.
    """

    def __init__(self, first: Examples, second: Examples) -> None:
        self.grid_size = first.grid_size
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def features(self, row: int) -> Mapping[str, Any]:
        """As `Records.features`."""
        beyond = row - len(self._first)
        return self._first.features(row) if beyond < 0 else self._second.features(beyond)


class Records:
    """The examples of a built data set by number. Threads may share it.

    A file is opened when first read from, and stays open: batches come from all files.

    Args:
        builder: The data set.

    Raises:
        InputError: There are more files than the system lets a process open.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder) -> None:
        self.folder = Path(builder.data_dir)
        self.grid_size: int = cast(Any, builder.info.features)["pattern"].shape[0]
        shards = builder.info.splits["all"].file_instructions
        self.files = [Path(shard.filename) for shard in shards]
        self._ends = np.cumsum([shard.take for shard in shards])
        _allow_open_files(len(shards), self.folder)
        # The bytes of the records: whole examples take TFDS six times as long to decode as here.
        self._source = cast(Any, builder).as_data_source(split="all").data_source

    def __len__(self) -> int:
        return int(self._ends[-1])

    def features(self, row: int) -> Mapping[str, Any]:
        """The features of one example, as protocol buffers.

        Raises:
            InputError: The file is damaged or gone.
        """
        try:
            record = self._source[row]
        except RuntimeError as error:  # what array_record raises, naming no file
            file = self.files[np.searchsorted(self._ends, row, side="right")]
            reason = str(error).partition(";")[0]
            raise InputError(
                f"{file} cannot be read ({reason}); restore it, or delete {self.folder} and the "
                "data set is made anew"
            ) from error
        return _Example.FromString(record).features.feature

    def identity(self) -> list[tuple[str, int]]:
        """Names and lengths in bytes of the files, which tell two builds of a data set apart.

        Raises:
            InputError: A file is gone.
        """
        try:
            return [(file.name, os.stat(file).st_size) for file in self.files]
        except OSError as error:
            raise InputError(
                f"{error.filename}: {error.strerror}; restore it, or delete {self.folder} and the "
                "data set is made anew"
            ) from error


def _allow_open_files(count: int, folder: Path) -> None:
    """Raises this process's own limit of open files, as far as it must be and can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _FILES_BESIDE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"{folder} has {count} files and a process may open {hard}; raise the limit "
            f"(ulimit -n {wanted})"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class StreamedPatterns:
    """Patterns of a data set, each read from its file when asked for. Threads may share it.

    Args:
        records: The data set, or several.
        chosen: Which of its examples; row i is the pattern of example ``chosen[i]``.
    """

    def __init__(self, records: Examples, chosen: Int[np.ndarray, " n"]) -> None:
        self._records = records
        self._chosen = chosen

    @property
    def shape(self) -> tuple[int, int]:
        """Number of patterns and of their points."""
        return len(self._chosen), self._records.grid_size

    def __getitem__(self, rows: Int[np.ndarray, " m"], /) -> Float32[np.ndarray, "m grid"]:
        """Reads patterns.

        Raises:
            InputError: A file of the data set is damaged or gone.
        """
        patterns = np.empty((len(rows), self._records.grid_size), np.float32)
        for pattern, number in zip(patterns, self._chosen[rows].tolist(), strict=True):
            stored = self._records.features(number)["pattern"].bytes_list.value[0]
            pattern[:] = np.frombuffer(stored, np.float32)
        return patterns


def in_memory(patterns: StreamedPatterns) -> Float32[np.ndarray, "n grid"]:
    """Reads all patterns, on all cores.

    Raises:
        InputError: There is no room for them, or a file of the data set is damaged or gone.
    """
    n, grid_size = patterns.shape
    try:
        whole = np.empty((n, grid_size), np.float32)
    except MemoryError as error:
        raise InputError(
            f"{n:,} patterns do not fit into memory; leave them in their files by "
            "--config.data.streamed=True"
        ) from error

    def copy(first: int, end: int) -> None:
        whole[first:end] = patterns[np.arange(first, end)]

    deque(map_pieces(copy, n, ROWS_PER_PIECE, threads=None), maxlen=0)
    return whole
