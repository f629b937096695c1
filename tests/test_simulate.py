import csv
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from direct_sum import make

from data_gen.conditions import conditions
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.instrument import instrument
from data_gen.packing import CrystalTable
from data_gen.reflections import reflections
from data_gen.sample import IDEAL, Sample
from data_gen.simulate import main, simulate, simulate_many, simulate_under

SILICON = """data_silicon
_cell_length_a 5.43102
_cell_length_b 5.43102
_cell_length_c 5.43102
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F d -3 m:1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si1 Si 0 0 0
"""


@pytest.fixture
def silicon(tmp_path):
    path = tmp_path / "silicon.cif"
    path.write_text(SILICON)
    return str(path)


def run(capsys, *arguments):
    status = main(arguments)
    output = capsys.readouterr()
    return status, output.out, output.err


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


# ---------------------------------------------------------------- simulate


def test_a_pattern_lies_between_0_and_1():
    pattern = simulate(Crystal.from_cif_text(SILICON), instrument("bt1_ge311"))
    assert pattern.shape == (3041,)
    assert pattern.dtype == np.float32
    assert pattern.min() == 0
    assert pattern.max() == 1


def test_peaks_stand_where_bragg_has_them():
    chosen = instrument("hrpt")
    pattern = simulate(Crystal.from_cif_text(SILICON), chosen)
    angle = 2 * np.degrees(np.arcsin(chosen.wavelength / 2 / (5.43102 / np.sqrt(8))))
    near = np.abs(chosen.two_theta - angle) < 2
    assert chosen.two_theta[near][pattern[near].argmax()] == pytest.approx(angle, abs=0.026)


def test_a_crystal_without_reflections_in_range_is_refused():
    crystal = make([1.0] * 3 + [90] * 3, "-P 4 2 3", ("Na",), [1.0], [[0, 0, 0]])
    with pytest.raises(StructureError) as caught:
        simulate(crystal, instrument("bt1_ge311"))
    assert caught.value.reason is Reason.NO_REFLECTIONS


# ---------------------------------------------------------------- many at once

GADOLINIUM = make([3.6, 3.6, 5.8, 90, 90, 120], "-P 6c 2c", ("Gd",), [1], [[1 / 3, 2 / 3, 0.25]])
POLONIUM = make([3.35] * 3 + [90] * 3, "-P 4 2 3", ("Po",), [1], [[0, 0, 0]])
TINY = make([1.0] * 3 + [90] * 3, "-P 4 2 3", ("Na",), [1.0], [[0, 0, 0]])


@pytest.mark.parametrize("threads", [1, 2, None])
def test_many_patterns_are_those_of_each_crystal(threads):
    crystals = [Crystal.from_cif_text(SILICON), GADOLINIUM] * 50
    made = simulate_many(crystals, instrument("d20"), threads=threads)
    assert not made.errors
    for crystal, pattern in zip(crystals[:2], made.patterns[-2:], strict=True):
        np.testing.assert_array_equal(pattern, simulate(crystal, instrument("d20")))


def test_crystals_that_cannot_serve_lose_no_others():
    silicon = Crystal.from_cif_text(SILICON)
    chosen = instrument("bt1_ge311")
    made = simulate_many([POLONIUM, silicon, TINY], chosen)
    assert {n: error.reason for n, error in made.errors.items()} == {
        0: Reason.NO_SCATTERING_LENGTH,
        2: Reason.NO_REFLECTIONS,
    }
    assert "Po in table periodictable" in str(made.errors[0])
    assert not made.patterns[[0, 2]].any()
    np.testing.assert_array_equal(made.patterns[1], simulate(silicon, chosen))


def test_no_crystals_make_no_patterns():
    made = simulate_many([], instrument("d20"))
    assert made.patterns.shape == (0, len(instrument("d20").two_theta))


def test_motion_that_a_file_does_not_give_is_refused():
    crystal = Crystal.from_cif_text(SILICON)
    with pytest.raises(StructureError) as caught:
        simulate(crystal, instrument("d20"), sample=Sample(displacements=True))
    assert caught.value.reason is Reason.NO_DISPLACEMENT


def test_each_pattern_can_have_conditions_of_its_own():
    table = CrystalTable.of([Crystal.from_cif_text(SILICON), GADOLINIUM])
    chosen = [instrument("hrpt"), instrument("d1a"), instrument("hrpt")]
    rows = np.concatenate([conditions(each, IDEAL) for each in chosen])
    which = np.array([1, 0, 0])
    made = simulate_under(table, which, rows, instrument("hrpt").two_theta)
    for n in (0, 2):
        crystal = [Crystal.from_cif_text(SILICON), GADOLINIUM][which[n]]
        np.testing.assert_allclose(made.patterns[n], simulate(crystal, chosen[n]), atol=2e-6)
    other = simulate(Crystal.from_cif_text(SILICON), chosen[2])
    assert np.abs(made.patterns[1] - other).max() > 0.1


def test_a_distorted_cell_is_given_its_symmetry():
    table = CrystalTable.of([GADOLINIUM])
    chosen = instrument("bt1_ge311")
    cells = np.array([[3.7, 3.72, 5.9, 90, 90, 120], [3.7, 3.7, 5.9, 90, 90, 120.0]])
    made = simulate_under(
        table, np.zeros(2, int), conditions(chosen, IDEAL, 2), chosen.two_theta, cells=cells
    )
    stretched = replace(GADOLINIUM, cell=cells[1])
    np.testing.assert_allclose(made.patterns[1], simulate(stretched, chosen), atol=1e-6)
    a, b = cells[0, :2]
    mean = np.sqrt((2 * a * a + 2 * b * b - a * b) / 3)  # of a², b² and (a + b)²
    expected = simulate(replace(GADOLINIUM, cell=np.array([mean, mean, *cells[0, 2:]])), chosen)
    np.testing.assert_allclose(made.patterns[0], expected, atol=1e-5)


def test_species_can_stand_for_one_another():
    halite = [
        make([5.64] * 3 + [90] * 3, "-F 4 2 3", pair, [1, 1], [[0, 0, 0], [0.5, 0, 0]])
        for pair in (("Na", "Cl"), ("K", "F"), ("F", "K"))
    ]
    table, chosen = CrystalTable.of(halite[:2]), instrument("d20")
    number = {symbol: n for n, symbol in enumerate(table.species)}
    exchanged = np.tile(np.arange(4), (3, 1))
    exchanged[1, [number["Na"], number["Cl"]]] = number["F"], number["K"]
    exchanged[2, [number["Na"], number["Cl"]]] = number["K"], number["F"]
    rows, which = conditions(chosen, IDEAL, 3), np.zeros(3, int)
    made = simulate_under(table, which, rows, chosen.two_theta, exchanged=exchanged)
    for pattern, crystal in zip(made.patterns, (halite[0], halite[2], halite[1]), strict=True):
        np.testing.assert_allclose(pattern, simulate(crystal, chosen), atol=1e-6)
    with pytest.raises(ValueError, match=r"give \(3, 4\) numbers"):
        simulate_under(table, which, rows, chosen.two_theta, exchanged=exchanged[:1])
    xrays = conditions(instrument("cu_kalpha"), IDEAL, 3)
    with pytest.raises(ValueError, match="neutrons only"):
        simulate_under(table, which, xrays, chosen.two_theta, exchanged=exchanged)


def test_conditions_that_do_not_fit_are_refused():
    table = CrystalTable.of([GADOLINIUM])
    chosen = instrument("d20")
    rows, grid, which = conditions(chosen, IDEAL, 2), chosen.two_theta, np.zeros(2, int)
    with pytest.raises(IndexError):
        simulate_under(table, np.array([0, 1]), rows, grid)
    with pytest.raises(ValueError, match=r"2 patterns, conditions \(1,\)"):
        simulate_under(table, which, rows[:1], grid)
    with pytest.raises(ValueError, match=r"conditions \(2,\) of type float64"):
        simulate_under(table, which, np.ones(2), grid)
    for shape in ((1, 6), (2, 5)):
        with pytest.raises(ValueError, match="a cell for each pattern"):
            simulate_under(table, which, rows, grid, cells=np.ones(shape))
    with pytest.raises(ValueError, match="equal, ascending steps"):
        simulate_under(table, which, rows, grid[:1])
    mixed = np.concatenate([rows[:1], conditions(instrument("cu_kalpha"), IDEAL)])
    with pytest.raises(
        InputError, match=r"monochromator of conditions 1 is 1\.0: give the radiation of the first"
    ):
        simulate_under(table, which, mixed, grid)
    rows["march"] = 0.5
    with pytest.raises(InputError, match="axis_l of conditions 0 is 0"):
        simulate_under(table, which, rows, grid)
    rows["wavelength"][1] = np.nan
    with pytest.raises(InputError, match="wavelength of conditions 1 is nan"):
        simulate_under(table, which, rows, grid)


@pytest.mark.parametrize("cell", [[0] * 6, [np.nan] * 6, [5, 5, 5, 120, 120, 120], [1e300] * 6])
def test_what_is_no_cell_is_refused(cell):
    table = CrystalTable.of([make([5, 6, 7, 80, 90, 100], "P 1", ("Na",), [1], [[0, 0, 0]])])
    chosen = instrument("d20")
    made = simulate_under(
        table, [0], conditions(chosen, IDEAL), chosen.two_theta, cells=np.array([cell], float)
    )
    assert made.errors[0].reason in (Reason.NO_CELL, Reason.TOO_LARGE)


def test_motion_in_a_distorted_cell_has_its_symmetry():
    crystal = Crystal(
        np.array([4.6, 4.6, 3.0, 90, 90, 90]),
        "-P 4n 2n",
        ("Ti", "O"),
        np.ones(2),
        np.array([[0, 0, 0], [0.305, 0.305, 0]]),
        np.array([[0.02, 0.02, 0.01, 0, 0, 0.004], [0.03, 0.03, 0.02, 0, 0, 0.01]]),
    )
    chosen = instrument("bt1_ge311")
    cells = np.array([[5.0, 4.2, 3, 90, 90, 90], [4.2, 5.0, 3, 90, 90, 90]])
    rows = conditions(chosen, Sample(displacements=True), 2)
    table = CrystalTable.of([crystal])
    made = simulate_under(table, [0, 0], rows, chosen.two_theta, cells=cells)
    np.testing.assert_allclose(*made.patterns, atol=1e-6)


def test_size_and_strain_broaden():
    crystal, chosen = Crystal.from_cif_text(SILICON), instrument("hrpt")
    sharp = simulate(crystal, chosen)
    for sample in (Sample(size=10), Sample(strain=0.01)):
        broad = simulate(crystal, chosen, sample=sample)
        assert broad.sum() > 1.1 * sharp.sum()  # wider peaks of the same height


def test_preferred_orientation_favours_its_direction():
    crystal = GADOLINIUM

    def share(r):
        lines = reflections(
            crystal, 1.5, (10, 100), sample=Sample(preferred_orientation=((0, 0, 1), r))
        )
        along = (lines.hkl[:, :2] == 0).all(axis=1)
        return lines.intensity[along].sum() / lines.intensity.sum()

    assert share(0.5) > share(1.0) > share(2.0)


# ---------------------------------------------------------------- command line


def test_the_pattern_goes_to_standard_output(capsys, silicon):
    status, out, _ = run(capsys, silicon, "--wavelength=1.5403", "--two_theta=5:150:0.05")
    rows = table(out)
    assert status == 0
    assert list(rows[0]) == ["two_theta", "intensity"]
    assert len(rows) == 2901
    assert (rows[0]["two_theta"], rows[-1]["two_theta"]) == ("5", "150")
    assert max(float(row["intensity"]) for row in rows) == 1


def test_the_instrument_is_the_default(capsys, silicon):
    _, out, _ = run(capsys, silicon)
    assert [float(row["intensity"]) for row in table(out)] == pytest.approx(
        simulate(Crystal.from_cif_text(SILICON), instrument("bt1_ge311")), abs=1e-6
    )


def test_sticks(capsys, silicon):
    options = ("--wavelength=1.5405", "--two_theta=5:150:0.05", "--scattering_lengths=sears1992")
    _, out, _ = run(capsys, silicon, "--sticks", *options)
    header, first, *_ = out.splitlines()
    assert header == "h,k,l,d,two_theta,multiplicity,f_squared,intensity"
    assert first.startswith("1,1,1,3.1356")
    rows = table(out)
    assert len(rows) == 11
    strongest = max(rows, key=lambda row: float(row["intensity"]))
    assert [strongest[key] for key in ("h", "k", "l", "multiplicity")] == ["2", "2", "0", "12"]
    assert float(strongest["intensity"]) == 100
    assert float(strongest["f_squared"]) == pytest.approx(1101.761972)
    assert float(rows[0]["intensity"]) == pytest.approx(83.997466, rel=1e-5)


def test_sticks_are_at_most_the_100_strongest(capsys, tmp_path):
    path = tmp_path / "triclinic.cif"
    path.write_text(
        SILICON.replace("'F d -3 m:1'", "'P 1'").replace("alpha 90", "alpha 80")
        + "O1 O 0.11 0.23 0.37\n"
    )
    _, out, _ = run(capsys, str(path), "--sticks", "--wavelength=1.5")
    assert len(table(out)) == 100


def test_a_csv_file(capsys, silicon, tmp_path):
    _, printed, _ = run(capsys, silicon, "--instrument=d20")
    status, out, _ = run(capsys, silicon, "--instrument=d20", f"--out={tmp_path / 'pattern.csv'}")
    assert (status, out) == (0, "")
    assert (tmp_path / "pattern.csv").read_text() == printed
    assert {path.name for path in tmp_path.iterdir()} == {"silicon.cif", "pattern.csv"}


@pytest.mark.parametrize("sticks", [(), ("--sticks",)])
def test_a_picture(capsys, silicon, tmp_path, sticks):
    path = tmp_path / "pattern.png"
    status, _, _ = run(capsys, silicon, *sticks, f"--out={path}")
    assert status == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_a_file_with_a_strange_name(capsys, silicon, tmp_path):
    strange = Path(silicon).rename(tmp_path / os.fsdecode(b"$x^{$ \xfc.cif"))
    status, _, _ = run(capsys, str(strange), f"--out={tmp_path / 'pattern.png'}")
    assert status == 0


@pytest.mark.parametrize("output", ["| head -1", "> /dev/full"])
def test_an_output_that_takes_no_more(silicon, output):
    command = f"'{sys.executable}' -m data_gen.simulate '{silicon}' {output}"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True
    )
    if "head" in output:
        assert (ended.returncode, ended.stderr) == (0, "")
    else:
        assert ended.returncode == 2
        assert re.fullmatch("error: standard output: .*\n", ended.stderr)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--wavelength=0", "wavelength 0.0: give a number from 0.05 to 20"),
        ("--two_theta=5:150", "--two_theta=5:150: give START:STOP:STEP"),
        ("--two_theta=a:b:c", "give START:STOP:STEP"),
        ("--two_theta=150:5:0.05", "two-theta range 150.0:5.0:0.05: give start < stop"),
        ("--two_theta=5:150:2", "give a smaller step"),
        ("--radiation=gamma", "--radiation=gamma: choose neutron or xray"),
        ("--scattering_lengths=mine", "scattering lengths 'mine': choose one of"),
        ("--instrument=mine", "unknown instrument 'mine'"),
        ("--out=pattern.pdf", "pattern.pdf: give a name that ends in .csv or .png"),
        ("--out=/nowhere/at/all.csv", "/nowhere/at/all.csv: No such file or directory"),
        (f"--out={'x' * 300}.csv", "File name too long: give a place"),
        ("--two_theta=5:20:0.05", "no reflections in range.*widen --two_theta"),
    ],
)
def test_bad_options_are_named(capsys, silicon, option, message):
    status, out, err = run(capsys, silicon, option)
    assert (status, out) == (2, "")
    assert re.match(rf"error: .*{message}", err)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory: give the path"),
        ("no CIF at all", "unreadable"),
        (SILICON.replace("Si1 Si", "Po1 Po"), "no scattering length: Po.*choose another table"),
        (SILICON.replace("_cell_length_a 5.43102", ""), "give a CIF with a complete structure"),
    ],
)
def test_bad_files_are_named(capsys, tmp_path, text, message):
    path = tmp_path / "bad.cif"
    if text is not None:
        path.write_text(text)
    status, out, err = run(capsys, str(path))
    assert (status, out) == (2, "")
    assert re.match(rf"error: .*bad.cif: .*{message}", err)
