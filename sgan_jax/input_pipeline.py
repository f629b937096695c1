"""From the TFDS data set to arrays in memory, and from these to the batches of a run."""

import itertools
import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import grain
import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32, Int, Int32
from ml_collections import ConfigDict

from data_gen.builder import build
from data_gen.errors import InputError
from data_gen.spec import DatasetSpec
from data_gen.summary import SUMMARY_FILE
from data_gen.symmetry import ClassList
from sgan_jax import splits
from sgan_jax.config import classes_of

BATCHES_AHEAD = 3
_ROWS_PER_READ = 512

Texts = tuple[str, ...]
HostBatch = dict[str, dict[str, np.ndarray]]
"""A `gradients.Batch` of NumPy arrays, not yet split over devices."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Dataset:
    """All patterns of a run that belong to one of its classes, in memory.

    Attributes:
        patterns: Intensities in [0, 1].
        labels: Index of each pattern's class in `class_list`.
        space_groups: Space group numbers.
        ids: Unique names of the structures.
        formulas: Their compositions.
        class_list: The classes.
        split: Which patterns are test, labelled, validation and unlabelled.
        n_left_out: Patterns whose space group is in no class; not counted elsewhere.
        fingerprint: Identity of the data set they come from.
        rejected_by_reason: Structures that could not serve.
    """

    patterns: Float32[np.ndarray, "n grid"]
    labels: Int32[np.ndarray, " n"]
    space_groups: Int32[np.ndarray, " n"]
    ids: Texts
    formulas: Texts
    class_list: ClassList
    split: splits.Split
    n_left_out: int
    fingerprint: str
    rejected_by_reason: dict[str, int]

    @property
    def grid_size(self) -> int:
        """Points of a pattern."""
        return self.patterns.shape[1]

    @property
    def num_classes(self) -> int:
        """Number of classes, present or not."""
        return len(self.class_list.names)

    @property
    def subsets(self) -> dict[str, Int[np.ndarray, " m"]]:
        """Rows of each part of the split, by name."""
        return {field.name: getattr(self.split, field.name) for field in fields(self.split)}

    @property
    def class_counts(self) -> dict[str, Int[np.ndarray, " k"]]:
        """Patterns per class of each part of the split, by name."""
        return {
            name: np.bincount(self.labels[rows], minlength=self.num_classes)
            for name, rows in self.subsets.items()
        }

    @property
    def classes_without_label(self) -> list[str]:
        """Classes that have patterns but not a labelled one."""
        present = np.bincount(self.labels, minlength=self.num_classes) > 0
        missing = np.flatnonzero(present & (self.class_counts["labelled"] == 0))
        return [self.class_list.names[index] for index in missing]

    def summary(self) -> dict[str, Any]:
        """Counts for the report."""
        return {
            "n_total": len(self.labels),
            "n_labelled": len(self.split.labelled),
            "n_unlabelled": len(self.split.unlabelled),
            "n_validation": len(self.split.validation),
            "n_test": len(self.split.test),
            "n_left_out": self.n_left_out,
            "n_classes": self.num_classes,
            "n_classes_present": len(np.unique(self.labels)),
            "classes_without_label": self.classes_without_label,
            "fingerprint": self.fingerprint,
            "rejected_by_reason": self.rejected_by_reason,
        }


def dataset_spec(config: ConfigDict) -> DatasetSpec:
    """The data set that a config asks for."""
    return DatasetSpec(
        sources=config.data.sources,
        instrument=config.data.instrument,
        scattering_lengths=config.data.scattering_lengths,
        limit=config.data.limit,
        check_symmetry=config.data.check_symmetry,
    )


def load(config: ConfigDict) -> Dataset:
    """Reads a config's data set into memory, building it first if it is not there.

    Memory: 4 bytes per point of every pattern, twice while crystals outside the classes are
    taken out (50,000 patterns of 3041 points: 0.6 GB).

    Raises:
        InputError: The sources or the data folder cannot be used, or a set that training or
            evaluation needs is empty.
    """
    builder = build(dataset_spec(config), config.data.dir, workers=config.data.workers)
    built = json.loads((Path(builder.data_dir) / SUMMARY_FILE).read_text())
    patterns, space_groups, ids, formulas = _read(builder)
    class_list = classes_of(config, np.bincount(space_groups, minlength=231))
    labels = class_list.index_of_space_group[space_groups].astype(np.int32)
    kept = labels >= 0
    if not kept.all():
        patterns, space_groups, labels = patterns[kept], space_groups[kept], labels[kept]
        ids = tuple(itertools.compress(ids, kept))
        formulas = tuple(itertools.compress(formulas, kept))
    split = splits.split(
        ids,
        formulas,
        seed=config.seed,
        label_fraction=config.label_fraction,
        split_by=config.data.split_by,
        validation_fraction=config.validation_fraction,
    )
    dataset = Dataset(
        patterns=patterns,
        labels=labels,
        space_groups=space_groups,
        ids=ids,
        formulas=formulas,
        class_list=class_list,
        split=split,
        n_left_out=int((~kept).sum()),
        fingerprint=built["fingerprint"],
        rejected_by_reason=built["rejected_by_reason"],
    )
    _check(dataset, config)
    return dataset


def train_batches(dataset: Dataset, config: ConfigDict, start_step: int) -> Generator[HostBatch]:
    """Endless batches from a step on, made ahead of their use in a thread.

    Batch n is a function of the data set, the seed and n alone. Labelled and unlabelled patterns
    are two streams; each passes through all its patterns, in a new order every time. The labels of
    unlabelled patterns are never looked at.

    Args:
        dataset: Where the patterns are.
        config: Of which seed, method and batch size are read.
        start_step: Number of the first batch.
    """
    labelled = _index_batches(dataset.split.labelled, config.batch_size, 2 * config.seed)
    unlabelled = _index_batches(dataset.split.unlabelled, config.batch_size, 2 * config.seed + 1)

    def batch(step: int) -> HostBatch:
        rows = labelled[step]
        made: HostBatch = {
            "labelled": {"pattern": dataset.patterns[rows], "label": dataset.labels[rows]}
        }
        if config.method == "sgan":
            made["unlabelled"] = {"pattern": dataset.patterns[unlabelled[step]]}
        return made

    return _ahead(batch, start_step)


def _index_batches(
    indices: Int[np.ndarray, " n"], batch_size: int, seed: int
) -> grain.MapDataset[Any]:
    """Batches of indices by number; a set smaller than a batch repeats within it."""
    source = cast("Sequence[int]", indices)
    return grain.MapDataset.source(source).seed(seed).shuffle().repeat().batch(batch_size)


def _ahead(batch: Callable[[int], HostBatch], start_step: int) -> Generator[HostBatch]:
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        first_free = start_step + BATCHES_AHEAD
        pending = deque(pool.submit(batch, step) for step in range(start_step, first_free))
        for step in itertools.count(first_free):
            ready = pending.popleft().result()
            pending.append(pool.submit(batch, step))
            yield ready


def _read(builder: tfds.core.DatasetBuilder) -> tuple[np.ndarray, np.ndarray, Texts, Texts]:
    """Patterns, space groups, ids and formulas of a whole data set, in its order."""
    stored: Any = builder.info.features
    wanted = ("pattern", "space_group", "id", "formula")
    decoder: Any = tfds.features.FeaturesDict({name: stored[name] for name in wanted})
    records: Any = cast(Any, builder).as_data_source(split="all")  # its decorator hides its type
    n = len(records)
    patterns = np.empty((n, *stored["pattern"].shape), np.float32)
    space_groups = np.empty(n, np.int32)
    ids, formulas = [], []
    for start in range(0, n, _ROWS_PER_READ):
        rows = range(start, min(start + _ROWS_PER_READ, n))
        # The bytes of the records, since decoding whole examples would take twice as long.
        for row, record in zip(rows, records.data_source.__getitems__(rows), strict=True):
            example = decoder.deserialize_example_np(record)
            patterns[row] = example["pattern"]
            space_groups[row] = example["space_group"]
            ids.append(example["id"].decode())
            formulas.append(example["formula"].decode())
    return patterns, space_groups, tuple(ids), tuple(formulas)


def _check(dataset: Dataset, config: ConfigDict) -> None:
    needed = {"labelled": dataset.split.labelled, "test": dataset.split.test}
    if config.method == "sgan":
        needed["unlabelled"] = dataset.split.unlabelled
    for name, rows in needed.items():
        if len(rows) == 0:
            raise InputError(
                f"no {name} patterns among the {len(dataset.labels)} of the data set; name more "
                "structures in config.data.sources, raise config.data.limit or change "
                "config.label_fraction"
            )
    missing = dataset.classes_without_label
    if missing:
        _log.warning(
            "classes with patterns but without a labelled one, which cannot be learnt: %d (%s)",
            len(missing),
            ", ".join(missing),
        )
