"""One answer of two networks: each space group has a lattice, so either can judge the other."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from sgan_jax.classifier import OutputClass

POWER = 0.55
"""Of the product of both networks' probabilities. Independent networks would have 1, equal ones ½.
`python -m benchmarks.both_networks` fits it on the crystals held back for validation."""

_NEVER = 1e-12

Probabilities = Float64[np.ndarray, "n classes"]


def lattices_of(
    groups: Sequence[OutputClass], lattices: Sequence[OutputClass]
) -> Int64[np.ndarray, " groups"]:
    """The lattice class that each space-group class belongs to; -1 where there is none."""
    number = {group: n for n, entry in enumerate(lattices) for group in entry.space_groups}
    return np.array([number.get(entry.space_groups[0], -1) for entry in groups], np.int64)


def agreed(
    lattices: Probabilities,
    groups: Probabilities,
    lattice_of_group: Int64[np.ndarray, " groups"],
    power: float = POWER,
) -> tuple[Probabilities, Probabilities]:
    """Probabilities of lattices and of space groups on which two networks agree.

    Those of the lattices are the product of what both networks say of them, to a power; those of
    the space groups follow, while space groups of the same lattice keep their ratios.

    Args:
        lattices: By the network of the lattices.
        groups: By the network of the space groups.
        lattice_of_group: As by `lattices_of`, without -1.
        power: See `POWER`.
    """
    members = np.eye(lattices.shape[1])[lattice_of_group]
    by_groups = groups @ members
    together = _normalised((lattices * by_groups + _NEVER) ** power)
    ratio = together / (by_groups + _NEVER)
    return together, _normalised(groups * ratio[:, lattice_of_group])


def _normalised(weights: Probabilities) -> Probabilities:
    return weights / weights.sum(axis=1, keepdims=True)
