"""Stick lists of real crystals against those of cctbx and gemmi, reflection by reflection."""

from collections import Counter
from dataclasses import replace
from functools import cache

import gemmi
import numpy as np
import truth_cctbx
import truth_gemmi
from direct_sum import members
from truth_sample import (
    at_rest,
    draw_computed,
    draw_minerals,
    laue_group,
    moves,
    operations,
)

from data_gen.reflections import reflections
from data_gen.sample import Sample
from data_gen.scattering import amplitudes
from data_gen.species import element_of
from data_gen.symmetry import CRYSTAL_SYSTEMS, crystal_system

WAVELENGTH = 1.3
REFLECTIONS = 1000  # about how many of a crystal are compared
FLOOR = 1e-9  # of the strongest |F|²: what rounding leaves of zero
FLOOR_OF_COMPLEX = 1e-7  # a negligible b'' is left out


@cache
def minerals():
    return draw_minerals(600)


@cache
def moving_minerals():
    return draw_minerals(250, moves)


@cache
def computed_crystals(folder):
    icsd = draw_computed(folder / "mp_icsd.tar.gz", 300, among=8000)
    return [*icsd, *draw_computed(folder / "mp_other.tar.gz", 200, among=8000)]


def test_the_sample_holds_every_kind_of_crystal():
    sample = [(c, gemmi.find_spacegroup_by_ops(operations(told))) for _, told, c in minerals()]
    systems = Counter(crystal_system(crystal.space_group) for crystal, _ in sample)
    assert set(systems) == set(CRYSTAL_SYSTEMS)
    groups = [group for _, group in sample if group is not None]
    assert {group.centring_type() for group in groups} == set("PABCIFR")
    assert {group.ext for group in groups if group.ext in "HR"} == {"H", "R"}
    assert sum(not group.is_reference_setting() for group in groups) > 100
    assert len(sample) - len(groups) > 10  # settings of no table
    assert sum(bool(np.any(crystal.occupancies < 1)) for crystal, _ in sample) > 100
    assert sum(shares_a_place(crystal) for crystal, _ in sample) > 50


def shares_a_place(crystal):
    return len(np.unique(crystal.positions, axis=0)) < len(crystal.positions)


def test_the_moving_sample_holds_both_kinds_of_motion():
    kinds = Counter(isinstance(u, tuple) for _, told, _ in moving_minerals() for u in told.motion)
    assert min(kinds[True], kinds[False]) > 300


def test_neutrons_equal_cctbx():
    assert_equal_cctbx(minerals(), "neutron")


def test_neutrons_of_computed_crystals_equal_cctbx(shared_data):
    assert_equal_cctbx(computed_crystals(shared_data / "structures"), "neutron")


def test_neutrons_of_moving_atoms_equal_cctbx():
    assert_equal_cctbx(moving_minerals(), "neutron", moving=True)


def test_x_rays_equal_cctbx():
    assert_equal_cctbx(minerals(), "xray")


def test_x_rays_of_moving_atoms_equal_cctbx():
    assert_equal_cctbx(moving_minerals(), "xray", moving=True)


def test_neutrons_equal_gemmi():
    assert_equal_gemmi(minerals(), "neutron")


def test_neutrons_of_computed_crystals_equal_gemmi(shared_data):
    assert_equal_gemmi(computed_crystals(shared_data / "structures")[::4], "neutron")


def test_x_rays_of_moving_atoms_equal_gemmi():
    assert_equal_gemmi(moving_minerals(), "xray", moving=True)


def assert_equal_cctbx(sample, radiation, *, moving=False):
    """With what the file says; for neutrons with today's complex scattering lengths."""
    rows = list(with_amplitudes(sample, radiation, "periodictable", moving))
    assert len(rows) > 0.95 * len(sample)
    spheres = truth_cctbx.ask(
        truth_cctbx.sphere,
        [(told, values, d_min(c), radiation == "xray") for _, told, c, values in rows],
    )
    for (name, told, crystal, _), sphere in zip(rows, spheres, strict=True):
        options = {"radiation": radiation, "sample": Sample(displacements=moving)}
        assert_equal(name, sphere, told, crystal, FLOOR_OF_COMPLEX, **options)


def assert_equal_gemmi(sample, radiation, *, moving=False):
    """With gemmi's own scattering lengths, and exact special positions, which it does not find."""
    compared = 0
    for name, told, crystal, values in with_amplitudes(sample, radiation, "sears1992", moving):
        told = replace(told, cell=crystal.cell, positions=crystal.positions)
        sphere = truth_gemmi.sphere(told, d_min(crystal), values if radiation == "xray" else None)
        if sphere is not None:
            assert np.all(np.abs(sphere.f[sphere.absent]) < 1e-7 * np.abs(sphere.f).max()), name
            options = {"radiation": radiation, "sample": Sample(displacements=moving)}
            assert_equal(name, sphere, told, crystal, FLOOR, "sears1992", **options)
            compared += 1
    assert compared > 0.9 * len(sample)


def with_amplitudes(sample, radiation, table, moving):
    """The crystals all of whose species have a value in the table, with these values."""
    for name, told, crystal in sample:
        (values,) = amplitudes(crystal.species, radiation, table, np.array([WAVELENGTH]))
        if np.isnan(values).any():
            continue
        if radiation == "xray":
            told = replace(told, species=tuple(map(element_of, told.species)))
        yield name, told if moving else at_rest(told), crystal, values


def d_min(crystal):
    return max(0.7, (4 / 3 * np.pi * crystal.volume / REFLECTIONS) ** (1 / 3))


def assert_equal(name, sphere, told, crystal, floor, table="periodictable", **options):
    sphere = without_borderline(sphere)
    end = 2 * np.degrees(np.arcsin(WAVELENGTH / 2 / sphere.d.min())) + 1e-7
    sticks = reflections(crystal, WAVELENGTH, (0.2, end), table, **options)
    hkl, stick = members(sticks.hkl, laue_group(told))
    assert np.bincount(stick, minlength=len(sticks)).tolist() == sticks.multiplicity.tolist(), name
    row = rows_of(sphere.hkl, hkl)
    assert len(np.unique(row)) == len(row), f"{name}: a reflection is listed twice"
    assert not sphere.absent[row].any(), f"{name}: an absent reflection is listed"
    assert len(row) == np.count_nonzero(~sphere.absent), f"{name}: a reflection is missing"
    np.testing.assert_allclose(sticks.d[stick], sphere.d[row], atol=1e-6, err_msg=name)
    power = np.abs(sphere.f) ** 2
    power = (power + power[rows_of(sphere.hkl, -sphere.hkl)]) / 2
    smallest = floor * power.max()
    np.testing.assert_allclose(
        sticks.f_squared[stick], power[row], rtol=1e-4, atol=smallest, err_msg=name
    )


def without_borderline(sphere):
    """The sphere, made smaller so that no reflection lies at its end."""
    ends = np.unique(np.round(sphere.d, 9))[:6]
    gap = np.argmax(np.diff(ends))
    kept = sphere.d > (ends[gap] + ends[gap + 1]) / 2
    return type(sphere)(sphere.hkl[kept], sphere.d[kept], sphere.f[kept], sphere.absent[kept])


def rows_of(listed, wanted):
    """Where each row of indices stands in a list."""
    span = 2 * max(np.abs(listed).max(), np.abs(wanted).max()) + 1
    codes, wanted_codes = (rows @ [span * span, span, 1] for rows in (listed, wanted))
    order = np.argsort(codes)
    found = order[np.searchsorted(codes[order], wanted_codes) % len(order)]
    assert np.array_equal(codes[found], wanted_codes), "a reflection is not in the sphere"
    return found
