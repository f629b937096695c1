"""The minerals of the American Mineralogist Crystal Structure Database.

R. T. Downs and M. Hall-Wallace, Am. Mineral. 88 (2003) 247. The entries come with the package
`larixite` as an SQLite file, which is opened read-only; the package's own functions, which may
download a larger file, are not called.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float

from data_gen.cif import Description, describe_sites, number
from data_gen.crystal import crystal_of
from data_gen.errors import InputError, Reason, StructureError
from data_gen.sites import rows_by_label
from data_gen.sources.base import Parsed, Record, Source, file_hash
from data_gen.species import site_species
from data_gen.symmetry import hermann_mauguin, setting_of_triplets, space_group_number

_FILE = "amcsd_cif1.db"
_SCALE = 4.0e6  # coordinates are stored as 32-bit integers, in units of 1/4,000,000
_NOT_GIVEN, _INAPPLICABLE = 2.0, 3.0  # stored in place of "?" and "."
_ABSENT = "0"  # in place of an array

_QUERY = """
    SELECT cif.id, cif.formula, a, b, c, alpha, beta, gamma, spacegroups.hm_notation,
           spacegroups.symmetry_xyz, atoms_sites, atoms_x, atoms_y, atoms_z, atoms_occupancy,
           atoms_u_iso, atoms_aniso_label, atoms_aniso_u11, atoms_aniso_u22, atoms_aniso_u33,
           atoms_aniso_u23, atoms_aniso_u13, atoms_aniso_u12
    FROM cif JOIN spacegroups ON spacegroups.id = cif.spacegroup_id
    ORDER BY cif.id
"""


class _Row(NamedTuple):
    """One entry as the database stores it.

    Numbers are base64 text, "0" where absent; labels are JSON, of a text where absent.
    """

    formula: str
    a: str
    b: str
    c: str
    alpha: str
    beta: str
    gamma: str
    space_group: str
    triplets: str
    labels: str
    x: str
    y: str
    z: str
    occupancies: str
    u_iso: str
    aniso_labels: str
    u11: str
    u22: str
    u33: str
    u23: str
    u13: str
    u12: str


class AmcsdSource(Source):
    """All entries of the packaged database; ids are ``amcsd_`` and the database's own code."""

    name = "amcsd"

    def __init__(self) -> None:
        self._path = _database()

    def fingerprint(self) -> str:
        """Returns the hash of the database file."""
        return file_hash(self._path)

    def count(self) -> int:
        """Returns the number of entries."""
        with closing(self._connect()) as connection:
            return connection.execute("SELECT count(*) FROM cif").fetchone()[0]

    def records(self) -> Iterator[Record]:
        """Yields the entries in the order of their codes."""
        with closing(self._connect()) as connection:
            for code, *columns in connection.execute(_QUERY):
                name = f"amcsd_{code:07d}"
                yield Record(name, self.name, (name, _Row(*columns)), _parse)

    def _connect(self) -> sqlite3.Connection:
        # Records that were not read to the end are closed by whoever drops them, in any thread.
        database = f"{self._path.as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(database, uri=True, check_same_thread=False)


def _database() -> Path:
    package = find_spec("larixite")  # locates the package without running it
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        path = Path(folder) / _FILE
        if path.is_file():
            return path
    raise InputError(
        f"source 'amcsd': {_FILE} of the package larixite was not found; "
        "install it with: pip install larixite"
    )


def _parse(payload: tuple[str, _Row]) -> Iterator[Parsed]:
    name, row = payload
    try:
        yield name, crystal_of(_describe(row))
    except StructureError as error:
        yield name, error
    except (ValueError, TypeError) as error:  # JSON, base64, or columns of different length
        yield name, StructureError(Reason.UNREADABLE, str(error))


def _describe(row: _Row) -> Description:
    cell = np.array([number(text) for text in row[1:7]])
    setting = _setting(row.space_group, row.triplets)
    labels = json.loads(row.labels)
    positions = np.stack([_decode(row.x), _decode(row.y), _decode(row.z)], axis=1)
    occupancies = np.ones(len(labels)) if row.occupancies == _ABSENT else _decode(row.occupancies)
    isotropic = None if row.u_iso == _ABSENT else _decode(row.u_iso)
    found = [site_species("", label, row.formula) for label in labels]
    values = (occupancies, positions, isotropic, _anisotropic(row, labels))
    return describe_sites(cell, setting, found, labels, values, row.formula)


def _anisotropic(row: _Row, labels: list[str]) -> Float[np.ndarray, "sites 6"] | None:
    names = json.loads(row.aniso_labels)
    if not isinstance(names, list):
        return None
    tensors = np.stack([_decode(text) for text in row[-6:]], axis=1)
    # The site O5* of a few entries has its tensor under O5'.
    return rows_by_label(labels, [name.replace("'", "*") for name in names], tensors)


@lru_cache(maxsize=1024)
def _setting(name: str, triplets: str) -> str:
    """Returns the setting of the operations, if they are those of the name.

    A few rows of the database pair the name of one space group with the operations of another.
    """
    setting = setting_of_triplets(tuple(json.loads(triplets)))
    named = gemmi.find_spacegroup_by_name(name.partition("%")[0].strip())  # "I 41/a %var1%"
    found = space_group_number(setting)
    if named is not None and named.number != found:
        detail = f"named {name!r}, with the operations of {hermann_mauguin(found)}"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail)
    return setting


def _decode(text: str) -> Float[np.ndarray, "n"]:
    """Returns an array of the database; NaN where the author gave no value."""
    values = np.frombuffer(base64.b64decode(text), dtype="<i4") / _SCALE
    return np.where((values == _NOT_GIVEN) | (values == _INAPPLICABLE), np.nan, values)
