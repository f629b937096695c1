from dataclasses import replace

import numpy as np
import pytest
from direct_sum import make

from data_gen.packing import CrystalTable, scatterers

HALITE = make([5.64] * 3 + [90] * 3, "-F 4 2 3", ("Na", "Cl"), [1, 1], [[0, 0, 0], [0.5, 0.5, 0.5]])
GADOLINIUM = make([3.6, 3.6, 5.8, 90, 90, 120], "-P 6c 2c", ("Gd",), [1], [[1 / 3, 2 / 3, 0.25]])


def test_a_table_knows_the_species_of_each_crystal():
    table = CrystalTable.of([HALITE, GADOLINIUM, HALITE])
    assert len(table) == 3
    assert table.species == ("Na", "Cl", "Gd")
    assert table.species_of(1) == ("Gd",)
    assert table.species_of(2) == ("Na", "Cl")
    assert len(table.settings.centric) == 2


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="no crystals"):
        CrystalTable.of([])


def test_equal_wavelengths_share_a_row():
    powers, rows = scatterers(("Gd",), "neutron", "periodictable", np.array([1.8, 1.2, 1.8]))
    assert powers.amplitudes.shape == (2, 1)
    assert rows.tolist() == [1, 0, 1]
    assert not powers.vary


def test_species_without_form_factor_have_no_amplitude():
    powers, _ = scatterers(("Na", "Qq"), "xray", "periodictable", np.array([1.54]))
    assert powers.vary
    assert np.isnan(powers.amplitudes[0]).tolist() == [False, True]


def test_a_table_that_compiled_code_would_trust_in_vain_is_refused():
    table = CrystalTable.of([HALITE])
    with pytest.raises(ValueError, match="give one for each crystal"):
        replace(table, cells=np.ones((2, 6)))
    with pytest.raises(ValueError, match="1 species: the crystals have more"):
        replace(table, species=("Na",))
    with pytest.raises(ValueError, match="read-only"):
        table.crystals.species[:] = 10**9
