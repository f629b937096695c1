"""What crystals are made of."""

import pytest

from sgan_jax.compositions import atom_shares


@pytest.mark.parametrize("formula", ["Al2 (S O4)3", "O12 S3 Al2", "Al4O24S6"])
def test_shares_are_the_same_however_a_formula_is_written(formula):
    assert atom_shares(formula) == pytest.approx({"Al": 2 / 17, "S": 3 / 17, "O": 12 / 17})


@pytest.mark.parametrize("text", ["", "Qq2", "Na0"])
def test_what_is_no_formula_has_no_atoms(text):
    assert atom_shares(text) == {}
