"""Names of sites, formulas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen.species import (
    NO_ATOM,
    UNKNOWN,
    SiteSpecies,
    element_of,
    hill_formula,
    parse_formula,
    site_species,
)


@pytest.mark.parametrize(
    ("type_symbol", "symbol"),
    [("Fe3+", "Fe"), ("O2-", "O"), ("O-2", "O"), ("Cl", "Cl"), ("FE", "Fe"), ("D", "D"),
     ("D1+", "D"), ("11B", "11B"), ("2H", "D"), ("62Ni", "62Ni"), ("Siva", "Si"), ("T", "T")],
)  # fmt: skip
def test_type_symbols(type_symbol: str, symbol: str) -> None:
    assert site_species(type_symbol, "X1", "") == SiteSpecies(symbol)


@pytest.mark.parametrize(
    ("label", "formula", "symbol"),
    [("AlT1", "Al2 Si O5", "Al"), ("FeMe", "Fe O2 H", "Fe"), ("CA1", "C2 H6", "C"),
     ("CA1", "Ca O", "Ca"), ("HO1", "Si O2 H", "H"), ("HO1", "Ho2 O3", "Ho"), ("Ob", "", "O"),
     ("OS1", "Mg O", "O"), ("Cm1", "C O2", "C"), ("BT", "Al B O3", "B"), ("KA", "K Cl", "K"),
     ("Na+", "", "Na"), ("Hg2", "", "Hg"), ("D1", "Ca D2", "D"), ("Nal", "Na Cl", "Na")],
)  # fmt: skip
def test_labels_are_read_with_the_formula(label: str, formula: str, symbol: str) -> None:
    assert site_species("", label, formula) == SiteSpecies(symbol)


@pytest.mark.parametrize(
    ("label", "formula", "heavy"),
    [("Wat1", "Ca O6 H4", "O"), ("OH", "Fe O2 H", "O"), ("OH1", "", "O"),
     ("Ow2", "Ca S O6 H4", "O"), ("OW", "", "O"), ("H2O", "", "O"), ("NH4(1)", "N Cl H4", "N"),
     ("Am", "N Cl H4", "N"),
     ("CH4-5", "C H4", "C"), ("ODw1", "Ni S O10 D", "O")],
)  # fmt: skip
def test_groups_whose_hydrogen_has_no_site(label: str, formula: str, heavy: str) -> None:
    found = site_species("", label, formula)
    assert found == SiteSpecies(heavy, lacks_hydrogen=True)


@pytest.mark.parametrize("label", ["Vac1", "Du", "Xx2", "Dum3"])
def test_vacancies_and_dummies(label: str) -> None:
    assert site_species("", label, "") == NO_ATOM
    assert site_species(label, "", "") == NO_ATOM


@pytest.mark.parametrize("label", ["M1", "T2", "REE", "A", "", "12", "?"])
def test_labels_of_no_element(label: str) -> None:
    found = site_species("", label, "")
    assert found == UNKNOWN or found == SiteSpecies("Re")


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_text_is_resolved_to_something(type_symbol: str, label: str) -> None:
    assert isinstance(site_species(type_symbol, label, "O"), SiteSpecies)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Ca2 (Fe.4 Al.6) Si2 O7 H2", {"Ca": 2, "Fe": 0.4, "Al": 0.6, "Si": 2, "O": 7, "H": 2}),
        ("'Al2 (S O4)3'", {"Al": 2, "S": 3, "O": 12}),
        ("Ca D2", {"Ca": 1, "H": 2}),
        ("Fe3+", {}),
        ("(Na", {}),
        ("Qq2", {}),
        ("", {}),
    ],
)
def test_formulas_are_parsed(text: str, amounts: dict[str, float]) -> None:
    assert parse_formula(text) == pytest.approx(amounts)


@given(st.text(alphabet="CaHO()123. '", max_size=20))
def test_any_formula_text_is_taken(text: str) -> None:
    assert all(amount >= 0 for amount in parse_formula(text).values())


@pytest.mark.parametrize(
    ("amounts", "formula"),
    [
        ({"Na": 4, "Cl": 4}, "ClNa"),
        ({"H": 12, "C": 6, "O": 6}, "CH2O"),
        ({"Ca": 4, "Fe": 0.4, "Al": 3.6}, "Al0.9CaFe0.1"),
        ({"Fe": 0.5, "Ni": 1.5}, "FeNi3"),
        ({}, ""),
    ],
)
def test_reduced_formulas_in_hill_order(amounts: dict[str, float], formula: str) -> None:
    assert hill_formula(amounts) == formula


def test_isotopes_belong_to_their_element() -> None:
    assert [element_of(s) for s in ("D", "T", "11B", "Fe")] == ["H", "H", "B", "Fe"]
