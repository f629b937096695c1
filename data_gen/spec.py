"""What a data set is made of, and the fingerprint that tells it from all others."""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import cast

from data_gen.errors import InputError
from data_gen.instrument import DEFAULT_INSTRUMENT, Instrument, instrument
from data_gen.scattering import scattering_length
from data_gen.sources import Record, Source, open_sources

# Code that no example depends on.
_WITHOUT_EFFECT = {"__init__.py", "__main__.py", "beam.py", "claim.py", "command_line.py"}
LIBRARIES = ("gemmi", "moyopy", "numba", "numpy", "periodictable")
"""Libraries whose parser, tables and arithmetic decide the content."""


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set is made of.

    Two equal fingerprints mean equal examples, to the last bit on processors of one kind: numba
    compiles for the instructions that it finds, and sums in another order round differently.

    Attributes:
        sources: Comma-separated sources of structures, see `data_gen.sources.open_sources`.
        instrument: Name of a preset of `data_gen.instrument.INSTRUMENTS`.
        scattering_lengths: Table of neutron scattering lengths.
        limit: Read only the first so many structures over all sources.
        check_symmetry: Leave out ordered structures whose coordinates, at a tolerance of 0.1 Å,
            have another space group than their file states.

    Raises:
        InputError: An unknown instrument or table, or a limit below 1.
    """

    sources: str
    instrument: str = DEFAULT_INSTRUMENT
    scattering_lengths: str = "periodictable"
    limit: int | None = None
    check_symmetry: bool = False

    def __post_init__(self) -> None:
        scattering_length("H", self.scattering_lengths, instrument(self.instrument).wavelength)
        if self.limit is not None and not 1 <= self.limit <= sys.maxsize:
            raise InputError(f"limit is {self.limit}; it must be at least 1, or left out for all")

    @cached_property
    def opened_sources(self) -> tuple[Source, ...]:
        """The sources, opened once.

        Raises:
            InputError: A source does not exist or holds no structures.
        """
        return open_sources(self.sources)

    @cached_property
    def instrument_values(self) -> Instrument:
        """The named instrument itself."""
        return instrument(self.instrument)

    def fingerprint(self) -> str:
        """Hex digest over everything that decides the content.

        It covers the content of the sources, every field, the values behind the instrument's name
        and the code of this package with the libraries that it computes with.

        Raises:
            InputError: As `opened_sources`.
        """
        identity = {
            "spec": asdict(self) | {"sources": [s.fingerprint() for s in self.opened_sources]},
            "instrument": asdict(self.instrument_values),
            "code": _code_digest(),
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def records(self) -> Iterator[Record]:
        """Unparsed structures of all sources in order, at most `limit`."""
        return islice(chain.from_iterable(s.records() for s in self.opened_sources), self.limit)

    def count(self) -> int | None:
        """Number of structures to expect, None if a source cannot tell."""
        counts = [source.count() for source in self.opened_sources]
        if None in counts:
            return self.limit
        total = sum(cast(list[int], counts))
        return total if self.limit is None else min(total, self.limit)


@cache  # what is imported stays as it is, whatever becomes of its files
def _code_digest() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.name not in _WITHOUT_EFFECT or path.parent != package:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()
