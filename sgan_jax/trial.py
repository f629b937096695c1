"""A classifier tried on the crystals of any sources.

Their patterns are simulated as those on which it was trained: for the classifier of one instrument
that instrument's, ideal, as the data set builder makes them; for a classifier of measured patterns
measurements with all effects that evaluation has, each crystal's always the same.
"""

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int
from tqdm import tqdm

from data_gen.builder import build
from data_gen.errors import InputError, StructureError
from data_gen.instrument import INSTRUMENTS
from data_gen.spec import DatasetSpec
from data_gen.symmetry import ClassList
from sgan_jax import splits
from sgan_jax.augmentation.crystals import crystal_table
from sgan_jax.augmentation.effects import EVALUATED
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.classifier import MOST_AT_ONCE, Classifier
from sgan_jax.dataset_index import Index, Texts, open_dataset
from sgan_jax.figures import PatternAxis, angle_axis, spacing_axis
from sgan_jax.prefetch import ahead
from sgan_jax.records import Patterns, Records, StreamedPatterns


@dataclass(frozen=True, eq=False)
class Trial:
    """The answers of a classifier.

    Attributes:
        class_list: Its classes.
        axis: What its patterns are to be drawn over.
        patterns: Those of all crystals of its classes that are not passed over.
        rows: Of the patterns that it was asked about.
        logits: Its answers to them, divided by its temperature.
        space_groups: Space group numbers of their crystals.
        formulas: Compositions of their crystals.
        n_passed_over: Crystals outside its test set, where only that was asked for.
        left_out: Other crystals that are of none of its classes, by space group number.
        rejected_by_reason: Structures without a pattern.
        folder: Of the data set.
        fingerprint: Of the data set.
    """

    class_list: ClassList
    axis: PatternAxis
    patterns: Patterns
    rows: Int[np.ndarray, " n"]
    logits: Float32[np.ndarray, "n classes"]
    space_groups: Int[np.ndarray, " n"]
    formulas: Texts
    n_passed_over: int
    left_out: dict[int, int]
    rejected_by_reason: dict[str, int]
    folder: Path
    fingerprint: str

    @property
    def labels(self) -> Int[np.ndarray, " n"]:
        """The true classes."""
        return self.class_list.index_of_space_group[self.space_groups]


def dataset_spec(classifier: Classifier, sources: str, limit: int | None) -> DatasetSpec:
    """The data set of structures, made as that on which a classifier was trained.

    Args:
        classifier: To be tried.
        sources: See `data_gen.sources.open_sources`.
        limit: Read only the first so many structures.

    Raises:
        InputError: The limit is below 1, or patterns cannot be simulated for the classifier.
        KeyError: It does not say on which data it was trained.
    """
    used = classifier.instrument
    if INSTRUMENTS.get(used.name) != used:
        raise InputError(
            f"the model is for the instrument {used.name!r} with values that this program does not "
            "know, so no patterns can be simulated for it; install the sgan_jax that exported it"
        )
    if classifier.takes_roots and classifier.grid is None:
        raise InputError(
            "the model is for measured patterns but names no grid, so none can be simulated for "
            "it; export it again"
        )
    data = classifier.description["training"]["config"]["data"]
    return DatasetSpec(
        sources, used.name, data["scattering_lengths"], limit, data["check_symmetry"]
    )


def try_classifier(
    classifier: Classifier, spec: DatasetSpec, data_dir: Path | str, *, held_out: bool = False
) -> Trial:
    """Asks a classifier about every crystal of a data set that is of one of its classes.

    The patterns are in the files of the data set or made as they are asked for; in memory are the
    answers and, where measurements are simulated, the crystals.

    Args:
        classifier: To be tried.
        spec: Of `dataset_spec`.
        data_dir: Where data sets are; this one is built if it is not there.
        held_out: Pass over the crystals that its own split does not put into the test set. The
            compositions that its training did without (`data.formulas_left_out`) are split like
            all others: it was trained on none of them, but asking about all of them would give
            these few a weight that they have not in the sources. Where its data were split at
            random, the same crystal has another id elsewhere, so the sources must be its own.

    Raises:
        InputError: The sources or the folder cannot be used, or no crystal can be asked about.
    """
    own_split = (
        splits.split_of_training(classifier.description, spec.sources, "do without --held_out")
        if held_out
        else None
    )
    opened = open_dataset(build(spec, data_dir))
    wanted = _is_wanted(opened.index, own_split)
    class_list = _class_list(classifier)
    known = wanted & (class_list.index_of_space_group[opened.index.space_groups] >= 0)
    left_out = Counter(opened.index.space_groups[wanted & ~known].tolist())
    if not known.any():
        raise InputError(
            f"none of the {wanted.sum():,} crystals is of a class of the model; their space groups "
            f"are {', '.join(map(str, sorted(left_out)))}; name other sources or another --model"
        )
    patterns, axis = _simulated(classifier, spec, opened.records, np.flatnonzero(known))
    rows, logits, reasons = ask(classifier, patterns)
    found = opened.index.select(known)
    return Trial(
        class_list=class_list,
        axis=axis,
        patterns=patterns,
        rows=rows,
        logits=logits / np.float32(classifier.temperature or 1.0),
        space_groups=found.space_groups[rows],
        formulas=found.formulas[rows],
        n_passed_over=int((~wanted).sum()),
        left_out=dict(sorted(left_out.items())),
        rejected_by_reason=dict((Counter(opened.rejected) + reasons).most_common()),
        folder=opened.records.folder,
        fingerprint=opened.fingerprint,
    )


def _is_wanted(index: Index, own_split: splits.OwnSplit | None) -> Bool[np.ndarray, " n"]:
    """Which crystals are not passed over."""
    if own_split is None:
        return np.ones(len(index.ids), bool)
    wanted = splits.is_test(index.ids, index.formulas, **own_split._asdict())
    if not wanted.any():
        raise InputError(
            f"none of the {len(wanted):,} crystals is in the model's test set (split_by="
            f"{own_split.split_by}, seed {own_split.seed}); name more sources, or do without "
            "--held_out"
        )
    return wanted


def _class_list(classifier: Classifier) -> ClassList:
    index = np.full(231, -1)
    for number, entry in enumerate(classifier.classes):
        index[list(entry.space_groups)] = number
    return ClassList(classifier.task, tuple(entry.name for entry in classifier.classes), index)


def _simulated(
    classifier: Classifier, spec: DatasetSpec, records: Records, chosen: Int[np.ndarray, " n"]
) -> tuple[Patterns, PatternAxis]:
    """The patterns of some examples, and what they are to be drawn over."""
    if not classifier.takes_roots or classifier.grid is None:
        return StreamedPatterns(records, chosen), angle_axis(classifier.instrument.two_theta)
    patterns = AugmentedPatterns(
        crystal_table(records, chosen),
        second_phases=np.arange(len(chosen)),
        grid=classifier.grid,
        effects=EVALUATED,
        scattering_lengths=spec.scattering_lengths,
    )
    return patterns, spacing_axis(classifier.grid)


class _Batch(NamedTuple):
    """Patterns of some crystals.

    Attributes:
        rows: Of the patterns that there are.
        patterns: These.
        reasons: Why there are no others.
    """

    rows: Int[np.ndarray, " n"]
    patterns: Float32[np.ndarray, "n grid"]
    reasons: list[str]


def ask(
    classifier: Classifier, patterns: Patterns
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, "n classes"], Counter[str]]:
    """Asks a classifier about all patterns, which are made in threads ahead of it.

    Returns:
        Rows of the patterns that can be made, the logits of each, and why there are no others.

    Raises:
        InputError: None can be made.
    """
    count = patterns.shape[0]

    def batch(first: int) -> _Batch:
        return _batch(patterns, np.arange(first, min(first + MOST_AT_ONCE, count)))

    rows, logits, reasons = [], [], Counter[str]()
    with (
        contextlib.closing(ahead(batch, range(0, count, MOST_AT_ONCE))) as batches,
        tqdm(desc="asking", total=count, unit=" patterns", smoothing=0.05) as bar,
    ):
        for made in batches:
            rows.append(made.rows)
            logits.append(classifier.logits(made.patterns))
            reasons.update(made.reasons)
            bar.update(len(made.rows) + len(made.reasons))
    if reasons.total() == count:
        raise InputError(f"no crystal can be measured: {', '.join(reasons)}; name other sources")
    return np.concatenate(rows), np.concatenate(logits), reasons


def _batch(patterns: Patterns, rows: Int[np.ndarray, " n"]) -> _Batch:
    """Makes patterns; a crystal that cannot be measured does not take the others with it."""
    try:
        return _Batch(rows, patterns[rows], [])
    except StructureError as error:
        if len(rows) == 1:
            return _Batch(
                rows[:0], np.zeros((0, patterns.shape[1]), np.float32), [str(error.reason)]
            )
    alone = [_batch(patterns, rows[place : place + 1]) for place in range(len(rows))]
    return _Batch(
        np.concatenate([each.rows for each in alone]),
        np.concatenate([each.patterns for each in alone]),
        [reason for each in alone for reason in each.reasons],
    )
