"""Crystals survive being written and read again."""

import gemmi
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.crystal import Crystal, make_crystal
from data_gen.errors import StructureError
from data_gen.orbits import cell_of_metric, metric_tensor
from data_gen.sites import Sites
from data_gen.symmetry import average_metric
from data_gen.write_cif import cif_text


@settings(deadline=None)
@given(
    st.sampled_from([entry.hall for entry in gemmi.spacegroup_table()]),
    st.lists(st.tuples(*[st.integers(0, 11)] * 3), min_size=1, max_size=4, unique=True),
    st.floats(0.01, 1.0),
    st.lists(st.sampled_from([0.0123456, 0.5, np.nan]), min_size=4, max_size=4),
)
def test_a_written_crystal_is_read_back(
    setting: str, places: list[tuple[int, ...]], occupancy: float, isotropic: list[float]
) -> None:
    generic = metric_tensor(np.array([9.0, 10.0, 12.0, 85.0, 96.0, 102.0]))
    cell = cell_of_metric(average_metric(generic, setting))
    species = ("Fe", "O", "11B", "D")[: len(places)]
    try:
        values = np.full(len(places), occupancy), np.array(places) / 12
        sites = Sites(species, *values, np.array(isotropic[: len(places)]))
        crystal = make_crystal(cell, setting, sites)
    except StructureError:
        return  # sites on top of one another
    again = Crystal.from_cif_text(cif_text("a name", crystal))
    assert again.species == crystal.species
    assert again.space_group == crystal.space_group
    assert again.formula == crystal.formula
    np.testing.assert_allclose(again.cell, crystal.cell, rtol=1e-8)
    np.testing.assert_allclose(again.positions, crystal.positions, atol=1e-8)
    np.testing.assert_allclose(again.occupancies, crystal.occupancies, rtol=1e-5)
    np.testing.assert_allclose(again.displacements, crystal.displacements, rtol=1e-6, atol=1e-9)
