import csv

import pytest

from sgan_jax.measured import read_patterns

FILES = {  # (points, first angle, last angle, first intensity, its uncertainty, strongest peak)
    "GSAS-II-tutorials__PBSO4.CWN": (2919, 10.0, 155.9, 220.0, 220**0.5, 54.95),
    "GSAS-II-tutorials__LaMnO3_50k.gsas": (3296, 3.0, 167.75, 523.0, 48.0, 40.1),
    "GSAS-II-tutorials__Er2Ge2O7_op2112_Ge113_2K.gss": (
        2459,
        2.025,
        124.925,
        927.65,
        29.15,
        61.825,
    ),
    "GSAS-II-tutorials__Cr2WO6_T150K.dat": (1860, 8.0, 129.919, 78.116, 8.838, 67.232),
    "GSAS-II-tutorials__Ba6Co6.xye": (3120, 4.0, 159.95, 90.0, None, 66.55),
    "data__ed-3.xye": (3098, 10.0, 164.85, 167.0, 12.6, 39.5),
    "EasyDiffractionBeta__g41.cif": (800, 13.6, 93.5, 932.9, 27.8822, 53.5),
    "pycrysfml__Al2O3.dat": (3296, 3.0, 167.75, 265.0, None, 43.3),
    "pycrysfml__cuf1k.dat": (2758, 0.1, 137.95, 4.0, 2**0.5, 92.3),
    "pycrysfml__lamn_3t2.dat": (2514, 0.05, 125.7, 17.0, 17**0.5, 31.7),
    "pycrysfml__maghem.dat": (1582, 1.8, 159.9, 25.0, (4 * 25 / 2) ** 0.5, 78.8),
    "xylib__1517474.cif": (3296, 1.5, 166.25, 5540.0, 160.0, 9.1),
}
NAMED = {"PBSO4.CWN", "lamn_3t2.dat", "g41.cif", "1517474.cif"}  # with a wavelength
NEUTRONS = {"PBSO4.CWN", "g41.cif", "1517474.cif"}


@pytest.fixture(scope="module")
def manifest(shared_data):
    with (shared_data / "measured" / "manifest.csv").open(newline="", encoding="utf-8") as table:
        return {row["file"].rpartition("/")[2]: row for row in csv.DictReader(table)}


@pytest.mark.parametrize("name", FILES)
def test_measured_patterns_are_read(shared_data, manifest, name):
    (pattern,) = read_patterns(shared_data / "measured" / "neutron" / name)
    ends = [*pattern.two_theta[[0, -1]], pattern.intensity[0]]
    points, *expected, sigma, strongest = FILES[name]
    assert len(pattern.two_theta) == points
    assert ends == pytest.approx(expected, rel=1e-5)
    first = None if pattern.sigma is None else pattern.sigma[0]
    assert first == (None if sigma is None else pytest.approx(sigma, rel=1e-5))
    is_named = name.rpartition("__")[2] in NAMED
    wavelength = float(manifest[name]["wavelength_A"]) if is_named else None
    assert pattern.wavelength == wavelength
    assert pattern.wavelength_guessed == name.endswith("PBSO4.CWN")
    assert pattern.length == (1.8876 if name.endswith("maghem.dat") else None)
    assert pattern.radiation == ("neutron" if name.rpartition("__")[2] in NEUTRONS else None)
    assert pattern.two_theta[pattern.intensity.argmax()] == pytest.approx(strongest, abs=1e-3)


def test_every_file_is_known(manifest):
    assert set(manifest) == set(FILES)
