import pytest

from data_gen.errors import InputError, Reason, StructureError
from data_gen.scattering import scattering_length


@pytest.mark.parametrize(
    ("species", "length"),
    [("Si", 4.1491), ("O", 5.803), ("Ti", -3.438), ("H", -3.739), ("D", 6.671)],
)
def test_sears_1992(species, length):
    assert scattering_length(species, "sears1992", 1.5) == pytest.approx(length, abs=1e-6)


@pytest.mark.parametrize(
    ("species", "length"),
    [("Na", 3.63), ("D", 6.6681), ("T", 4.792), ("11B", 6.65), ("62Ni", -8.7), ("Ra", 10.0)],
)
def test_current_values_of_elements_and_isotopes(species, length):
    assert scattering_length(species, "periodictable", 1.5).real == pytest.approx(length)


@pytest.mark.parametrize("species", ["Sm", "Eu", "Gd", "Er", "Yb", "Lu", "157Gd"])
def test_resonant_absorbers_depend_on_the_wavelength(species):
    short, long = (scattering_length(species, "periodictable", x) for x in (0.7, 1.9))
    assert abs(short - long) > 0.01
    assert short.imag < 0
    assert long.imag < 0


@pytest.mark.parametrize("species", ["Cd", "Dy", "B"])
def test_other_absorbers_are_complex_constants(species):
    length = scattering_length(species, "periodictable", 0.7)
    assert length == scattering_length(species, "periodictable", 1.9)
    assert length.imag < -0.2


@pytest.mark.parametrize("table", ["periodictable", "sears1992"])
@pytest.mark.parametrize("species", ["Po", "At", "Rn", "Xx", "999Fe"])
def test_what_is_missing_is_said(species, table):
    with pytest.raises(StructureError, match=species) as caught:
        scattering_length(species, table, 1.5)
    assert caught.value.reason is Reason.NO_SCATTERING_LENGTH


def test_an_unknown_table_is_named():
    with pytest.raises(InputError, match="'sears'"):
        scattering_length("Na", "sears", 1.5)
