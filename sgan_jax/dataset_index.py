"""What a run needs to know of all examples of a data set but their patterns, kept beside it.

The index is made from the examples when it is first wanted, since reading them all takes minutes
for millions. It is a file of NumPy's, without pickled objects.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Int32, Shaped, UInt8, UInt32
from numpy.dtypes import StringDType

from data_gen.claim import claim
from data_gen.errors import InputError
from data_gen.parallel import map_pieces
from data_gen.summary import SUMMARY_FILE
from sgan_jax.records import ROWS_PER_PIECE, Records

INDEX_FILE = "index.npz"
_FORMAT = 1

Texts = Shaped[np.ndarray, " n"]
"""Strings of NumPy's variable-width kind: 16 bytes each and the length of those that are longer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Index:
    """Everything but the patterns, in the order of the data set.

    Attributes:
        space_groups: Space group numbers.
        ids: Unique names of the structures.
        formulas: Their compositions.
    """

    space_groups: Int32[np.ndarray, " n"]
    ids: Texts
    formulas: Texts

    def select(self, kept: Bool[np.ndarray, " n"]) -> "Index":
        """The part of the index that is marked."""
        return Index(self.space_groups[kept], self.ids[kept], self.formulas[kept])

    def followed_by(self, other: "Index") -> "Index":
        """This index and another behind it."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Index(*map(np.concatenate, pairs))


@dataclass(frozen=True, eq=False)
class OpenDataset:
    """A built data set, ready to be read.

    Attributes:
        records: Its examples.
        index: Everything in them but the patterns.
        fingerprint: Its identity.
        rejected: How many structures could not serve, by reason.
    """

    records: Records
    index: Index
    fingerprint: str
    rejected: dict[str, int]


def open_dataset(builder: tfds.core.DatasetBuilder) -> OpenDataset:
    """Opens a data set that is built.

    Args:
        builder: The data set.

    Raises:
        InputError: What is told of its making is gone or damaged, or as `dataset_index` and
            `Records` raise it.
    """
    records = Records(builder)
    fingerprint, rejected = _read_summary(records.folder)
    return OpenDataset(records, dataset_index(records, fingerprint), fingerprint, rejected)


def _read_summary(folder: Path) -> tuple[str, dict[str, int]]:
    """The fingerprint of a data set and its rejected structures by reason."""
    path = folder / SUMMARY_FILE
    try:
        summary = json.loads(path.read_text())
        return str(summary["fingerprint"]), dict(summary["rejected_by_reason"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is gone or damaged ({type(error).__name__}: {error}); restore it, or delete "
            f"{folder} and the data set is made anew"
        ) from error


def dataset_index(records: Records, fingerprint: str) -> Index:
    """The index of a data set, made first if there is none that is whole and its own.

    Processes that want it at the same time wait for the first of them to make it.

    Args:
        records: The data set.
        fingerprint: Its identity.

    Raises:
        InputError: A file of the data set is damaged, or the index cannot be written for another
            reason than that the folder is not to be written to.
    """
    path = records.folder / INDEX_FILE
    identity = json.dumps([_FORMAT, fingerprint, records.identity()])
    if (index := _read(path, identity)) is not None:
        return index
    if not os.access(records.folder, os.W_OK):
        _log.warning("%s cannot be kept: all examples are read at every start", path)
        return _collect(records)
    with claim(records.folder):
        if (index := _read(path, identity)) is None:
            index = _collect(records)
            _write(path, identity, index)
    return index


def _collect(records: Records) -> Index:
    """Reads all examples, on all cores."""
    n = len(records)
    _log.info("making an index of %d examples", n)
    index = Index(np.empty(n, np.int32), np.empty(n, StringDType()), np.empty(n, StringDType()))

    def read(first: int, end: int) -> tuple[slice, list[tuple[int, str, str]]]:
        found = [records.features(row) for row in range(first, end)]
        return slice(first, end), [
            (
                example["space_group"].int64_list.value[0],
                example["id"].bytes_list.value[0].decode(),
                example["formula"].bytes_list.value[0].decode(),
            )
            for example in found
        ]

    for rows, found in map_pieces(read, n, ROWS_PER_PIECE, threads=None):
        index.space_groups[rows], index.ids[rows], index.formulas[rows] = zip(*found, strict=True)
    return index


def _read(path: Path, identity: str) -> Index | None:
    """The index in a file; None if that is missing, damaged or another data set's."""
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if str(stored["identity"]) != identity:
                _log.info("%s belongs to another state of the data set; it is made anew", path)
                return None
            return Index(
                stored["space_groups"],
                _unpacked(stored["ids"], stored["id_lengths"]),
                _unpacked(stored["formulas"], stored["formula_lengths"]),
            )
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged zip file can raise almost anything
        _log.warning("%s is damaged (%s); it is made anew", path, error)
        return None


def _write(path: Path, identity: str, index: Index) -> None:
    """Writes the index under its name only when it is whole; the folder is claimed."""
    ids, id_lengths = _packed(index.ids)
    formulas, formula_lengths = _packed(index.formulas)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            identity=np.array(identity),
            space_groups=index.space_groups,
            ids=ids,
            id_lengths=id_lengths,
            formulas=formulas,
            formula_lengths=formula_lengths,
        )
    part.replace(path)


def _packed(texts: Texts) -> tuple[UInt8[np.ndarray, " m"], UInt32[np.ndarray, " n"]]:
    """The bytes of all texts, one after another, and the number of bytes of each."""
    joined = bytearray()
    lengths = np.empty(len(texts), np.uint32)
    for place, text in enumerate(texts):
        encoded = text.encode()
        joined += encoded
        lengths[place] = len(encoded)
    return np.frombuffer(joined, np.uint8), lengths


def _unpacked(joined: UInt8[np.ndarray, " m"], lengths: UInt32[np.ndarray, " n"]) -> Texts:
    """The reverse of `_packed`.

    Raises:
        ValueError: The lengths do not fit.
    """
    if lengths.sum(dtype=np.uint64) != len(joined):
        raise ValueError("texts of other lengths than stated")
    return np.fromiter(_parts(joined.data, lengths), StringDType(), len(lengths))


def _parts(joined: memoryview, lengths: UInt32[np.ndarray, " n"]) -> Iterator[str]:
    end = 0
    for length in lengths.tolist():
        start, end = end, end + length
        yield str(joined[start:end], "utf-8")
