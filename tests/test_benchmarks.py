"""The benchmark of the simulator runs, with or without peers, and its tables are well formed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import agreement, dataset, growth, races, simulator
from benchmarks.crystals import draw, write_exchange_file
from benchmarks.environments import CCTBX, GEMMI, OURS, PEERS_FOLDER, make_environments
from benchmarks.tables import markdown
from data_gen.crystal import Crystal
from data_gen.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def table_rows(text: str) -> list[list[str]]:
    """The cells of all tables, header and all, after checking that rows are of equal width."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def crystals():
    return draw("amcsd", 3, seed=0)


def test_draw_is_the_same_every_time(crystals):
    again = draw("amcsd", 3, seed=0)
    assert list(again) == list(crystals)
    assert list(draw("amcsd", 3, seed=1)) != list(crystals)
    assert all(50 <= crystal.volume <= 2000 for crystal in crystals.values())


def test_draw_names_a_source_without_suitable_crystals(tmp_path):
    (tmp_path / "noise.cif").write_text("no CIF")
    with pytest.raises(InputError, match="can serve"):
        draw(str(tmp_path), 1, seed=0)


@pytest.mark.parametrize("part", ["sticks", "patterns"])
def test_race_without_environments(part, capsys, tmp_path):
    flags = [f"--only={part}", "--quick", "--count=2"]
    places = [f"--environments={tmp_path / 'none'}", f"--out={tmp_path / 'out'}"]
    assert simulator.main([*flags, *places]) == 0
    out = capsys.readouterr().out
    rows = table_rows(out)
    assert len({len(row) for row in rows}) == 1
    assert [row[0] for row in rows].count("ours") == 4
    assert any("not installed: --make_environments" in row for row in rows)
    assert (tmp_path / "out" / "simulator.md").read_text().strip() == out.strip()
    record = json.loads((tmp_path / "out" / "simulator.json").read_text())
    assert len(record[part]) == len(rows) - 2


def test_growth(capsys, tmp_path):
    assert simulator.main(["--only=growth", "--quick", f"--out={tmp_path}"]) == 0
    rows = table_rows(capsys.readouterr().out)
    assert len(rows) == 7
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_whole_commands(capsys, tmp_path):
    folder = ROOT / "tests" / "data"
    assert simulator.main(["--only=commands", "--quick", f"--structures={folder}"]) == 0
    rows = table_rows(capsys.readouterr().out)
    assert rows[-1][4:6] == ["1", "0"]
    assert int(rows[-1][3].removesuffix(" MiB").replace(",", "")) > 50


def test_failed_build_is_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        dataset.build(str(tmp_path / "missing.zip"), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--count=0"], "--count"), (["--structures=missing.tar"], "does not exist")],
)
def test_wrong_options(capsys, arguments, message):
    assert simulator.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_growth_is_measured_up_to_the_sizes_promised():
    crystal = growth.random_crystal("-F 4 2 3", 9000.0, 2, np.random.default_rng(0))
    assert crystal.volume == pytest.approx(9000.0)
    assert crystal.space_group == 225
    (series, *_) = growth.measure(points=5, repeats=1)
    assert series.sites[-1] == growth.MOST_SITES
    assert series.volumes[-1] == pytest.approx(growth.LARGEST_VOLUME)


def test_exponent_of_a_quadratic_growth():
    sizes = (1.0, 10.0, 30.0, 100.0)
    series = growth.Series("quadratic", sizes, (1, 1, 1, 1), tuple(s**2 for s in sizes))
    assert series.exponent == pytest.approx(2.0)


# ---------------------------------------------------------------- peers


def peer_result(script: str, crystals: dict[str, Crystal], folder: Path, *flags: str):
    exchange, out = folder / "crystals.json", folder / "result.json"
    write_exchange_file(exchange, crystals)
    command = [sys.executable, str(PEERS_FOLDER / script), str(exchange), str(out), "--once"]
    subprocess.run([*command, *flags], check=True, env={"PYTHONPATH": str(ROOT)})
    return json.loads(out.read_text())


@pytest.mark.parametrize("script", ["run_gemmi.py", "run_pymatgen.py"])
def test_peers_of_this_environment_agree(crystals, tmp_path, script):
    result = peer_result(script, crystals, tmp_path)
    assert not result["failed"]
    found = agreement.compare(crystals, result, "neutron")
    assert found.crystals == len(crystals)
    assert found.largest < 1e-3  # pymatgen leaves out lines below 1e-5 of the strongest


def test_xrays_of_gemmi_are_near(crystals, tmp_path):
    result = peer_result("run_gemmi.py", crystals, tmp_path, "--radiation=xray")
    found = agreement.compare(crystals, result, "xray")
    assert found.crystals == len(crystals)
    assert found.median < 0.05  # it takes no imaginary part of the dispersion


def test_wrong_intensities_are_seen(crystals, tmp_path):
    result = peer_result("run_gemmi.py", crystals, tmp_path)
    for lines in result["lines"].values():
        strongest = int(np.argmax(lines["intensity"]))
        lines["intensity"][strongest] *= 1.1
    assert agreement.compare(crystals, result, "neutron").largest > 0.01


def test_other_scattering_lengths_are_passed_over(crystals, tmp_path):
    result = peer_result("run_gemmi.py", crystals, tmp_path)
    result["scattering_lengths"] = dict.fromkeys(result["scattering_lengths"], (1.0, 0.0))
    assert agreement.compare(crystals, result, "neutron").crystals == 0


def test_crystals_that_fail_are_counted(crystals, tmp_path):
    first, *_ = crystals
    broken = replace(crystals[first], species=("Po",) * len(crystals[first].species))
    result = peer_result("run_ours.py", {**crystals, first: broken}, tmp_path)
    assert list(result["failed"]) == [first]
    assert "Po" in result["failed"][first]


def test_peers_take_turns_with_ours():
    results = [races.Result(entry) for entry in races.STICKS.entries]
    turns = [result.entry.package for result in races._turns(results, 1)]
    after = [turns[n + 1] for n, package in enumerate(turns[:-1]) if package is not OURS]
    assert set(after) == {OURS}
    assert {CCTBX, GEMMI} < set(turns)


def test_peer_that_crashes_stands_in_the_table(capsys, monkeypatch, tmp_path):
    broken = races.Entry(replace(GEMMI, script="no_such_script.py"))
    race = replace(races.STICKS, entries=(races.SINGLE, races.BATCHED, broken))
    monkeypatch.setitem(simulator._PARTS, "sticks", lambda o: simulator._race(race, o))
    assert simulator.main(["--only=sticks", "--quick", "--count=1"]) == 0
    assert "no_such_script.py failed" in capsys.readouterr().out


def test_crystals_that_cannot_be_prepared_are_counted(crystals, tmp_path):
    first, *_ = crystals
    broken = replace(crystals[first], species=("Xx",) * len(crystals[first].species))
    result = peer_result("run_pymatgen.py", {**crystals, first: broken}, tmp_path)
    assert list(result["failed"]) == [first]
    assert len(result["lines"]) == len(crystals) - 1


def test_environments_need_a_suitable_python(tmp_path):
    package = replace(CCTBX, environment="impossible", pythons=(0,))
    with pytest.raises(InputError, match=r"impossible needs python3\.0"):
        make_environments(tmp_path, [package])
    assert package.python(tmp_path) is None


def test_requirements_are_pinned():
    for path in PEERS_FOLDER.glob("*.txt"):
        lines = path.read_text().splitlines()
        assert lines, path.name
        assert all(line.count("==") == 1 for line in lines), path.name


def test_table_is_padded():
    text = markdown("Title", ("a", "long header"), [("cell", "1")])
    assert text.splitlines() == [
        "## Title",
        "",
        "| a    | long header |",
        "| ---- | ----------- |",
        "| cell | 1           |",
    ]
