"""Whether the networks in PyTorch are those of this repository: same weights, same results."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.peers.weights import Arrays, below

TOLERANCES = {
    "logits": 1e-4,
    "losses": 1e-4,
    "supervised gradient": 1e-3,
    "unsupervised gradient": 1e-3,
    "generator gradient": 1e-3,
    "running statistics": 1e-3,
}


@dataclass(frozen=True)
class Difference:
    """How far apart two sides are in one kind of result.

    Attributes:
        kind: A key of `TOLERANCES`.
        largest: Of ‖theirs − ours‖ / ‖ours‖, over the arrays of that kind.
        where: The array that it is found in.
    """

    kind: str
    largest: float
    where: str

    @property
    def within(self) -> bool:
        """Whether the two sides agree."""
        return self.largest <= TOLERANCES[self.kind]  # not so for NaN


def compare(ours: Arrays, theirs: Arrays) -> list[Difference]:
    """Compares the results of both sides, kind by kind.

    Raises:
        KeyError: The other side left something out.
    """
    return [_largest(kind, _of(ours, kind), _of(theirs, kind)) for kind in TOLERANCES]


def _of(arrays: Arrays, kind: str) -> Arrays:
    return {kind: arrays[kind]} if kind in arrays else below(arrays, kind)


def _largest(kind: str, ours: Mapping[str, np.ndarray], theirs: Arrays) -> Difference:
    found = {name: _relative(theirs[name], own) for name, own in ours.items()}
    where = max(found, key=lambda name: np.nan_to_num(found[name], nan=np.inf))
    return Difference(kind, found[where], where)


def _relative(theirs: np.ndarray, ours: np.ndarray) -> float:
    if theirs.shape != ours.shape:
        return float("inf")
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))
