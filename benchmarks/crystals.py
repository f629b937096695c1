"""The crystals of the benchmark: the same for every package, drawn with a fixed seed."""

import hashlib
import heapq
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.crystal import Crystal
from data_gen.errors import InputError, StructureError
from data_gen.orbits import unit_cell_sites
from data_gen.scattering import missing_elements
from data_gen.sources import Record, open_sources
from data_gen.species import ELEMENTS

VOLUMES = (50.0, 2000.0)  # Å3, of the conventional cell
SITES = (4, 144)  # atoms in it

_CANDIDATES = 10  # records drawn for each crystal wanted: not all can serve


def draw(sources: str, count: int, seed: int) -> dict[str, Crystal]:
    """Draws crystals that every package can be given.

    They are ordered, of elements in natural abundance whose scattering all tables know, in a
    tabulated setting, and of moderate size. The draw depends on the seed and on the names of the
    structures, not on their order.

    Args:
        sources: See `data_gen.sources.open_sources`.
        count: How many are wanted; fewer if there are no more.
        seed: Of the draw.

    Raises:
        InputError: A source cannot be read, or nothing in it can serve.
    """
    records = chain.from_iterable(source.records() for source in open_sources(sources))
    chosen = heapq.nsmallest(_CANDIDATES * count, records, key=lambda r: lot(r, seed))
    found: dict[str, Crystal] = {}
    for name, crystal in _parsed(chosen):
        if len(found) == count:
            break
        if _can_serve(crystal):
            found[name] = crystal
    if not found:
        raise InputError(f"no structure of {sources!r} can serve; name a larger archive")
    return found


def lot(record: Record, seed: int) -> bytes:
    """Returns the lot that a record draws; it depends on its name and the seed alone."""
    return hashlib.blake2b(f"{seed} {record.id}".encode(), digest_size=16).digest()


def _parsed(records: list[Record]) -> Iterator[tuple[str, Crystal]]:
    for record in records:
        for name, crystal in record.parse(record.payload):
            if not isinstance(crystal, StructureError):
                yield name, crystal


def _can_serve(crystal: Crystal) -> bool:
    unknown = set(missing_elements("neutron", "sears1992"))
    unknown.update(missing_elements("neutron", "periodictable"))
    ordered = np.all(crystal.occupancies == 1.0)
    natural = set(crystal.species) <= ELEMENTS - {"D"} - unknown
    tabulated = "," not in crystal.setting
    if not (ordered and natural and tabulated and VOLUMES[0] <= crystal.volume <= VOLUMES[1]):
        return False
    atoms = len(unit_cell_sites(crystal.setting, crystal.positions).positions)
    return SITES[0] <= atoms <= SITES[1]


def write_exchange_file(path: Path, crystals: dict[str, Crystal]) -> None:
    """Writes crystals for the scripts of the peers."""
    path.write_text(json.dumps([_entry(name, crystal) for name, crystal in crystals.items()]))


def _entry(name: str, crystal: Crystal) -> dict[str, Any]:
    """Returns a crystal as its asymmetric unit and, beside it, as all atoms of its cell."""
    cell = unit_cell_sites(crystal.setting, crystal.positions)
    return {
        "id": name,
        "cell": crystal.cell.tolist(),
        "hall": crystal.setting,
        "species": crystal.species,
        "occupancies": crystal.occupancies.tolist(),
        "positions": crystal.positions.tolist(),
        "atoms": {
            "species": [crystal.species[site] for site in cell.site],
            "positions": cell.positions.tolist(),
        },
    }
