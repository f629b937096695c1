import csv
import json

import pytest
from matplotlib.image import imread

from benchmarks.measured import main
from tests.fixed_classifier import pattern_text, write_classifiers

COLUMNS = (
    "file", "wavelength_A", "phase", "space_group", "bravais", "multi_phase",
    "magnetic_order_peaks",
)  # fmt: skip
ROWS = (
    ("pnma.xye", "1.54", "A", "62", "oP", "no", "no"),
    ("p21c.xye", "1.54", "B", "14", "mP", "no", "possible"),
    ("other.xye", "1.54", "C", "136", "tP", "no", "no"),
    ("noise.xye", "1.54", "D", "225", "cF", "no", "no"),
    ("mixture.xye", "1.54", "E + F", "", "", "yes", "no"),
)


def write_manifest(folder, rows):
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "measured"
    folder.mkdir()
    write_manifest(folder, ROWS)
    for name, *_ in ROWS:
        peaks = 0 if name == "noise.xye" else 12
        (folder / name).write_text(pattern_text(peaks=peaks))
    return folder


@pytest.fixture
def model(tmp_path) -> str:
    return f"--model={write_classifiers(tmp_path)}"


def test_patterns_are_scored(folder, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([f"--measured={folder}", model, f"--out={out}"]) == 0
    text = capsys.readouterr().out
    assert text == (out / "measured.md").read_text()
    content = json.loads((out / "measured.json").read_text())
    ranks = [
        (entry["lattice_rank"], entry["space_group_rank"], entry["extinction_group_rank"])
        for entry in content["files"]
    ]
    assert ranks == [(1, 1, 1), (2, 3, 3), (3, None, None), (None,) * 3, (None,) * 3]
    assert [entry["answer"]["answered"] for entry in content["files"]] == [True] * 3 + [False, True]
    every, plain = content["totals"].values()
    right = {name: (total["right"], total["patterns"]) for name, total in every.items()}
    assert right == {
        "Bravais lattice, top 1": (1, 4),
        "Bravais lattice, top 3": (3, 4),
        "space group, top 1": (1, 4),
        "space group, top 5": (2, 4),
        "extinction group, top 5 space groups": (2, 4),
    }
    assert plain["Bravais lattice, top 3"]["patterns"] == 3
    assert every["Bravais lattice, top 1"]["interval"] == pytest.approx([0.0456, 0.6994], abs=1e-4)
    assert every["Bravais lattice, top 1"]["prior"] == 0.25  # all are as frequent: the first
    assert every["space group, top 5"]["prior"] == 0.75
    assert every["space group, top 5"]["answered"] == 3
    for name, *_ in ROWS:
        assert imread(out / f"{name}.png").std() > 0.01


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("a.xye", "1.54", "A", "62", "cF", "no", "no"), "lattice cF of space group 62"),
        (("a.xye", "?", "A", "62", "oP", "no", "no"), "could not convert"),
        (("a.xye", "1.54", "A", "999", "oP", "no", "no"), "space group numbers run from 1"),
        (("a.xye",), "complete its columns"),
    ],
)
def test_a_manifest_must_make_sense(tmp_path, capsys, row, words):
    write_manifest(tmp_path, [row])
    assert main([f"--measured={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_a_folder_without_a_manifest(tmp_path, capsys):
    assert main([f"--measured={tmp_path}"]) == 2
    assert "name a folder with manifest.csv" in capsys.readouterr().err
