"""From the TFDS data set to the batches of a run.

Patterns are in memory, or stay in the files of the data set and are read from there one by one.
The batches are the same to the last bit.
"""

import contextlib
import itertools
import logging
import math
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float32, Int, Int32
from ml_collections import ConfigDict

from data_gen.builder import build
from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.spec import DatasetSpec
from data_gen.symmetry import ClassList
from sgan_jax import processes, splits
from sgan_jax.augmentation.crystals import crystal_table
from sgan_jax.augmentation.effects import EFFECTS, Effects
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.compositions import composition, listed_compositions
from sgan_jax.config import FURTHER_SOURCES, classes_of
from sgan_jax.dataset_index import Index, Texts, open_dataset
from sgan_jax.figures import PatternAxis, angle_axis, spacing_axis
from sgan_jax.grids import GRIDS
from sgan_jax.memory import available_memory
from sgan_jax.passes import Passes
from sgan_jax.prefetch import ahead
from sgan_jax.records import (
    Examples,
    JoinedExamples,
    Patterns,
    StreamedPatterns,
    in_memory,
)

HostBatch = dict[str, dict[str, np.ndarray]]
"""A `gradients.Batch` of NumPy arrays, not yet split over devices."""

_ELEMENT = re.compile("[A-Z][a-z]?")
_MEASURED_EVERY = 4
"""One in so many unlabelled patterns is a measured one, where there are any."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Dataset:
    """All patterns of a run that belong to one of its classes.

    Attributes:
        patterns: Intensities in [0, 1] of (n, grid); ``patterns[rows]`` of an array of row numbers
            gives them in memory.
        axis: What they are to be drawn over.
        measured: Measured patterns without labels, on the same grid; often none.
        labels: Index of each pattern's class in `class_list`.
        space_groups: Space group numbers.
        ids: Unique names of the structures.
        formulas: Their compositions.
        class_list: The classes.
        split: Which patterns are test, labelled, validation and unlabelled.
        n_left_out: Patterns whose space group is in no class, or whose composition is left out;
            not counted elsewhere.
        n_known: Further patterns that are not used, since examples of the same ids are there
            already or they would belong to what is held back.
        fingerprint: Identity of the data set they come from.
        rejected_by_reason: Structures that could not serve.
    """

    patterns: Patterns
    axis: PatternAxis
    measured: Float32[np.ndarray, "m grid"]
    labels: Int32[np.ndarray, " n"]
    space_groups: Int32[np.ndarray, " n"]
    ids: Texts
    formulas: Texts
    class_list: ClassList
    split: splits.Split
    n_left_out: int
    n_known: int
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
            "n_known": self.n_known,
            "n_unlabelled_measured": len(self.measured),
            "n_classes": self.num_classes,
            "n_classes_present": len(np.unique(self.labels)),
            "classes_without_label": self.classes_without_label,
            "fingerprint": self.fingerprint,
            "rejected_by_reason": self.rejected_by_reason,
        }


def dataset_specs(config: ConfigDict) -> dict[str, DatasetSpec]:
    """The data sets that a config asks for, by the field of `config.data` that names the sources.

    The first is the one that is split.
    """
    return {
        field: DatasetSpec(
            sources=config.data[field],
            instrument=config.data.instrument,
            scattering_lengths=config.data.scattering_lengths,
            limit=config.data.limit,
            check_symmetry=config.data.check_symmetry,
        )
        for field in ("sources", *FURTHER_SOURCES)
        if field == "sources" or config.data[field]
    }


def fingerprint(config: ConfigDict) -> str:
    """Identity of all data sets that a config asks for, which are opened but not built.

    Raises:
        InputError: A source does not exist or holds no structures.
    """
    found = []
    for field, spec in dataset_specs(config).items():
        with _naming(field):
            found.append(spec.fingerprint())
    return "+".join(found)


@contextlib.contextmanager
def _naming(field: str) -> Iterator[None]:
    """Has errors in further sources say which field names them."""
    try:
        yield
    except InputError as error:
        if field == "sources":
            raise
        raise InputError(f"config.data.{field}: {error}") from error


def load(config: ConfigDict) -> Dataset:
    """Opens a config's data set, building it first if it is not there.

    Raises:
        InputError: The sources or the data folder cannot be used, or a set that training or
            evaluation needs is empty.
    """
    builders = {}
    for field, spec in dataset_specs(config).items():
        with _naming(field):
            builders[field] = build(
                spec,
                config.data.dir,
                workers=config.data.workers,
                progress=processes.is_main(),
            )
    return read(builders.pop("sources"), config, builders)


def read(
    builder: tfds.core.DatasetBuilder,
    config: ConfigDict,
    further: Mapping[str, tfds.core.DatasetBuilder] = MappingProxyType({}),
) -> Dataset:
    """Reads a data set that has been built.

    Memory: 4 bytes per point of every pattern (50,000 patterns of 3041 points: 0.6 GB), unless they
    are streamed; about 100 bytes per pattern beside that.

    Args:
        builder: The data set.
        config: What to read of it, and how to split it.
        further: Others, by the field of `config.data` that names their sources.

    Raises:
        InputError: The data set is damaged, or a set that training or evaluation needs is empty.
    """
    opened = open_dataset(builder)
    class_list = classes_of(config, np.bincount(opened.index.space_groups, minlength=231))
    kept = _is_wanted(opened.index, class_list, config)
    index = opened.index.select(kept)
    found = _Chosen(
        examples=opened.records,
        rows=np.flatnonzero(kept),
        index=index,
        split=splits.split(
            index.ids,
            index.formulas,
            seed=config.seed,
            label_fraction=config.label_fraction,
            split_by=config.data.split_by,
            validation_fraction=config.validation_fraction,
        ),
        n_left_out=int((~kept).sum()),
        n_known=0,
        fingerprint=opened.fingerprint,
        rejected=opened.rejected,
    )
    for field, more in further.items():
        found = _with_more(found, field, more, class_list, config)
    return _dataset(found, class_list, config)


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The examples of one data set, or of several, that belong to a run; see `Dataset`."""

    examples: Examples
    rows: Int[np.ndarray, " n"]
    index: Index
    split: splits.Split
    n_left_out: int
    n_known: int
    fingerprint: str
    rejected: dict[str, int]


def _with_more(
    found: _Chosen,
    field: str,
    builder: tfds.core.DatasetBuilder,
    class_list: ClassList,
    config: ConfigDict,
) -> _Chosen:
    """Adds the examples of another data set to one set of the split."""
    more = open_dataset(builder)
    wanted = _is_wanted(more.index, class_list, config)
    there = wanted & np.isin(more.index.ids, found.index.ids)
    kept = wanted & ~there & ~_is_held_back(more.index, found.index, found.split, config)
    _tell_of_left_out(field, more.index.ids[there], int(kept.sum()), int(wanted.sum()))
    first = len(found.index.ids)
    return _Chosen(
        examples=JoinedExamples(found.examples, more.records),
        rows=np.concatenate([found.rows, len(found.examples) + np.flatnonzero(kept)]),
        index=found.index.followed_by(more.index.select(kept)),
        split=found.split.with_more(FURTHER_SOURCES[field], first + np.arange(kept.sum())),
        n_left_out=found.n_left_out + int((~wanted).sum()),
        n_known=found.n_known + int((wanted & ~kept).sum()),
        fingerprint=f"{found.fingerprint}+{more.fingerprint}",
        rejected=dict(Counter(found.rejected) + Counter(more.rejected)),
    )


def _dataset(found: _Chosen, class_list: ClassList, config: ConfigDict) -> Dataset:
    index = found.index
    labels = class_list.index_of_space_group[index.space_groups].astype(np.int32)
    measured = _measured(config)
    _check(found.split, labels, config, len(measured))
    patterns, axis = _patterns(found.examples, found.rows, found.split, config)
    dataset = Dataset(
        patterns=patterns,
        axis=axis,
        measured=measured,
        labels=labels,
        space_groups=index.space_groups,
        ids=index.ids,
        formulas=index.formulas,
        class_list=class_list,
        split=found.split,
        n_left_out=found.n_left_out,
        n_known=found.n_known,
        fingerprint=found.fingerprint,
        rejected_by_reason=found.rejected,
    )
    _warn_of_missing_labels(dataset)
    return dataset


def _is_wanted(index: Index, class_list: ClassList, config: ConfigDict) -> Bool[np.ndarray, " n"]:
    """Which examples are in a class and not to be left out."""
    in_a_class = class_list.index_of_space_group[index.space_groups] >= 0
    return in_a_class & ~_has_formula(index.formulas, config.data.formulas_left_out)


def _tell_of_left_out(field: str, there: Texts, n_kept: int, n_wanted: int) -> None:
    """Says how many patterns of further sources are trained on, and why not all are."""
    _log.info("config.data.%s: %d of %d patterns are trained on", field, n_kept, n_wanted)
    if len(there):
        _log.warning(
            "config.data.%s: %d patterns are left out, since their ids are there already, such as "
            "%s; if they are of other structures, rename them",
            field,
            len(there),
            there[0],
        )


def _is_held_back(
    more: Index, index: Index, split: splits.Split, config: ConfigDict
) -> Bool[np.ndarray, " n"]:
    """Which further examples may not be trained on.

    Those that would be in the test set, were they of the first data set, are not trained on
    either: so what a network held out can be told of whatever crystals, wherever they come from.
    Nor are those whose formulas are held back, where the split is by formula.
    """
    found = splits.is_test(more.ids, more.formulas, seed=config.seed, split_by=config.data.split_by)
    if config.data.split_by == "formula":
        held_back = np.concatenate([split.test, split.validation])
        found |= np.isin(more.formulas, index.formulas[held_back])
    return found


def _has_formula(formulas: Texts, wanted: str) -> Bool[np.ndarray, " n"]:
    """Which formulas are among some, separated by commas, however their elements are ordered."""
    compositions = listed_compositions(wanted)
    if frozenset() in compositions:
        raise InputError(
            f"config.data.formulas_left_out={wanted}: separate formulas such as PbSO4 by commas"
        )
    if not compositions:
        return np.zeros(len(formulas), bool)
    elements = {frozenset(name for name, _ in found) for found in compositions}
    return np.fromiter(
        (
            frozenset(_ELEMENT.findall(text)) in elements and composition(text) in compositions
            for text in formulas
        ),
        bool,
        len(formulas),
    )


def _measured(config: ConfigDict) -> Float32[np.ndarray, "m grid"]:
    folder, grid = config.data.unlabelled_measured, GRIDS[config.data.grid]
    if folder is None:
        return np.zeros((0, len(grid.centres)), np.float32)
    from sgan_jax.unlabelled import prepared_patterns  # only now: readers take time to import

    return prepared_patterns(Path(folder), grid)


def _patterns(
    examples: Examples, chosen: Int[np.ndarray, " n"], split: splits.Split, config: ConfigDict
) -> tuple[Patterns, PatternAxis]:
    """The patterns of some examples, and what they are drawn over."""
    if not config.augmentation.enabled:
        files = StreamedPatterns(examples, chosen)
        axis = angle_axis(instrument(config.data.instrument).two_theta)
        return _stored_patterns(files, config.data.streamed), axis
    grid = GRIDS[config.data.grid]
    patterns = AugmentedPatterns(
        crystal_table(examples, chosen),
        second_phases=np.setdiff1d(np.arange(len(chosen)), split.test),
        grid=grid,
        effects=Effects(**{name: config.augmentation[name] for name in EFFECTS}),
        scattering_lengths=config.data.scattering_lengths,
    )
    return patterns, spacing_axis(grid)


def _stored_patterns(files: StreamedPatterns, streamed: bool | None) -> Patterns:
    """The patterns of some files where the config wants them.

    Left to choose, it takes them into memory if they fill no more than half of what is free, were
    all processes of the run on this machine. Processes that stream share what the system keeps of
    the files in memory, but each pays for the decoding.
    """
    if streamed is None:
        size = np.dtype(np.float32).itemsize * math.prod(files.shape)
        streamed = 2 * size * processes.count() > available_memory()
    return files if streamed else in_memory(files)


def train_batches(dataset: Dataset, config: ConfigDict, start_step: int) -> Generator[HostBatch]:
    """Endless batches from a step on, made ahead of their use in threads.

    Batch n is a function of the data set, the seed and n alone. Labelled and unlabelled patterns
    are two streams; each passes through all its patterns, in a new order every time. The labels of
    unlabelled patterns are never looked at. Where a run has several processes, each makes its own
    share of the batch: of B rows, process i of P makes those from i·B/P on.

    Args:
        dataset: Where the patterns are.
        config: Of which seed, method and batch size are read.
        start_step: Number of the first batch.
    """
    labelled = Passes(dataset.split.labelled, (config.seed, 0))
    unlabelled = Passes(dataset.split.unlabelled, (config.seed, 1))
    measured = Passes(np.arange(len(dataset.measured)), (config.seed, 2))
    share = config.batch_size // processes.count()
    offset = processes.index() * share
    own = slice(offset, offset + share)

    def patterns(rows: Int[np.ndarray, " n"], stream: int, step: int) -> np.ndarray:
        if isinstance(dataset.patterns, AugmentedPatterns):
            seeds = config.seed, stream, step
            return dataset.patterns.drawn(rows, seeds, own, config.batch_size)
        return dataset.patterns[rows]

    def unlabelled_patterns(first: int, step: int) -> np.ndarray:
        """Simulated patterns, but in every fourth place a measured one where there are any."""
        every = _MEASURED_EVERY if len(dataset.split.unlabelled) else 1
        if every == 1:
            return dataset.measured[measured[first : first + share]]
        made = patterns(unlabelled[first : first + share], 1, step)
        if len(dataset.measured):
            places = np.arange(-first % every, share, every)
            start = (first + places[0]) // every if len(places) else 0
            made[places] = dataset.measured[measured[start : start + len(places)]]
        return made

    def batch(step: int) -> HostBatch:
        first = step * config.batch_size + offset
        rows = labelled[first : first + share]
        made: HostBatch = {
            "labelled": {"pattern": patterns(rows, 0, step), "label": dataset.labels[rows]}
        }
        if config.method == "sgan":
            made["unlabelled"] = {"pattern": unlabelled_patterns(first, step)}
        return made

    return ahead(batch, itertools.count(start_step))


def _check(
    split: splits.Split, labels: Int32[np.ndarray, " n"], config: ConfigDict, n_measured: int
) -> None:
    needed = {"labelled": split.labelled, "test": split.test}
    if config.method == "sgan" and not n_measured:
        needed["unlabelled"] = split.unlabelled
    for name, rows in needed.items():
        if len(rows) == 0:
            raise InputError(
                f"no {name} patterns among the {len(labels)} of the data set; name more "
                "structures in config.data.sources, raise config.data.limit or change "
                "config.label_fraction"
            )


def _warn_of_missing_labels(dataset: Dataset) -> None:
    missing = dataset.classes_without_label
    if missing:
        _log.warning(
            "classes with patterns but without a labelled one, which cannot be learnt: %d (%s)",
            len(missing),
            ", ".join(missing),
        )
