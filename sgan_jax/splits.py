"""Which patterns are test, labelled, validation and unlabelled, decided by hashes.

A pattern's place depends on its id (or formula) and the seed alone: not on the order of the data
set, on other patterns or on the machine. Smaller labelled sets are subsets of larger ones.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_gen.errors import InputError
from data_gen.sources import source_names

TEST_FRACTION = 0.1
"""Share of patterns that are never trained on (Lolla et al. 2022, section 2)."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into the data set; the four sets are disjoint and cover it.

    Attributes:
        test: Never seen in training.
        labelled: Seen with their labels.
        validation: Taken out of the labelled set, for model selection.
        unlabelled: Seen without their labels.
    """

    test: Int[np.ndarray, " n_test"]
    labelled: Int[np.ndarray, " n_labelled"]
    validation: Int[np.ndarray, " n_validation"]
    unlabelled: Int[np.ndarray, " n_unlabelled"]

    def with_more(self, subset: str, rows: Int[np.ndarray, " m"]) -> "Split":
        """The same split with further patterns, all of them in one of its sets."""
        return replace(self, **{subset: np.concatenate([getattr(self, subset), rows])})


def split(
    ids: Collection[str],
    formulas: Collection[str],
    *,
    seed: int,
    label_fraction: float,
    split_by: str = "random",
    validation_fraction: float = 0.0,
) -> Split:
    """Splits a data set: a tenth test, `label_fraction` of all labelled, the rest unlabelled.

    Args:
        ids: Unique names of the patterns.
        formulas: Their compositions.
        seed: Another seed gives another split.
        label_fraction: Share of all patterns, in (0, 0.9].
        split_by: `random`; or `formula`, so that no composition is on both sides of the test
            split (nor of the validation split).
        validation_fraction: Share of the labelled patterns that is held back.
    """
    group = _group(ids, formulas, split_by)
    test = is_test(ids, formulas, seed=seed, split_by=split_by)
    labelled = ~test & (_uniform("label", seed, ids) < label_fraction / (1 - TEST_FRACTION))
    validation = labelled & (_uniform("validation", seed, group) < validation_fraction)
    return Split(
        test=np.flatnonzero(test),
        labelled=np.flatnonzero(labelled & ~validation),
        validation=np.flatnonzero(validation),
        unlabelled=np.flatnonzero(~test & ~labelled),
    )


def is_test(
    ids: Collection[str], formulas: Collection[str], *, seed: int, split_by: str
) -> Bool[np.ndarray, " n"]:
    """Which patterns are in the test set, of whatever data set they come.

    Args:
        ids: Names of the patterns; they decide where `split_by` is `random`.
        formulas: Their compositions; they decide where it is `formula`.
        seed: As for `split`.
        split_by: As for `split`.
    """
    return _uniform("test", seed, _group(ids, formulas, split_by)) < TEST_FRACTION


class OwnSplit(NamedTuple):
    """By what the training of a classifier chose its test set; see `is_test`."""

    seed: int
    split_by: str


def split_of_training(description: Mapping[str, Any], sources: str, remedy: str) -> OwnSplit:
    """How the crystals that a classifier learnt from were split.

    Args:
        description: Of the classifier, its `model.json`.
        sources: Of whose crystals it is to be known whether they were held out.
        remedy: What can be done where it is not known.

    Raises:
        InputError: It does not say so; or ids decided, and these are not the sources of its own.
    """
    try:
        config = description["training"]["config"]
        own_split = OwnSplit(config["seed"], config["data"]["split_by"])
        own_sources = list(description["licence"]["data_sources"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the model does not say how its data were split ({error} is missing), so what it held "
            f"out is unknown; export it again, or {remedy}"
        ) from error
    others = {Path(source).name for source in source_names(sources)} - set(own_sources)
    if own_split.split_by == "random" and others:
        raise InputError(
            "the model's data were split by id, so what it held out is known of its own sources "
            f"alone ({', '.join(own_sources)}), and {', '.join(sorted(others))} is none of them; "
            f"name those, or {remedy}"
        )
    return own_split


def _group(ids: Collection[str], formulas: Collection[str], split_by: str) -> Collection[str]:
    """What is on one side as a whole."""
    return {"random": ids, "formula": formulas}[split_by]


def _uniform(salt: str, seed: int, keys: Collection[str]) -> Float[np.ndarray, " n"]:
    """One number in [0, 1) per key; other salts give independent numbers."""
    digests = (
        hashlib.blake2b(f"{salt}/{seed}/{key}".encode(), digest_size=8).digest() for key in keys
    )
    whole_numbers = (int.from_bytes(digest) for digest in digests)
    return np.fromiter(whole_numbers, np.uint64, len(keys)) / 2.0**64
