"""Structures that are pymatgen objects in a running program."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from data_gen.crystal import Crystal
from data_gen.errors import StructureError
from data_gen.sources.base import Parsed, Record, Source

if TYPE_CHECKING:
    from pymatgen.core import Structure


class PymatgenSource(Source):
    """pymatgen structures; their symmetry is found from the coordinates.

    Attributes:
        name: Short name; ids are this name and the position in the sequence.
    """

    def __init__(self, structures: "Sequence[Structure]", name: str) -> None:
        self._structures = structures
        self.name = name

    def fingerprint(self) -> str:
        """Returns a hash of all structures."""
        digest = hashlib.sha256()
        for structure in self._structures:
            digest.update(json.dumps(structure.as_dict(), sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def count(self) -> int:
        """Returns the number of structures."""
        return len(self._structures)

    def records(self) -> Iterator[Record]:
        """Yields the structures in order."""
        for index, structure in enumerate(self._structures):
            name = f"{self.name}_{index}"
            yield Record(name, self.name, (name, structure), _parse)


def _parse(payload: tuple[str, Any]) -> Iterator[Parsed]:
    name, structure = payload
    try:
        yield name, Crystal.from_pymatgen(structure)
    except StructureError as error:
        yield name, error
