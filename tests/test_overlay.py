from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import overlay
from benchmarks.overlay_cases import CASES
from benchmarks.overlay_fit import Measurement, fit
from data_gen.crystal import Crystal
from data_gen.instrument import instrument
from data_gen.simulate import simulate

HALITE = Path(__file__).parent / "data" / "halite.cif"


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
