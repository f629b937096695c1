"""What a powder diffractometer makes of structure factors, against plain formulas and pymatgen."""

from dataclasses import replace
from functools import cache

import gemmi
import numpy as np
import pytest
from direct_sum import laue_group, members
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS, XRDCalculator
from pymatgen.core import Element, Lattice, Structure
from scipy.special import voigt_profile
from truth_sample import draw_minerals

from data_gen.crystal import Crystal
from data_gen.instrument import instrument
from data_gen.profile import render
from data_gen.reflections import powder_lines, reflections
from data_gen.sample import Sample
from data_gen.scattering import amplitudes
from data_gen.simulate import simulate

COPPER = 1.540593
# Narrow peaks on a fine grid, so that sums over points stand for integrals.
FINE = replace(
    instrument("cu_kalpha"),
    two_theta_min=1.0,
    two_theta_max=175.0,
    two_theta_step=0.02,
    wavelength_2=0.0,
    ratio_2=0.0,
    s_l=0.0,
    h_l=0.0,
    u=0.006,
    v=-0.004,
    w=0.01,
)
ELEMENTS = [("Fm-3m", 3.6149, "Cu"), ("Im-3m", 3.1652, "W"), ("Fd-3m", 5.43102, "Si")]


@cache
def minerals():
    return [crystal for _, _, crystal in draw_minerals(120)]


# ---------------------------------------------------------------- intensities


@pytest.mark.parametrize(("group", "length", "symbol"), ELEMENTS)
def test_lorentz_and_polarisation_are_those_of_pymatgen(group, length, symbol):
    """In an element |F|² is f² times what depends on the positions alone, so f can be taken out."""
    structure = Structure.from_spacegroup(group, Lattice.cubic(length), [symbol], [[0, 0, 0]])
    theirs = XRDCalculator(COPPER).get_pattern(structure, False, (10, 150))
    crystal = Crystal.from_pymatgen(structure)
    lines = powder_lines(reflections(crystal, COPPER, (10, 150), radiation="xray"), crystal)
    np.testing.assert_allclose(lines.two_theta, theirs.x, atol=1e-6)
    ratio = lines.intensity / our_power(symbol, lines.d) / theirs.y * their_power(symbol, lines.d)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def our_power(symbol, d):
    (dispersion,) = amplitudes((symbol,), "xray", "periodictable", np.array([COPPER]))
    f = [gemmi.Element(symbol).it92.calculate_sf(1 / (4 * x * x)) for x in d]
    return np.abs(np.array(f) + dispersion) ** 2


def their_power(symbol, d):
    s2 = 1 / (4 * d**2)
    gaussians = sum(a * np.exp(-b * s2) for a, b in ATOMIC_SCATTERING_PARAMS[symbol])
    return (Element(symbol).Z - 41.78214 * s2 * gaussians) ** 2


@pytest.mark.parametrize("coefficient", [0.5, 1.7])
@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 2, -1)])
def test_preferred_orientation_is_the_mean_over_all_equivalent_reflections(coefficient, axis):
    for crystal in minerals():
        ideal = reflections(crystal, 2.4, (5, 100))
        sample = Sample(preferred_orientation=(axis, coefficient))
        oriented = reflections(crystal, 2.4, (5, 100), sample=sample)
        np.testing.assert_array_equal(ideal.hkl, oriented.hkl)
        hkl, stick = members(ideal.hkl, laue_group(crystal.setting))
        cosine = cosines(crystal, hkl, np.array(axis))
        weights = (coefficient**2 * cosine**2 + (1 - cosine**2) / coefficient) ** -1.5
        means = np.bincount(stick, weights, len(ideal)) / ideal.multiplicity
        np.testing.assert_allclose(oriented.intensity, ideal.intensity * means, rtol=1e-9)


def cosines(crystal, hkl, axis):
    frac = np.array(gemmi.UnitCell(*crystal.cell).frac.mat.tolist())
    rows, direction = hkl @ frac, axis @ frac  # reciprocal vectors in Cartesian axes
    return rows @ direction / np.linalg.norm(rows, axis=1) / np.linalg.norm(direction)


def test_random_orientation_does_not_change_the_total():
    """March's function is normalised over the sphere: its mean over all directions is 1."""
    z = (np.arange(20000) + 0.5) / 20000
    crystal = minerals()[0]
    for coefficient in (0.4, 2.5):
        mean = np.mean((coefficient**2 * z**2 + (1 - z**2) / coefficient) ** -1.5)
        assert mean == pytest.approx(1, abs=1e-6)
    same = reflections(crystal, 2.4, (5, 100), sample=Sample(preferred_orientation=((1, 0, 0), 1)))
    np.testing.assert_allclose(same.intensity, reflections(crystal, 2.4, (5, 100)).intensity)


# ---------------------------------------------------------------- X-ray tubes


def copper():
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6149), ["Cu"], [[0, 0, 0]])
    return Crystal.from_pymatgen(structure)


def areas(pattern, places, chosen, reach=1.0):
    grid = chosen.two_theta
    return np.array([pattern[np.abs(grid - place) < reach].sum() for place in places])


@pytest.mark.parametrize("angle", [0.0, 26.4])
def test_a_monochromator_polarises(angle):
    chosen = replace(FINE, eta=0.0, monochromator_two_theta=angle)
    sticks = reflections(copper(), COPPER, (20, 150), radiation="xray")
    order = np.argsort(sticks.two_theta)
    two_theta, intensity = sticks.two_theta[order], sticks.intensity[order]
    two_theta, intensity = two_theta[:5], intensity[:5]  # those that stand alone
    crystal_cosine = np.cos(np.radians(angle)) ** 2
    cosine = np.cos(np.radians(two_theta)) ** 2
    expected = intensity * (1 + crystal_cosine * cosine) / (1 + cosine)
    found = areas(simulate(copper(), chosen), two_theta, chosen)
    np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-4)


def test_both_wavelengths_are_drawn_where_bragg_has_them():
    both = replace(instrument("cu_kalpha"), two_theta_max=150.0, s_l=0.0, h_l=0.0, eta=0.0)
    alone = replace(both, ratio_2=0.0, wavelength_2=0.0)
    other = replace(alone, wavelength=both.wavelength_2)
    sticks = [
        reflections(copper(), chosen.wavelength, (20, 150), radiation="xray")
        for chosen in (alone, other)
    ]
    weak, strong = both.ratio_2, 1.0
    drawn = strong * render(sticks[0].two_theta, sticks[0].intensity, alone)
    drawn += weak * render(sticks[1].two_theta, sticks[1].intensity, other)
    drawn -= drawn.min()
    np.testing.assert_allclose(simulate(copper(), both), drawn / drawn.max(), atol=0.01)
    last = 2 * np.degrees(np.arcsin(np.array([COPPER, 1.544427]) / 2 / (3.6149 / 20**0.5)))
    pattern = simulate(copper(), both)
    for place in last:  # (420), 1.4° apart: two separate maxima
        near = np.abs(both.two_theta - place) < 0.3
        assert both.two_theta[near][np.argmax(pattern[near])] == pytest.approx(place, abs=0.015)


# ---------------------------------------------------------------- profiles


def one_peak(chosen, two_theta, sample=Sample()):  # noqa: B008
    return render(np.array([two_theta]), np.array([1.0]), chosen, sample)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("broadening", [{}, {"x": 0.05, "y": 0.1}])
@pytest.mark.parametrize("heights", [(0.0, 0.0), (0.02, 0.02), (0.005, 0.03), (0.05, 0.05)])
def test_the_area_is_the_intensity_whatever_the_shape(eta, broadening, heights):
    chosen = replace(FINE, eta=eta, s_l=heights[0], h_l=heights[1], **broadening)
    for two_theta in (20.0, 60.0, 90.0, 120.0, 150.0):
        pattern = one_peak(chosen, two_theta)
        assert pattern.sum(dtype=float) * 0.02 == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(("gauss", "lorentz"), [(0.2, 0.02), (0.2, 0.1), (0.2, 0.2), (0.2, 0.6)])
def test_size_broadening_makes_a_voigt_function(gauss, lorentz):
    """The pseudo-Voigt function of Thompson, Cox and Hastings stands for the convolution."""
    chosen = replace(FINE, eta=0.0, u=0.0, v=0.0, w=gauss**2, y=lorentz * np.cos(np.radians(30)))
    pattern = one_peak(chosen, 60.0)
    sigma = gauss / np.sqrt(8 * np.log(2))
    exact = voigt_profile(chosen.two_theta - 60.0, sigma, lorentz / 2)
    assert width(chosen.two_theta, pattern) == pytest.approx(
        width(chosen.two_theta, exact), rel=5e-3
    )
    cut = 0.035 * min(1, lorentz / gauss)  # tails beyond 10 widths are given back to the middle
    np.testing.assert_allclose(pattern, exact, atol=(0.012 + cut) * exact.max())


def width(grid, values):
    """Full width at half maximum, between points by straight lines."""
    above = np.flatnonzero(values > values.max() / 2)
    half = values.max() / 2
    first, last = above[0], above[-1]
    left = np.interp(half, values[first - 1 : first + 1], grid[first - 1 : first + 1])
    right = np.interp(-half, -values[last : last + 2], grid[last : last + 2])
    return right - left


@pytest.mark.parametrize("two_theta", [30.0, 90.0, 140.0])
def test_size_and_strain_broaden_by_scherrer_and_wilson(two_theta):
    chosen = replace(FINE, eta=1.0, u=0.0, v=0.0, w=0.0036)
    theta = np.radians(two_theta / 2)
    size, strain = Sample(size=20.0), Sample(strain=0.002)
    wider = width(chosen.two_theta, one_peak(chosen, two_theta, size))
    expected = np.degrees(0.9 * COPPER / 200 / np.cos(theta))
    assert wider == pytest.approx(0.06 + expected, rel=0.01)
    wider = width(chosen.two_theta, one_peak(chosen, two_theta, strain))
    assert wider == pytest.approx(0.06 + np.degrees(2 * 0.002 * np.tan(theta)), rel=0.01)


@pytest.mark.parametrize("eta", [0.0, 0.5])
@pytest.mark.parametrize("heights", [(0.02, 0.02), (0.03, 0.01), (0.005, 0.03), (0.05, 0.05)])
def test_axial_divergence_is_that_of_finger_cox_and_jephcoat(heights, eta):
    chosen = replace(FINE, eta=eta, s_l=heights[0], h_l=heights[1])
    for two_theta in (8.0, 15.0, 30.0, 60.0, 85.0, 95.0, 120.0, 150.0):
        near = np.abs(chosen.two_theta - two_theta) < 4
        expected = asymmetric_peak(chosen.two_theta[near], chosen, two_theta)
        pattern = one_peak(chosen, two_theta)[near]
        np.testing.assert_allclose(pattern, expected, atol=0.005 * expected.max())


def asymmetric_peak(grid, chosen, two_theta, pieces=1000):
    """The formulas of the paper in 2φ: D(2φ) = W(h) / (h cos2φ), convolved with the peak."""
    s, h = chosen.s_l, chosen.h_l
    angle = np.radians(two_theta)
    end = np.arccos(np.clip(np.cos(angle) * np.sqrt(1 + (s + h) ** 2), -1, 1))
    part = (np.arange(pieces) + 0.5) / pieces
    phi = angle - (angle - end) * part**2  # D has the singularity of 1 / part
    height = np.sqrt(np.maximum((np.cos(phi) / np.cos(angle)) ** 2 - 1, 0))
    seen = np.where(height <= abs(h - s), 2 * min(s, h), np.maximum(s + h - height, 0))
    density = seen / (height * np.abs(np.cos(phi))) * part
    x = (grid[:, None] - np.degrees(phi)) / chosen.fwhm(two_theta)
    lorentz = np.where(np.abs(x) < 10, 1 / (1 + 4 * x**2) / np.arctan(20), 0.0)
    gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * x**2)
    shape = chosen.eta * lorentz + (1 - chosen.eta) * gauss
    return shape @ (density / density.sum()) / chosen.fwhm(two_theta)
