"""What is read from CIF text, above all displacement parameters."""

import math
from pathlib import Path

import numpy as np
import pytest

from data_gen.cif import Description, descriptions
from data_gen.crystal import Crystal
from data_gen.errors import Reason, StructureError

HALITE = (Path(__file__).parent / "data" / "halite.cif").read_text()
NONE = [np.nan] * 6


def halite_with(tags: str, sodium: str, chlorine: str, *loops: str) -> str:
    """Halite with more columns in the loop of its sites, and more loops."""
    text = HALITE.replace("_atom_site_occupancy\n", f"_atom_site_occupancy\n{tags}")
    text = text.replace("0 0 0 1", f"0 0 0 1 {sodium}")
    return text.replace("0.5 0.5 0.5 1", f"0.5 0.5 0.5 1 {chlorine}") + "".join(loops)


def aniso(letter: str, *rows: str) -> str:
    """A loop of anisotropic values, in the order in which CIFs have them."""
    components = ("11", "22", "33", "12", "13", "23")
    tags = [f"_atom_site_aniso_{letter}_{ij}\n" for ij in components]
    return "".join(["loop_\n_atom_site_aniso_label\n", *tags, *(row + "\n" for row in rows)])


def displacements(text: str) -> np.ndarray:
    return Crystal.from_cif_text(text).displacements


def ball(u: float) -> list[float]:
    return [u, u, u, 0.0, 0.0, 0.0]


def description(text: str) -> Description | StructureError:
    ((_, found),) = descriptions(text)
    return found


# ---------------------------------------------------------------- displacement parameters


def test_without_displacement_parameters_they_are_nan() -> None:
    assert np.isnan(displacements(HALITE)).all()
    assert displacements(HALITE).shape == (2, 6)


@pytest.mark.parametrize(
    ("tags", "scale"),
    [("_atom_site_U_iso_or_equiv\n", 1.0), ("_atom_site_B_iso_or_equiv\n", 8 * math.pi**2)],
)
def test_isotropic_values(tags: str, scale: float) -> None:
    text = halite_with(tags, f"{0.021 * scale:.8f}(12)", f"'{0.018 * scale:.8f}'")
    np.testing.assert_allclose(displacements(text), [ball(0.021), ball(0.018)], atol=1e-9)


def test_u_comes_before_b() -> None:
    tags = "_atom_site_B_iso_or_equiv\n_atom_site_U_iso_or_equiv\n"
    text = halite_with(tags, "9 0.02", f"{8 * math.pi**2 * 0.01} ?")
    np.testing.assert_allclose(displacements(text), [ball(0.02), ball(0.01)], atol=1e-9)


@pytest.mark.parametrize(("letter", "scale"), [("U", 1.0), ("B", 8 * math.pi**2), ("u", 1.0)])
def test_anisotropic_values_by_label_and_in_their_order(letter: str, scale: float) -> None:
    tensor = np.array([0.01, 0.02, 0.03, 0.001, 0.002, 0.003])
    row = " ".join(f"{value * scale:.9f}" for value in tensor)
    found = displacements(HALITE + aniso(letter, f"Cl1 {row}"))
    np.testing.assert_allclose(found[1], tensor[[0, 1, 2, 5, 4, 3]], atol=1e-9)
    assert np.isnan(found[0]).all()


def test_tensors_stand_before_isotropic_values_unless_the_file_says_otherwise() -> None:
    loop = aniso("U", "Na1 0.01 0.01 0.02 0 0 0", "Cl1 0.01 0.01 0.02 0 0 0")
    tensor = [0.01, 0.01, 0.02, 0, 0, 0]
    tag = "_atom_site_U_iso_or_equiv\n"
    np.testing.assert_allclose(
        displacements(halite_with(tag, ".013", ".013", loop)), [tensor, tensor], atol=1e-9
    )
    text = halite_with(tag + "_atom_site_adp_type\n", ".013 Uiso", ".013 Uani", loop)
    np.testing.assert_allclose(displacements(text), [ball(0.013), tensor], atol=1e-9)
    text = halite_with(tag + "_atom_site_adp_type\n", ". Uiso", ".013 Umpe", loop)
    np.testing.assert_allclose(displacements(text), [tensor, tensor], atol=1e-9)


def test_unknown_and_impossible_values_do_not_refuse_a_structure() -> None:
    tag = "_atom_site_U_iso_or_equiv\n"
    for sodium in ("?", ".", "-0.01", "5", "much", "nan", "inf"):
        found = displacements(halite_with(tag, sodium, "0.01"))
        np.testing.assert_allclose(found, [NONE, ball(0.01)], atol=1e-9)
    loop = aniso("U", "Na1 0.01 ? 0.01 0 0 0", "Cl1 0.01 0.01 0.01 0.5 0 0")
    assert np.isnan(displacements(HALITE + loop)).all()
    assert np.isnan(displacements(HALITE + loop.replace("_atom_site_aniso_U_23", "_other"))).all()
    assert np.isnan(displacements(HALITE + loop.replace("Na1", "?").replace("Cl1", "."))).all()


def test_values_follow_their_sites() -> None:
    sites = "Vac1 Vac 0.1 0.1 0.1 1 0.5\nK1 K 0.2 0.2 0.2 0 0.4\nNa2 Na 0.5 0.5 0 1 0.3\n"
    text = halite_with("_atom_site_U_iso_or_equiv\n", "0.02", "0.01")
    text = text.replace("Na1 Na1+", sites + "Na1 Na1+")
    crystal = Crystal.from_cif_text(text)  # Na1 repeats Na2 and is left out
    assert crystal.species == ("Na", "Cl")
    np.testing.assert_allclose(crystal.displacements, [ball(0.3), ball(0.01)], atol=1e-9)


def test_isotropic_values_in_oblique_axes() -> None:
    text = halite_with("_atom_site_U_iso_or_equiv\n", "0.02", "0.01").replace("F m -3 m", "P 6/m")
    text = text.replace("_gamma 90", "_gamma 120")
    np.testing.assert_allclose(displacements(text)[0], [0.02, 0.02, 0.02, 0, 0, 0.01], atol=1e-9)


# ---------------------------------------------------------------- the loop of the sites


def test_one_site_needs_no_loop() -> None:
    text = HALITE[: HALITE.index("loop_")] + (
        "_atom_site_label Na1\n_atom_site_fract_x 0\n_atom_site_fract_y 0\n_atom_site_FRACT_Z 0\n"
        "_atom_site_occupancy 0.5\n_atom_site_U_iso_or_equiv 0.01\n"
    )
    crystal = Crystal.from_cif_text(text)
    assert crystal.species == ("Na",)
    assert crystal.occupancies[0] == 0.5
    np.testing.assert_allclose(crystal.displacements, [ball(0.01)], atol=1e-9)


def test_a_column_in_another_loop_is_found_if_it_fits() -> None:
    bare = HALITE.replace("_atom_site_occupancy\n", "").replace("0 0 0 1", "0 0 0")
    bare = bare.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5")
    assert Crystal.from_cif_text(bare).occupancies.tolist() == [1.0, 1.0]
    apart = bare + "loop_\n_atom_site_occupancy\n0.5\n0.25\n"
    assert Crystal.from_cif_text(apart).occupancies.tolist() == [0.5, 0.25]
    with pytest.raises(StructureError, match="differ in length") as caught:
        Crystal.from_cif_text(apart + "1\n")
    assert caught.value.reason is Reason.UNREADABLE


def test_coordinates_must_be_complete() -> None:
    found = description(HALITE.replace("_atom_site_fract_z", "_atom_site_fract_w"))
    assert isinstance(found, StructureError)
    assert found.reason is Reason.UNREADABLE


def test_dummy_atoms_are_left_out() -> None:
    text = halite_with("_atom_site_calc_flag\n", "d", "dum").replace("Cl1 Cl1-", "Centre ?")
    found = description(text)
    assert isinstance(found, Description)
    assert found.sites.species == ("Na",)


def test_quoted_numbers_are_read() -> None:
    found = description(HALITE.replace("0.5 0.5 0.5 1", "'0.5' \"0.25\" 0.5(2) '1'"))
    assert isinstance(found, Description)
    np.testing.assert_array_equal(found.sites.positions[1], [0.5, 0.25, 0.5])


def test_endless_names_are_cut() -> None:
    found = description(HALITE.replace("'Na Cl'", f"'{'Na Cl ' * 5000}'"))
    assert isinstance(found, Description)
    assert len(found.formula) == 1000


# ---------------------------------------------------------------- what people's programs write


def test_an_occupancy_that_is_left_to_its_default_is_one() -> None:
    text = HALITE.replace("0 0 0 1", "0 0 0 .")
    assert Crystal.from_cif_text(text).occupancies.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    assert Crystal.from_cif_text(HALITE.replace("\n", end)).formula == "ClNa"
