import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from data_gen.errors import InputError
from sgan_jax.predict import main, predict, read_pattern
from tests.fixed_classifier import (
    LATTICES,
    pattern_text,
    write_classifier,
    write_classifiers,
)

ROOT = Path(__file__).resolve().parents[1]
GIVEN = ("--wavelength=1.54", "--radiation=neutron")
FIELDS = {
    "file": str,
    "answered": bool,
    "bravais_lattice": list,
    "space_group": list,
    "wavelength": float,
    "radiation": str,
    "warnings": list,
    "error": type(None),
}
LATTICE_FIELDS = {"symbol": str, "probability": float}
GROUP_FIELDS = {
    "number": int,
    "symbol": str,
    "crystal_system": str,
    "extinction_group": str,
    "same_extinction": list,
    "probability": float,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> str:
    return write_classifiers(tmp_path_factory.mktemp("models"))


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "pattern.xye"
    path.write_text(pattern_text())
    return path


def command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sgan_jax.predict", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def types(fields: dict) -> dict:
    return {name: type(value) for name, value in fields.items()}


def test_one_file(file, models):
    done = command(file, f"--model={models}", *GIVEN)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{file}: neutrons, 1.54 Å"
    assert lines[3].split() == ["1", "83.1", "%", "oP", "orthorhombic,", "primitive"]
    assert lines[9].split()[1:] == ["64.4", "%", "62", "Pnma", "orthorhombic", "Pna21", "33"]
    assert lines[-1] == (
        "How sure: Bravais lattice fairly sure (83.1 %), space group unsure (64.4 %; 88.1 % for "
        "its extinction group), if this is one phase. No further doubts."
    )


def test_json_of_several_files(file, models, tmp_path):
    bad, x_rays = tmp_path / "bad.xye", tmp_path / "x_rays.xye"
    bad.write_text("nothing\n")
    x_rays.write_text(pattern_text())
    arguments = (bad, file, tmp_path / "missing.xye", f"--model={models}", "--json", "--top=2")
    done = command(*arguments, *GIVEN)
    assert done.returncode == 2
    assert done.stderr.splitlines()[:2] == [
        "3 files: 1 answered, 0 without a confident answer, 2 not readable as they are",
        "error: 2 of 3 files:",
    ]
    unread, answer, missing = json.loads(done.stdout)
    assert types(answer) == FIELDS
    assert [types(each) for each in answer["bravais_lattice"]] == [LATTICE_FIELDS] * 2
    assert [types(each) for each in answer["space_group"]] == [GROUP_FIELDS] * 2
    assert [each["number"] for each in answer["space_group"]] == [62, 33]
    assert answer["answered"] is True
    for entry in (unread, missing):
        assert list(entry) == list(FIELDS)
        assert (entry["answered"], entry["bravais_lattice"], entry["space_group"]) == (
            False,
            [],
            [],
        )
        assert entry["error"].startswith(entry["file"])
        assert entry["wavelength"] is entry["radiation"] is None


def test_the_plot_shows_the_pattern(file, models, tmp_path):
    picture = tmp_path / "out.png"
    done = command(file, f"--model={models}", *GIVEN, f"--plot={picture}")
    assert (done.returncode, done.stderr) == (0, "")
    pixels = imread(picture)[..., :3]
    assert pixels.shape[0] > 600
    assert pixels.shape[1] == 1500
    for part in np.array_split(pixels, 3):  # measurement, input, candidates
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 50


def test_without_a_wavelength_it_is_asked_for(file, models, capsys):
    assert main([str(file), f"--model={models}", "--radiation=neutron"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"error: {file}: the file does not say it: give --wavelength=1.5403, with the true value\n"
    )


def test_x_rays_are_declined(file, models, capsys):
    arguments = [str(file), f"--model={models}", "--wavelength=1.54", "--radiation=xray"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "No confident answer: no model trained for X-rays." in out
    assert "probability" not in out


def test_x_rays_are_answered_by_a_model_for_them(file, tmp_path, capsys):
    folder = write_classifier(tmp_path / "x", LATTICES, instrument_name="cu_kalpha")
    arguments = [str(file), f"--model={folder}", "--task=bravais_lattice", "--wavelength=1.5406"]
    assert main([*arguments, "--radiation=xray"]) == 0
    assert "X-rays, 1.5406 Å" in capsys.readouterr().out
    assert main([*arguments, "--radiation=neutron"]) == 0
    assert "no model trained for neutrons" in capsys.readouterr().out


def test_what_looks_like_nothing_known_is_declined(file, tmp_path, capsys):
    folder = write_classifier(tmp_path / "strict", LATTICES, energy_threshold=10.0)
    arguments = [str(file), f"--model={folder}", "--task=bravais_lattice", *GIVEN, "--json"]
    assert main(arguments) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["answered"] is False
    assert answer["bravais_lattice"] == []
    assert answer["error"] == "it looks unlike anything trained on (for: bravais lattice)"
    assert answer["wavelength"] == 1.54


def test_many_files_into_a_table(tmp_path, models, capsys):
    folder = tmp_path / "patterns"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02d}.xye").write_text(pattern_text() if number else "")
    table = tmp_path / "answers.csv"
    assert main([str(folder), f"--model={models}", *GIVEN, f"--csv={table}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "100%" in printed.err
    assert "12 files: 11 answered, 0 without" in printed.err
    assert f"error: 1 of 12 files:\n  {folder}/00.xye: " in printed.err
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["answered"] for row in rows] == ["false", *["true"] * 11]
    assert {row["space_group_1_symbol"] for row in rows[1:]} == {"Pnma"}


def test_pictures_of_several_files_are_in_a_folder(tmp_path, models, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.xye").write_text(pattern_text() if name == "a" else "")
    plots = tmp_path / "plots"
    arguments = [str(tmp_path / "a"), str(tmp_path / "b"), f"--model={models}", *GIVEN]
    assert main([*arguments, f"--plot={plots}"]) == 2
    assert sorted(path.name for path in plots.iterdir()) == ["p.xye-2.png", "p.xye.png"]


def test_where_no_picture_can_be_is_told_before_the_first_answer(file, models, tmp_path, capsys):
    (tmp_path / "other.xye").write_text(pattern_text())
    (tmp_path / "plots").touch()
    arguments = [str(file), str(tmp_path / "other.xye"), f"--model={models}", *GIVEN, "--json"]
    assert main([*arguments, f"--plot={tmp_path / 'plots'}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {tmp_path / 'plots'}: File exists: give a place that can be written\n"


def test_names_that_are_no_text(file, models, tmp_path):
    name = tmp_path / "na\udcefve $x.xye"
    file.rename(name)
    given = (f"--model={models}", *GIVEN, f"--csv={tmp_path / 'a.csv'}", f"--plot={tmp_path}/a.png")
    done = command(name, *given, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[0]["file"] == str(name)
    assert b"na\xefve $x.xye,true" in (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "a.png").exists()
    done = command(name, *given[:-2])
    assert done.returncode == 0
    assert done.stdout.startswith(f"{tmp_path}/na\ufffdve $x.xye: neutrons")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task=crystal"], "error: task 'crystal': choose bravais_lattice, space_group or both"),
        (["--prior=icsd"], "error: no prior 'icsd'; choose training, flat or mp_icsd"),
        (["--top=0"], "error: top 0: give at least 1"),
        (["--wavelength=-1"], "error: wavelength -1: give Å"),
        (["--radiation=electron"], "error: radiation 'electron': choose neutron or xray"),
        (["--model=nothing"], "error: no model 'nothing'"),
        (["--plot=out.pdf"], "error: --plot=out.pdf: give a name that ends in .png"),
        (["--csv=no/folder/out.csv"], "error: no/folder/out.csv: No such file or directory"),
    ],
)
def test_mistakes_on_the_command_line_are_short_errors(file, models, capsys, arguments, words):
    assert main([str(file), f"--model={models}", *GIVEN, *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(words)
    assert err.count("\n") == 1


def test_a_model_for_one_instrument_is_refused(file, tmp_path, capsys):
    folder = write_classifier(tmp_path / "own", LATTICES, grid=None)
    assert main([str(file), f"--model={folder}", "--task=bravais_lattice", *GIVEN]) == 2
    assert "knows the patterns of its own instrument alone" in capsys.readouterr().err


def test_nothing_in_a_folder(tmp_path, models, capsys):
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), f"--model={models}"]) == 2
    assert "no files in there" in capsys.readouterr().err


def test_help_says_all_that_is_needed():
    done = command("--help")
    assert done.returncode == 0
    for word in ("--wavelength", "--prior", "measured-bravais", "exit status", "one phase"):
        assert word in done.stdout


def test_from_python(file, models):
    settings = {"models": models.split(","), "wavelength": 1.54, "radiation": "neutron"}
    answer = predict(read_pattern(file), **settings)
    assert answer.answered
    assert answer.file == "pattern.xye"
    assert [each.symbol for each in answer.bravais_lattice] == [*LATTICES]
    assert answer.space_group[0].same_extinction == (33,)
    from_file = predict(file, **settings, top=1)
    assert from_file.file == str(file)
    assert from_file.space_group == answer.space_group[:1]
    settings["models"] = models.split(",")[0]
    assert predict(file, **settings, task="bravais_lattice", top=1).answered
    with pytest.raises(InputError, match="task 'all'"):
        predict(file, **settings, task="all")


def test_the_prior_is_a_choice(file, models):
    settings = {"models": models.split(","), "wavelength": 1.54, "radiation": "neutron"}
    flat = predict(file, **settings, prior="flat")
    assert flat.space_group == predict(file, **settings).space_group  # all trained on equally
    of_crystals = predict(file, **settings, prior="mp_icsd")
    assert [each.number for each in of_crystals.space_group] != [
        each.number for each in flat.space_group
    ]
