"""The simulator of this repository, one crystal at a time or all in one call."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from measuring import TWO_THETA, WAVELENGTH, Calculate, Peer, each, measure, options

from data_gen.crystal import Crystal
from data_gen.instrument import DEFAULT_INSTRUMENT, instrument
from data_gen.packing import CrystalTable
from data_gen.reflections import reflections, reflections_many
from data_gen.simulate import simulate, simulate_many


def prepare(crystal: Mapping[str, Any]) -> Crystal:
    """Makes a crystal."""
    return Crystal(
        np.array(crystal["cell"]),
        crystal["hall"],
        tuple(crystal["species"]),
        np.array(crystal["occupancies"]),
        np.array(crystal["positions"]),
    )


def sticks(radiation: str, batched: bool) -> Calculate:
    """Returns the calculation of stick lists."""
    if batched:
        return lambda crystals: reflections_many(
            crystals, WAVELENGTH, TWO_THETA, radiation=radiation
        )
    return each(lambda crystal: reflections(crystal, WAVELENGTH, TWO_THETA, radiation=radiation))


def patterns(batched: bool) -> Calculate:
    """Returns the calculation of patterns on the default instrument's grid."""
    chosen = instrument(DEFAULT_INSTRUMENT)

    def many(crystals: Sequence[Crystal] | CrystalTable) -> list[Any]:
        found = simulate_many(crystals, chosen)
        return [found.errors.get(index, row) for index, row in enumerate(found.patterns)]

    return many if batched else each(lambda crystal: simulate(crystal, chosen))


def main() -> None:
    """Measures this package."""
    chosen = options()
    by_sticks = chosen.task == "sticks"
    calculate = sticks(chosen.radiation, chosen.batched) if by_sticks else patterns(chosen.batched)
    gather = CrystalTable.of if chosen.packed else list
    measure(Peer(version="", prepare=prepare, calculate=calculate, gather=gather), chosen)


if __name__ == "__main__":
    main()
