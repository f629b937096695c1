"""`open_sources`: which names are understood, and what is said about those that are not."""

import pickle
import shutil
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from data_gen.crystal import Crystal
from data_gen.errors import InputError, StructureError
from data_gen.sources import PymatgenSource, open_sources

HALITE = Path(__file__).parent / "data" / "halite.cif"


def test_several_sources_together(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(HALITE, folder / "a.cif")
    first, second = open_sources(f"{HALITE}, {folder}")
    assert (first.name, second.name) == ("halite", "mine")
    assert [name for name, _ in first] == ["halite"]
    assert [name for name, _ in second] == ["a"]


@pytest.mark.parametrize("spec", ["", " , "])
def test_no_source(spec: str) -> None:
    with pytest.raises(InputError, match="no sources given"):
        open_sources(spec)


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"'nowhere\.tar' does not exist"):
        open_sources("nowhere.tar")


def test_a_file_of_unknown_kind(tmp_path: Path) -> None:
    path = tmp_path / "structures.xlsx"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="no known kind"):
        open_sources(str(path))


def test_a_folder_without_structures(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(InputError, match="holds no structures"):
        open_sources(str(tmp_path))


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("id,cif\n")
    with pytest.raises(InputError, match="holds no structures: there is no row"):
        open_sources(str(path))


@pytest.mark.parametrize("name", ["~no_one_of_that_name/cifs", "x" * 5000])
def test_a_path_that_cannot_be(name: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_sources(name)


def test_pymatgen_structures() -> None:
    lattice = Lattice.cubic(4.12)
    structures = [
        Structure(lattice, ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        Structure(lattice, [], []),
        Structure(lattice, ["Po"], [[0, 0, 0]]),
    ]
    source = PymatgenSource(structures, "mine")
    assert source.count() == 3
    assert [(name, crystal.space_group) for name, crystal in source] == [
        ("mine_0", 221),
        ("mine_2", 221),
    ]
    record = list(source.records())[1]
    [(name, error)] = record.parse(record.payload)
    assert (name, type(error)) == ("mine_1", StructureError)
    assert source.fingerprint() != PymatgenSource(structures[:1], "mine").fingerprint()
    assert source.fingerprint() == PymatgenSource(structures, "mine").fingerprint()


def test_records_travel_to_other_processes() -> None:
    (source,) = open_sources(str(HALITE))
    [record] = pickle.loads(pickle.dumps(list(source.records())))
    [(name, crystal)] = record.parse(record.payload)
    assert isinstance(crystal, Crystal)
    assert (name, record.source) == ("halite", "halite")
