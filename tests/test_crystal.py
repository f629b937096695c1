"""Crystals from CIF text and from pymatgen; what is refused, and why."""

import pickle
import tarfile
from itertools import islice
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from data_gen.crystal import (
    Crystal,
    check_symmetry,
    crystals_from_cif_text,
    make_crystal,
)
from data_gen.errors import Reason, StructureError
from data_gen.sites import Sites
from data_gen.symmetry import bravais_lattice

HALITE = (Path(__file__).parent / "data" / "halite.cif").read_text()


def reason_of(text: str) -> Reason:
    with pytest.raises(StructureError) as caught:
        Crystal.from_cif_text(text)
    return caught.value.reason


def test_halite() -> None:
    crystal = Crystal.from_cif_text(HALITE)
    assert crystal.setting == "-F 4 2 3"
    assert crystal.space_group == 225
    assert crystal.species == ("Na", "Cl")
    assert crystal.formula == "ClNa"
    assert crystal.volume == pytest.approx(5.6402**3)
    np.testing.assert_allclose(crystal.cell, [5.6402] * 3 + [90] * 3)
    np.testing.assert_array_equal(crystal.positions, [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_a_crystal_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "halite.cif"
    path.write_text(HALITE)
    assert Crystal.from_cif(path).space_group == 225


def test_arrays_are_read_only_also_after_pickling() -> None:
    for crystal in (
        Crystal.from_cif_text(HALITE),
        pickle.loads(pickle.dumps(Crystal.from_cif_text(HALITE))),
    ):
        arrays = (crystal.cell, crystal.occupancies, crystal.positions, crystal.displacements)
        for values in arrays:
            assert values.dtype == np.float64
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 1


def test_operations_come_before_the_name() -> None:
    text = HALITE + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n"
    assert Crystal.from_cif_text(text).space_group == 2


@pytest.mark.parametrize(
    "symmetry",
    [
        "_symmetry_space_group_name_Hall '-F 4 2 3'",
        "_symmetry_space_group_name_H-M 'Fm-3m'",
        "_symmetry_Int_Tables_number 225",
    ],
)
def test_symmetry_by_name_where_there_are_no_operations(symmetry: str) -> None:
    text = HALITE.replace("_space_group_name_H-M_alt 'F m -3 m'", symmetry)
    assert Crystal.from_cif_text(text).space_group == 225


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (HALITE, "", Reason.NO_CELL),
        (HALITE, "data_global\n_journal_year 1999\n", Reason.NO_CELL),
        ("data_halite", "", Reason.UNREADABLE),
        ("_cell_length_a 5.6402(2)\n", "", Reason.NO_CELL),
        ("5.6402(2)", "?", Reason.NO_CELL),
        ("_cell_length_a 5.6402(2)", "_cell_length_a -5", Reason.NO_CELL),
        ("_alpha 90", "_alpha 180", Reason.NO_CELL),
        ("_alpha 90", "_alpha 270", Reason.NO_CELL),
        ("_alpha 90", "_alpha 0.01", Reason.NO_CELL),
        ("_space_group_name_H-M_alt 'F m -3 m'", "", Reason.IMPOSSIBLE_SYMMETRY),
        ("'F m -3 m'", "'F m m m m'", Reason.IMPOSSIBLE_SYMMETRY),
        ("_cell_length_c 5.6402(2)", "_cell_length_c 5.7", Reason.IMPOSSIBLE_SYMMETRY),
        ("_beta 90", "_beta 91", Reason.IMPOSSIBLE_SYMMETRY),
        ("Na1 Na1+ 0 0 0 1\nCl1 Cl1- 0.5 0.5 0.5 1\n", "", Reason.NO_ATOMS),
        ("0.5 0.5 0.5 1", "0.5 ? 0.5 1", Reason.UNKNOWN_VALUE),
        ("0.5 0.5 0.5 1", "0.5 . 0.5 1", Reason.UNKNOWN_VALUE),
        ("0.5 0.5 0.5 1", "0.5 8.25 0.5 1", Reason.UNKNOWN_VALUE),
        ("0.5 0.5 0.5 1", "0.5 0.5 0.5 ?", Reason.UNKNOWN_VALUE),
        ("0.5 0.5 0.5 1", "0.5 0.5 0.5 2.5", Reason.IMPOSSIBLE_OCCUPANCY),
        ("0.5 0.5 0.5 1", "0.5 0.5 0.5 -1", Reason.IMPOSSIBLE_OCCUPANCY),
        ("0.5 0.5 0.5 1", "0.0 0.5 0.5 1", Reason.IMPOSSIBLE_OCCUPANCY),
        ("Na1 Na1+", "M1 ?", Reason.UNKNOWN_ELEMENT),
        ("5.6402(2)", "56.402(2)", Reason.TOO_LARGE),
        ("5.6402(2)", "1e300", Reason.TOO_LARGE),
        ("'Na Cl'", "'Na Cl H2'", Reason.MISSING_HYDROGEN),
        ("Cl1 Cl1-", "Wat1 Wat", Reason.MISSING_HYDROGEN),
    ],
)
def test_what_cannot_serve_is_refused_with_its_reason(old: str, new: str, reason: Reason) -> None:
    assert old in HALITE
    assert reason_of(HALITE.replace(old, new)) is reason


def test_a_byte_order_mark_is_passed_over() -> None:
    assert Crystal.from_cif_text("\ufeff" + HALITE).space_group == 225


def test_a_file_that_is_too_large_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_gen.crystal.MAX_CIF_BYTES", 1000)
    path = tmp_path / "large.cif"
    path.write_text(HALITE + "#" * 1000)
    with pytest.raises(StructureError, match="too large"):
        Crystal.from_cif(path)


def test_what_is_quoted_from_a_file_is_kept_short() -> None:
    with pytest.raises(StructureError) as caught:
        Crystal.from_cif_text(HALITE.replace("F m -3 m", "F" * 5000))
    assert len(str(caught.value)) < 300


def test_too_many_atoms() -> None:
    sites = "".join(f"Na{i} Na {i / 60} 0.1 0.2 1\n" for i in range(27))
    assert reason_of(HALITE + sites) is Reason.TOO_LARGE


def test_hydrogen_that_is_there_is_not_missing() -> None:
    text = HALITE.replace("'Na Cl'", "'Na H'").replace("Cl1 Cl1-", "H1 H1-")
    assert Crystal.from_cif_text(text).formula == "HNa"
    deuterated = HALITE.replace("'Na Cl'", "'Na D'").replace("Cl1 Cl1-", "D1 D")
    assert Crystal.from_cif_text(deuterated).species == ("Na", "D")
    assert Crystal.from_cif_text(deuterated).formula == "HNa"


def test_part_of_the_hydrogen_is_not_enough() -> None:
    text = HALITE.replace("'Na Cl'", "'Na H'").replace(
        "Cl1 Cl1- 0.5 0.5 0.5 1", "H1 H 0.5 0.5 0.5 .5"
    )
    assert reason_of(text) is Reason.MISSING_HYDROGEN


def test_mixed_sites_and_isotopes_are_kept() -> None:
    sites = "Na1 Na 0 0 0 0.7\nK1 K 0 0 0 0.3\nCl1 37Cl 0.5 0.5 0.5 1\n"
    crystal = Crystal.from_cif_text(HALITE[: HALITE.index("Na1 Na1+")] + sites)
    assert crystal.species == ("Na", "K", "37Cl")
    np.testing.assert_allclose(crystal.occupancies, [0.7, 0.3, 1.0])
    assert crystal.formula == "ClK0.3Na0.7"


def test_empty_sites_vacancies_and_dummies_are_left_out() -> None:
    sites = "K1 K 0.25 0.25 0.25 0\nVac1 Vac 0.25 0.25 0.25 1\n"
    assert Crystal.from_cif_text(HALITE + sites).species == ("Na", "Cl")


def test_a_site_that_repeats_another_is_dropped() -> None:
    crystal = Crystal.from_cif_text(HALITE + "Na2 Na 0.5 0.5 0 1\nCl2 Cl 0.5 0 0 1\n")
    assert crystal.species == ("Na", "Cl")


def test_occupancies_a_little_over_one_are_rounding() -> None:
    crystal = Crystal.from_cif_text(HALITE.replace("0 0 0 1", "0 0 0 1.02"))
    assert crystal.occupancies[0] == 1.0


def test_the_constructor_puts_positions_on_special_ones() -> None:
    rounded = np.array([[0.3333, 0.66667, 0.25], [-0.3333, 0.3333, 1.5]], dtype=np.float32)
    cell = np.array([3.2, 3.2, 5.2, 90.0, 90.0, 120.0])
    crystal = Crystal(cell, "-P 6c 2c", ("Mg", "O"), np.ones(2), rounded)
    exact = [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.5]]
    np.testing.assert_allclose(crystal.positions, exact, atol=1e-12)
    assert crystal.formula == "MgO2"


def test_displacements_are_kept_with_their_crystal() -> None:
    tensors = np.array([[0.01, 0.02, 0.03, 0.0, 0.0, 0.001], [np.nan] * 6], dtype=np.float32)
    cell, places = np.array([3.0, 4.0, 5.0, 90, 90, 90]), np.array([[0.1, 0.2, 0.3], [0, 0, 0]])
    crystal = Crystal(cell, "P 1", ("Mg", "O"), np.ones(2), places, tensors)
    for same in (crystal, pickle.loads(pickle.dumps(crystal))):
        np.testing.assert_array_equal(same.displacements, tensors)
    assert np.isnan(Crystal(cell, "P 1", ("Mg", "O"), np.ones(2), places).displacements).all()


def test_arrays_in_any_memory_order_are_taken() -> None:
    places = np.asfortranarray([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    cell = np.array([3.0, 4.0, 5.0, 90, 90, 90])
    crystal = Crystal(cell, "P 1", ("Mg", "O"), np.ones(2), places)
    assert crystal.positions.flags.c_contiguous
    np.testing.assert_array_equal(crystal.positions, places)


def test_rounded_special_positions_are_made_exact() -> None:
    crystal = make_crystal(
        np.array([3.0, 3.0, 5.0, 90, 90, 120]),
        gemmi.SpaceGroup("P 63/m m c").hall,
        Sites(("Mg",), np.array([1.0]), np.array([[0.333, 0.667, 0.25]])),
    )
    np.testing.assert_allclose(crystal.positions, [[1 / 3, 2 / 3, 0.25]], atol=1e-12)
    assert crystal.formula == "Mg"


def test_a_cell_with_rounding_gets_the_shape_of_its_symmetry() -> None:
    crystal = Crystal.from_cif_text(HALITE.replace("_length_c 5.6402(2)", "_length_c 5.6410"))
    assert crystal.cell[0] == pytest.approx(crystal.cell[2], rel=1e-12)


def test_blocks_without_a_structure_are_passed_over() -> None:
    other = HALITE.replace("data_halite", "data_other").replace("5.6402", "6.0")
    text = "data_global\n_journal_year 1999\n" + HALITE + other
    found = dict(crystals_from_cif_text(text))
    assert list(found) == ["halite", "other"]
    assert all(isinstance(crystal, Crystal) for crystal in found.values())


def test_one_bad_block_leaves_the_others() -> None:
    text = HALITE.replace("'F m -3 m'", "?") + HALITE.replace("data_halite", "data_2")
    first, second = crystals_from_cif_text(text)
    assert isinstance(first[1], StructureError)
    assert isinstance(second[1], Crystal)


def test_untabulated_settings_are_kept() -> None:
    operations = gemmi.SpaceGroup("P 21 21 21").operations()
    shift = gemmi.Op("x,y+1/8,z+1/8")
    operations.change_basis_forward(shift)
    loop = "\n".join(["loop_", "_symmetry_equiv_pos_as_xyz", *(o.triplet() for o in operations)])
    crystal = Crystal.from_cif_text(HALITE + loop + "\n")
    assert crystal.space_group == 19
    assert ";" in crystal.setting


# ---------------------------------------------------------------- coordinates, pymatgen


def test_symmetry_of_the_coordinates() -> None:
    crystal = Crystal.from_cif_text(HALITE)
    assert check_symmetry(crystal) == 225
    lower = HALITE + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,-z\n"
    assert check_symmetry(Crystal.from_cif_text(lower)) == 221  # CsCl, described in P-1
    disordered = HALITE.replace("0 0 0 1", "0 0 0 0.5")
    assert check_symmetry(Crystal.from_cif_text(disordered)) is None


def test_from_pymatgen_finds_the_symmetry() -> None:
    primitive = Lattice.from_parameters(3.988, 3.988, 3.988, 60, 60, 60)
    structure = Structure(primitive, ["Na+", "Cl-"], [[0.01, 0, 0], [0.51, 0.5, 0.5]])
    crystal = Crystal.from_pymatgen(structure)
    assert crystal.space_group == 225
    assert sorted(crystal.species) == ["Cl", "Na"]
    assert crystal.formula == "ClNa"
    assert crystal.volume == pytest.approx(4 * structure.volume)


def test_from_pymatgen_keeps_disorder() -> None:
    mixed = {"Fe": 0.25, "Ni": 0.75}
    places = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    structure = Structure(Lattice.cubic(3.6), [mixed] * 4, places)
    crystal = Crystal.from_pymatgen(structure)
    assert crystal.space_group == 225
    assert dict(zip(crystal.species, crystal.occupancies, strict=True)) == mixed


def test_from_pymatgen_refuses_nothing_at_all() -> None:
    with pytest.raises(StructureError) as caught:
        Crystal.from_pymatgen(Structure(Lattice.cubic(3.0), [], []))
    assert caught.value.reason is Reason.NO_ATOMS


# ---------------------------------------------------------------- any text, real text


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_damaged_cifs_give_structure_errors_at_worst(data: st.DataObject) -> None:
    text = HALITE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 30, len(text))))
        piece = data.draw(
            st.one_of(
                st.text(max_size=5),
                st.sampled_from(["loop_\n", "?", " . ", "1e308", "nan", "inf", "-0", "'", "\n;\n"]),
                st.sampled_from(text.splitlines()).map(lambda line: line + "\n"),
            )
        )
        text = text[:start] + piece + text[end:]
    for _, crystal in crystals_from_cif_text(text):
        if isinstance(crystal, Crystal):
            assert 1 <= crystal.space_group <= 230
            assert crystal.formula
            assert np.isfinite(crystal.volume)


def test_real_cifs_agree_with_their_space_group_number(shared_data: Path) -> None:
    archive = shared_data / "structures" / "mp_icsd.tar.gz"
    sizes = []
    with tarfile.open(archive, "r|gz") as members:
        for member in islice(members, 300):
            file = members.extractfile(member)
            assert file is not None
            text = file.read().decode()
            stated = int(text.split("_space_group_IT_number")[1].split()[0])
            crystal = Crystal.from_cif_text(text)
            assert crystal.space_group == stated
            assert bravais_lattice(crystal.space_group) == bravais_lattice(stated)
            content = " ".join(crystal.species) + crystal.setting
            sizes.append(crystal.cell.nbytes + len(content) + 40 * len(crystal.species))
    assert np.quantile(sizes, 0.95) < 1024  # bytes, what sites have in single precision


@pytest.mark.parametrize(
    ("species", "occupancies", "positions"),
    [
        (("Na",), [1, 1], [[0, 0, 0]]),
        (("Na",), [1], [[0, 0, 0], [0.5, 0, 0]]),
        (("Na", "Cl"), [1, 1], [0, 0, 0]),
        (("Na",), [1], [[0, 0]]),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(species, occupancies, positions):
    with pytest.raises(ValueError, match="one and three for each species"):
        Crystal(np.array([5, 5, 5, 90, 90, 90]), "P 1", species, occupancies, positions)


def test_deuterium_of_pymatgen_stays_deuterium():
    structure = Structure(Lattice.cubic(3), ["D", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert set(Crystal.from_pymatgen(structure).species) == {"D", "Li"}
