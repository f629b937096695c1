import json
from itertools import islice

import gemmi
import numpy as np
import pytest
from direct_sum import (
    atoms,
    crystal_of_setting,
    f_squared,
    laue_group,
    make,
    members,
    sphere,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.errors import InputError, Reason, StructureError
from data_gen.orbits import cell_of_metric, metric_tensor
from data_gen.reflections import powder_lines, reflections
from data_gen.sources import open_sources
from data_gen.symmetry import group_operations, setting_of

WAVELENGTH = 1.8
TWO_THETA = (12.0, 100.0)
D_MIN, D_MAX = (WAVELENGTH / 2 / np.sin(np.radians(x / 2)) for x in TWO_THETA[::-1])

HALL_SYMBOLS = sorted({group.hall for group in gemmi.spacegroup_table()})
UNUSUAL = [
    "-x,-y,-z;x+1/4,y+1/2,z+3/4",  # four primitive cells, centred like no tabulated setting
    "x+1/3,y+1/3,z+1/3",
    "-x+1/4,-y,-z+1/8;x+1/2,y+1/2,z",  # inversion centre away from the origin
]
# On this grid an atom is either on a special position or farther from it than any tolerance.
coordinates = st.integers(0, 47).map(lambda x: x / 48)
positions = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=1, max_size=3)


def sticks_of(crystal, table="periodictable"):
    return reflections(crystal, WAVELENGTH, TWO_THETA, table)


def assert_equals_direct_sum(crystal, sticks, hkl, table="periodictable", wavelength=WAVELENGTH):
    expected = f_squared(crystal, sticks.hkl, table, wavelength)
    tolerance = 1e-4 * expected + 1e-7 * expected.max(initial=0.0)
    assert np.all(np.abs(sticks.f_squared - expected) <= tolerance)
    found, stick = members(sticks.hkl, laue_group(crystal.setting))
    assert np.bincount(stick, minlength=len(sticks)).tolist() == sticks.multiplicity.tolist()
    assert len(found) == len(hkl)
    assert set(map(tuple, found.tolist())) == set(map(tuple, hkl.tolist()))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HALL_SYMBOLS + UNUSUAL), positions, st.sampled_from(["Na", "Gd"]))
def test_reflections_are_those_of_a_direct_sum_over_all_atoms(setting, sites, species):
    crystal = crystal_of_setting(setting, sites, species)
    sticks = sticks_of(crystal)
    assert_equals_direct_sum(crystal, sticks, sphere(crystal, D_MIN, D_MAX))
    np.testing.assert_allclose(
        sticks.d, gemmi.UnitCell(*crystal.cell).calculate_d_array(sticks.hkl), rtol=1e-9
    )
    np.testing.assert_allclose(
        2 * sticks.d * np.sin(np.radians(sticks.two_theta / 2)), WAVELENGTH, rtol=1e-12
    )


def test_absences_and_multiplicities_of_every_tabulated_setting():
    for setting in HALL_SYMBOLS:
        crystal = crystal_of_setting(setting, [(0.0371, 0.1113, 0.2879)])
        sticks = sticks_of(crystal)
        hkl, _ = members(sticks.hkl, laue_group(setting))
        present = {tuple(row) for row in sphere(crystal, D_MIN, D_MAX).tolist()}
        assert {tuple(row) for row in hkl.tolist()} == present, setting
        assert sticks.multiplicity.sum() == len(hkl) == len(present), setting


shears = st.sampled_from([(i, j, s) for i in range(3) for j in range(3) if i != j for s in (1, -1)])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(HALL_SYMBOLS),
    positions,
    st.tuples(*[st.floats(0, 1)] * 3),
    st.sampled_from([1, -1]),
    st.lists(shears, max_size=2),
    st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 1, 3)]),
)
def test_lines_do_not_depend_on_the_description(setting, sites, shift, hand, turns, supercell):
    crystal = crystal_of_setting(setting, sites, "Er")
    axes = sheared(turns) * np.array(supercell)
    other = described_in_p1(crystal, np.array(shift), hand, axes)
    assert_same_lines(crystal, other, np.prod(supercell))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(HALL_SYMBOLS),
    positions,
    st.lists(shears, max_size=2),
    st.tuples(*[st.integers(0, gemmi.Op.DEN - 1)] * 3),
)
def test_lines_do_not_depend_on_axes_and_origin_of_the_setting(setting, sites, turns, shift):
    crystal = crystal_of_setting(setting, sites, "Er")
    change = gemmi.Op()
    change.rot = (sheared(turns) * gemmi.Op.DEN).tolist()
    change.tran = list(shift)
    assert_same_lines(crystal, described_in_other_axes(crystal, change), 1)


@pytest.mark.parametrize(
    "name", ["C 2/c", "A m a 2", "B 1 1 b", "I 41/a", "F d d 2", "R -3 c", "F d 3 m"]
)
def test_lines_of_a_primitive_cell_are_those_of_the_centred_one(name):
    group = gemmi.SpaceGroup(name)
    sites = [(0.1, 0.23, 0.31), (0.25, 0.25, 0.25)]
    centred = crystal_of_setting(group.hall, sites, "Er")
    primitive = described_in_other_axes(centred, group.centred_to_primitive())
    assert len(group_operations(primitive.setting).cen_ops) == 1
    assert_same_lines(centred, primitive, 1 / len(group.operations().cen_ops))


def sheared(turns):
    """New axes, as columns of multiples of the old ones, after adding axes to one another."""
    axes = np.eye(3, dtype=int)
    for onto, added, sign in turns:
        axes[:, onto] += sign * axes[:, added]
    return axes


def assert_same_lines(crystal, other, volume_ratio):
    lines, other_lines = (powder_lines(sticks_of(c), c) for c in (crystal, other))
    strong = lines.intensity > 1e-9 * lines.intensity.max(initial=0.0)
    other_strong = other_lines.intensity > 1e-9 * other_lines.intensity.max(initial=0.0)
    np.testing.assert_allclose(lines.d[strong], other_lines.d[other_strong], rtol=1e-6)
    np.testing.assert_allclose(
        other_lines.intensity[other_strong],
        lines.intensity[strong] * volume_ratio**2,
        rtol=1e-6,
    )


def described_in_p1(crystal, shift, hand, axes):
    """The crystal, or its mirror image, as a list of all atoms of another cell.

    The axes of that cell are columns of whole multiples of the old ones.
    """
    points, lengths = atoms(crystal, "periodictable", WAVELENGTH)
    steps = np.arange(-5, 6)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lattice = np.linalg.solve(axes, lattice.T).T
    lattice = np.unique(np.round(lattice % 1, 9) % 1, axis=0)  # those in the new cell, each once
    points = hand * np.linalg.solve(axes, points.T).T + shift
    points = (points + lattice[:, None]).reshape(-1, 3)
    cell = cell_of_metric(axes.T @ metric_tensor(crystal.cell) @ axes)
    occupancies = np.tile(np.real(lengths / lengths[0]) * crystal.occupancies[0], len(lattice))
    return make(cell, "P 1", (crystal.species[0],) * len(points), occupancies, points)


def described_in_other_axes(crystal, change):
    """The crystal with the axes and the origin that an operation leads from to the old ones."""
    operations = group_operations(crystal.setting)
    operations = gemmi.GroupOps(list(operations))
    operations.change_basis_backward(change)
    inverse = change.inverse()
    axes = np.array(change.rot) / gemmi.Op.DEN
    return make(
        cell_of_metric(axes.T @ metric_tensor(crystal.cell) @ axes),
        setting_of(operations),
        crystal.species,
        crystal.occupancies,
        [inverse.apply_to_xyz(position) for position in crystal.positions.tolist()],
    )


@pytest.mark.parametrize("third", [0.333, 0.3333, 0.33333, 1 / 3])
def test_rounded_special_positions_give_what_exact_ones_give(third):
    cell = np.array([3.2094, 3.2094, 5.2108, 90, 90, 120])

    def magnesium(x):
        return make(cell, "-P 6c 2c", ("Mg",), [1.0], [[x, 2 * x, 0.25]])

    rounded, exact = (sticks_of(magnesium(x)) for x in (third, 1 / 3))
    np.testing.assert_allclose(rounded.f_squared, exact.f_squared, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(rounded.multiplicity, exact.multiplicity)


def test_rounded_special_positions_of_a_centred_cell():
    cell = np.array([4.7589, 4.7589, 12.991, 90, 90, 120])

    def corundum(third):
        aluminium = [2 * third, third, 1 / 3 + 0.35216]
        return make(cell, '-R 3 2"c', ("Al", "O"), [1, 1], [aluminium, [0.30624, 0, 0.25]])

    rounded, exact = (sticks_of(corundum(third)) for third in (0.3333, 1 / 3))
    np.testing.assert_allclose(rounded.f_squared, exact.f_squared, rtol=1e-9, atol=1e-9)


def test_atoms_that_share_a_place_add_up():
    cell = [4.2, 4.2, 4.2, 90, 90, 90]
    mixed = make(cell, "-P 4 2 3", ("Mg", "Mn"), [0.4, 0.6], [[0, 0, 0], [0, 0, 0]])
    expected = (0.4 * 5.375 - 0.6 * 3.73) ** 2
    np.testing.assert_allclose(sticks_of(mixed, "sears1992").f_squared, expected, rtol=1e-9)


def test_lines_of_equal_d_are_one_line_with_customary_indices():
    crystal = make([5.43102] * 3 + [90] * 3, "F 4d 2 3 -1d", ("Si",), [1.0], [[0, 0, 0]])
    lines = powder_lines(reflections(crystal, 1.5405, (5.0, 150.0), "sears1992"), crystal)
    assert lines.hkl[:4].tolist() == [[1, 1, 1], [2, 2, 0], [3, 1, 1], [4, 0, 0]]
    assert lines.multiplicity.tolist() == [8, 12, 24, 6, 24, 24, 8 + 24, 12, 48, 24, 24]
    assert np.all(np.diff(lines.two_theta) > 0)


def test_hexagonal_lines_have_non_negative_indices():
    crystal = make([3.2, 3.2, 5.2, 90, 90, 120], "-P 6 2", ("Mg",), [1.0], [[0, 0, 0]])
    assert powder_lines(sticks_of(crystal), crystal).hkl.min() == 0


def test_no_reflection_in_range_gives_empty_lists():
    crystal = make([2.0] * 3 + [90] * 3, "P 1", ("Na",), [1.0], [[0, 0, 0]])
    sticks = reflections(crystal, 1.8, (5.0, 20.0))
    assert len(sticks) == 0
    assert len(powder_lines(sticks, crystal)) == 0


@pytest.mark.parametrize("cell", [[900.0] * 3, [1e5, 1e5, 1e-5]])
def test_a_crystal_that_would_take_too_long_is_refused(cell):
    crystal = make([*cell, 90, 90, 90], "P 1", ("Na",), [1.0], [[0, 0, 0]])
    with pytest.raises(StructureError) as caught:
        sticks_of(crystal)
    assert caught.value.reason is Reason.TOO_LARGE


def test_impossible_arguments_are_named():
    crystal = make([4.0] * 3 + [90] * 3, "P 1", ("Na",), [1.0], [[0, 0, 0]])
    with pytest.raises(InputError, match="two-theta range 20:10"):
        reflections(crystal, 1.5, (20, 10))
    with pytest.raises(InputError, match="wavelength"):
        reflections(crystal, -1.0, (10, 20))


def test_intensities_agree_with_other_packages(shared_data):
    reference = json.loads((shared_data / "truth" / "neutron_reference.json").read_text())
    for structure in reference["structures"].values():
        crystal = reference_crystal(structure)
        sticks = reflections(
            crystal, reference["wavelength_A"], tuple(reference["two_theta_range_deg"]), "sears1992"
        )
        lines = powder_lines(sticks, crystal)
        lines = lines.select(lines.intensity > 1e-9 * lines.intensity.max())
        expected = [line for line in structure["all_lines"] if line["rel"] > 1e-7]
        relative = 100 * lines.intensity / lines.intensity.max()
        np.testing.assert_allclose(lines.d, [line["d"] for line in expected], rtol=1e-8)
        np.testing.assert_allclose(
            relative, [line["rel"] for line in expected], rtol=1e-4, atol=1e-6
        )


def reference_crystal(structure):
    sites = structure["sites_asymmetric"]
    return make(
        [structure[name] for name in ("a", "b", "c", "alpha", "beta", "gamma")],
        structure["hall"],
        tuple(site["element"] for site in sites),
        [site["occ"] for site in sites],
        [[site[axis] for axis in "xyz"] for site in sites],
    )


def test_measured_minerals_equal_a_direct_sum():
    assert_source_equals_direct_sum("amcsd")


def test_computed_crystals_equal_a_direct_sum(shared_data):
    assert_source_equals_direct_sum(str(shared_data / "structures" / "mp_icsd.tar.gz"))


def assert_source_equals_direct_sum(spec):
    (source,) = open_sources(spec)
    small = (crystal for _, crystal in source if crystal.volume < 1500)
    for crystal in islice(small, 0, 30 * 20, 20):
        assert_equals_direct_sum(crystal, sticks_of(crystal), sphere(crystal, D_MIN, D_MAX))
