from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import overlay
from benchmarks.overlay_cases import CASES
from benchmarks.overlay_fit import fit
from benchmarks.overlay_readers import Measurement, read_measurement
from data_gen.crystal import Crystal
from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.simulate import simulate

HALITE = Path(__file__).parent / "data" / "halite.cif"
FILES = {  # (points, first angle, last angle, first intensity, its uncertainty)
    "GSAS-II-tutorials__PBSO4.CWN": (2919, 10.0, 155.9, 220.0, 220**0.5),
    "GSAS-II-tutorials__LaMnO3_50k.gsas": (3296, 3.0, 167.75, 523.0, 48.0),
    "GSAS-II-tutorials__Er2Ge2O7_op2112_Ge113_2K.gss": (2459, 2.025, 124.925, 927.65, 29.15),
    "GSAS-II-tutorials__Cr2WO6_T150K.dat": (1860, 8.0, 129.919, 78.116, 8.838),
    "GSAS-II-tutorials__Ba6Co6.xye": (3120, 4.0, 159.95, 90.0, 90**0.5),
    "pycrysfml__Al2O3.dat": (3296, 3.0, 167.75, 265.0, 265**0.5),
    "pycrysfml__cuf1k.dat": (2758, 0.1, 137.95, 4.0, 2**0.5),
    "pycrysfml__maghem.dat": (1582, 1.8, 159.9, 25.0, 12.5**0.5),
    "EasyDiffractionBeta__g41.cif": (800, 13.6, 93.5, 932.9, 27.8822),
    "xylib__1517474.cif": (3296, 1.5, 166.25, 5540.0, 160.0),
}


@pytest.mark.parametrize("name", FILES)
def test_measured_patterns_are_read(shared_data, name):
    measured = read_measurement(shared_data / "measured" / "neutron" / name)
    found = (len(measured.two_theta), *measured.two_theta[[0, -1]], *np.array(measured[1:])[:, 0])
    assert found == pytest.approx(FILES[name], rel=1e-5)


@pytest.mark.parametrize(
    "content", ["", "one line", "data_x\n_cell_length_a 3\n", "BANK 1 9 2 CONST\n 1 2 3"]
)
def test_what_is_no_pattern_is_refused(tmp_path, content):
    path = tmp_path / ("x.cif" if content.startswith("data_") else "x.dat")
    path.write_text(content)
    with pytest.raises(InputError, match="not a pattern of a known format"):
        read_measurement(path)


def test_a_simulated_pattern_is_found_again():
    chosen = instrument("hrpt")
    crystal = Crystal.from_cif(HALITE)
    pattern = 900 * simulate(crystal, chosen) + 100 + 0.2 * chosen.two_theta
    measured = Measurement(chosen.two_theta + 0.1, pattern, np.sqrt(pattern))
    cell = crystal.cell * [1.012, 1.012, 1.012, 1, 1, 1]
    found = fit([replace(crystal, cell=cell)], measured, chosen)
    np.testing.assert_allclose(found.crystals[0].cell, crystal.cell, rtol=2e-5)
    assert found.zero == pytest.approx(0.1, abs=2e-3)
    assert found.displacement == pytest.approx(0, abs=0.01)
    assert found.widths == pytest.approx((1, 1, 1), abs=0.02)
    assert found.plain.peak_residual < 0.02


@pytest.mark.parametrize(
    ("name", "most"),
    [("PBSO4", (0.15, 0.06)), ("lamn_3t2", (0.2, 0.08)), ("1517474", (0.12, 0.06))],
)
def test_simulated_peaks_lie_on_measured_ones(shared_data, tmp_path, capsys, name, most):
    arguments = [f"--measured={shared_data / 'measured'}", f"--only={name}", f"--out={tmp_path}"]
    assert overlay.main(arguments) == 0
    row = capsys.readouterr().out.splitlines()[4].split("|")
    plain, adapted = float(row[5]), float(row[9])
    assert plain < most[0]
    assert adapted < most[1]
    assert (tmp_path / "overlay.md").is_file()
    (drawn,) = tmp_path.glob("*.png")
    assert drawn.read_bytes()[:4] == b"\x89PNG"


def test_structures_that_are_not_given_are_named(shared_data, tmp_path, capsys):
    arguments = [f"--measured={shared_data / 'measured'}", "--only=Cr2WO6", f"--out={tmp_path}"]
    assert overlay.main(arguments) == 0
    assert "mp-19894 is in none of the --structures" in capsys.readouterr().out


def test_a_folder_without_known_patterns_is_refused(tmp_path, capsys):
    assert overlay.main([f"--measured={tmp_path}", f"--out={tmp_path}"]) == 2
    assert "holds no pattern that is known here" in capsys.readouterr().err


def test_excluded_ranges_lie_in_order():
    for case in CASES:
        ends = [end for limits in case.excluded for end in limits]
        assert ends == sorted(ends)
