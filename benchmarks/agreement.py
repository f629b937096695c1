"""Whether a peer computes the same intensities, so that nobody is timed for wrong numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from benchmarks.peers.measuring import TWO_THETA, WAVELENGTH
from data_gen.crystal import Crystal
from data_gen.reflections import reflections
from data_gen.scattering import scattering_length

_TABLE = "sears1992"  # what the peers use, most of them
_SAME_LENGTH = 1e-4  # relative
_SAME_D = 2e-5  # relative: lines closer than this are compared as one
_WEAK = 1e-2  # of the strongest line: below, lines are not compared
_AT_THE_EDGE = 1e-4  # relative: lines so near an end of the range may be in one list only


@dataclass(frozen=True)
class Agreement:
    """Relative differences of intensities from ours.

    Attributes:
        crystals: How many were compared.
        median: Over all lines of all crystals; NaN without crystals.
        largest: The same, largest.
    """

    crystals: int
    median: float
    largest: float


def compare(
    crystals: Mapping[str, Crystal], result: Mapping[str, Any], radiation: str
) -> Agreement:
    """Compares the lines that a peer found with ours.

    For neutrons, crystals with an element whose scattering length in the peer differs from that
    of Sears (1992) are passed over; both lists are scaled to the same sum.

    Args:
        crystals: Those that the peer was given.
        result: What its script wrote.
        radiation: ``"neutron"`` or ``"xray"``.
    """
    lengths = {name: complex(*value) for name, value in result["scattering_lengths"].items()}
    differences = []
    for name, lines in result["lines"].items():
        crystal = crystals[name]
        if radiation == "neutron" and not _same_lengths(crystal, lengths):
            continue
        ours = reflections(crystal, WAVELENGTH, TWO_THETA, _TABLE, radiation=radiation)
        theirs = np.array([lines["d"], lines["intensity"]])
        differences.append(_differences(np.array([ours.d, ours.intensity]), theirs))
    if not differences:
        return Agreement(0, float("nan"), float("nan"))
    together = np.concatenate(differences)
    return Agreement(len(differences), float(np.median(together)), float(together.max()))


def _same_lengths(crystal: Crystal, lengths: Mapping[str, complex]) -> bool:
    return all(
        name in lengths
        and abs(lengths[name] - (own := scattering_length(name, _TABLE, WAVELENGTH)))
        <= _SAME_LENGTH * abs(own)
        for name in set(crystal.species)
    )


def _differences(
    ours: Float64[np.ndarray, "2 n"], theirs: Float64[np.ndarray, "2 m"]
) -> Float64[np.ndarray, " lines"]:
    """Returns relative differences of all lines that are not weak in both lists."""
    d = np.concatenate([ours[0], theirs[0]])
    order = np.argsort(-d)
    starts = np.flatnonzero(np.diff(d[order], prepend=2 * d.max()) < -_SAME_D * d[order])
    shares = np.zeros((2, len(d)))
    shares[0, : ours.shape[1]] = ours[1] / ours[1].sum()
    shares[1, ours.shape[1] :] = theirs[1] / theirs[1].sum()
    sums = np.add.reduceat(shares[:, order], starts, axis=1)
    strongest = sums.max(axis=0)
    edges = WAVELENGTH / 2 / np.sin(np.radians(np.array(TWO_THETA) / 2))
    inside = np.abs(d[order][starts][:, None] / edges - 1).min(axis=1) > _AT_THE_EDGE
    compared = (strongest > _WEAK * strongest.max()) & inside
    return np.abs(sums[0] - sums[1])[compared] / strongest[compared]
