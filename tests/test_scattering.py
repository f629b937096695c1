"""Neutron scattering lengths, X-ray form factors and dispersion."""

import gemmi
import numpy as np
import periodictable
import pytest

from data_gen.errors import InputError, Reason, StructureError
from data_gen.scattering import (
    TABLES,
    amplitudes,
    form_factors,
    missing_elements,
    notes,
    scattering_length,
)
from data_gen.species import ELEMENTS

CU_KALPHA = 1.5406
WAVELENGTHS = np.array([0.3, 0.7, 1.0, 1.798, 2.0785, 4.0, 9.0])


# ---------------------------------------------------------------- neutrons


@pytest.mark.parametrize(
    ("species", "length"),
    [("Si", 4.1491), ("O", 5.803), ("Ti", -3.438), ("H", -3.739), ("D", 6.671)],
)
def test_sears_1992(species: str, length: float) -> None:
    assert scattering_length(species, "sears1992", 1.5) == pytest.approx(length, abs=1e-6)


@pytest.mark.parametrize(
    ("species", "length"),
    [("Na", 3.63), ("D", 6.6681), ("T", 4.792), ("11B", 6.65), ("62Ni", -8.7), ("Ra", 10.0)],
)
def test_current_values_of_elements_and_isotopes(species: str, length: float) -> None:
    assert scattering_length(species, "periodictable", 1.5).real == pytest.approx(length)


@pytest.mark.parametrize("species", ["Sm", "Eu", "Gd", "Er", "Yb", "Lu", "157Gd"])
def test_resonant_absorbers_depend_on_the_wavelength(species: str) -> None:
    short, long = (scattering_length(species, "periodictable", x) for x in (0.7, 1.9))
    assert abs(short - long) > 0.01
    assert short.imag < 0
    assert long.imag < 0


@pytest.mark.parametrize("species", ["Cd", "Dy", "B"])
def test_other_absorbers_are_complex_constants(species: str) -> None:
    length = scattering_length(species, "periodictable", 0.7)
    assert length == scattering_length(species, "periodictable", 1.9)
    assert length.imag < -0.2


@pytest.mark.parametrize("symbol", ["Gd", "Eu", "Lu", "Fe", "Cd"])
def test_amplitudes_are_those_of_periodictable(symbol: str) -> None:
    neutron = periodictable.elements.symbol(symbol).neutron
    lengths = [neutron.scattering_by_wavelength(wavelength)[0] for wavelength in WAVELENGTHS]
    expected = np.array(lengths, dtype=np.complex128)
    found = amplitudes((symbol,), "neutron", "periodictable", WAVELENGTHS)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


def test_amplitudes_have_a_row_per_wavelength_and_a_column_per_species() -> None:
    species = ("Gd", "O", "D", "O", "Po")
    found = amplitudes(species, "neutron", "periodictable", WAVELENGTHS)
    assert found.shape == (len(WAVELENGTHS), len(species))
    for row, wavelength in zip(found, WAVELENGTHS, strict=True):
        for value, name in zip(row[:4], species[:4], strict=True):
            assert value == scattering_length(name, "periodictable", wavelength)
    assert np.isnan(found[:, 4]).all()


def test_a_caller_may_change_what_it_gets() -> None:
    amplitudes(("Si",), "neutron", "periodictable", np.ones(1))[:] = 0
    assert scattering_length("Si", "periodictable", 1.0) != 0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("species", ["Po", "At", "Rn", "Xx", "999Fe"])
def test_what_is_missing_is_said(species: str, table: str) -> None:
    with pytest.raises(StructureError, match=species) as caught:
        scattering_length(species, table, 1.5)
    assert caught.value.reason is Reason.NO_SCATTERING_LENGTH


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(InputError, match="'sears'"):
        scattering_length("Na", "sears", 1.5)


# ---------------------------------------------------------------- X-rays


@pytest.mark.parametrize(
    ("element", "real", "imaginary"),
    [("Fe", -1.134, 3.197), ("Cu", -1.965, 0.589), ("O", 0.049, 0.032), ("Pb", -4.075, 8.505)],
)
def test_dispersion_at_copper_radiation(element: str, real: float, imaginary: float) -> None:
    """Values of International Tables C, table 4.2.6.8; its relativistic correction differs."""
    found = amplitudes((element,), "xray", "periodictable", np.array([CU_KALPHA]))[0, 0]
    assert found.real == pytest.approx(real, rel=0.04)
    assert found.imag == pytest.approx(imaginary, rel=0.01)


def test_light_atoms_have_no_dispersion() -> None:
    assert not amplitudes(("H", "D", "T", "He"), "xray", "periodictable", WAVELENGTHS).any()


def test_form_factors_at_zero_angle_count_the_electrons() -> None:
    symbols = sorted(ELEMENTS)
    coefficients = form_factors(symbols, "xray")
    electrons = coefficients[:, ::2].sum(axis=1)
    numbers = [gemmi.Element(symbol).atomic_number for symbol in symbols]
    np.testing.assert_allclose(electrons, numbers, atol=0.1)


def test_form_factors_fall_off_as_gemmi_has_it() -> None:
    coefficients = form_factors(("Fe",), "xray")[0]
    expected = gemmi.Element("Fe").it92
    assert expected is not None
    for s in (0.0, 0.1, 0.5, 1.2):
        value = coefficients[8] + coefficients[:8:2] @ np.exp(-coefficients[1:8:2] * s * s)
        assert value == pytest.approx(expected.calculate_sf(s * s), rel=1e-5)


def test_xrays_see_the_element_of_an_isotope() -> None:
    for isotope, element in (("D", "H"), ("T", "H"), ("11B", "B"), ("62Ni", "Ni")):
        np.testing.assert_array_equal(*form_factors((isotope, element), "xray"))
        assert np.ptp(amplitudes((isotope, element), "xray", "", np.array([CU_KALPHA]))) == 0


def test_neutrons_need_no_form_factors() -> None:
    assert not form_factors(("Fe", "Xx"), "neutron").any()
    assert np.isnan(form_factors(("Xx",), "xray")).all()


# ---------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    ("radiation", "table", "missing"),
    [
        ("neutron", "periodictable", "Po At Rn Fr Ac Bk Cf"),
        ("neutron", "sears1992", "Po At Rn Fr Ac Pu Bk Cf"),
        ("xray", "periodictable", "Np Pu Am Cm Bk Cf"),
    ],
)
def test_missing_elements(radiation: str, table: str, missing: str) -> None:
    assert missing_elements(radiation, table) == tuple(missing.split())


def test_an_unknown_radiation_is_named() -> None:
    for call in (lambda: form_factors((), "light"), lambda: missing_elements("light", TABLES[0])):
        with pytest.raises(InputError, match="'light'"):
            call()


def test_notes_name_inexact_values() -> None:
    def joined(species: str, radiation: str, table: str, wavelength: float = 2.4) -> str:
        return " ".join(notes(species.split(), radiation, table, wavelength))

    assert joined("Si O Gd", "neutron", "periodictable") == ""
    assert joined("Yb O", "neutron", "periodictable", 1.5) == ""
    assert "0.32 to 2.02" in joined("Yb O", "neutron", "periodictable")
    assert joined("Cd O Dy", "neutron", "periodictable").startswith("Cd, Dy: resonant")
    assert joined("Gd O Gd", "neutron", "sears1992").startswith("Gd: resonant")
    assert "neutral atoms" in joined("Na Cl", "xray", "periodictable")
    assert "D, 11B: X-rays" in joined("D O 11B", "xray", "periodictable")
