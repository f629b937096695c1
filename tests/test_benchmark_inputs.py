"""The benchmark of the input side runs, and its table is well formed."""

import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks import inputs
from benchmarks.large_dataset import copies, forget, size
from data_gen.builder import build
from data_gen.spec import DatasetSpec


def test_quick_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(inputs, "_TRAINED", {"supervised": 8})
    monkeypatch.setattr(inputs, "_FED", {})
    (tmp_path / "scratch").mkdir()
    out = tmp_path / "out"
    assert inputs.main(["--quick", f"--scratch={tmp_path / 'scratch'}", f"--out={out}"]) == 0
    printed = capsys.readouterr().out
    assert (out / "inputs.md").read_text().strip() in printed
    rows = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {15}
    assert len(rows) == 2 + 3
    records = json.loads((out / "inputs.json").read_text())
    assert all(record["fed_per_s"] > 0 for record in records)
    assert all(0 <= record["waiting"] <= 1 and record["trained_per_s"] > 0 for record in records)
    assert records[-1]["patterns"] > 2 * records[0]["patterns"]
    assert not list((tmp_path / "scratch").iterdir())


def test_what_is_only_fed_leaves_training_out():
    case = inputs.Case("streamed", Path(), streamed=True)
    tasks = inputs._tasks(case, 1.0)
    assert [task.training for task in tasks] == [True, True, False]
    figures = dict.fromkeys(
        ("start_seconds", "memory_mib", "peak_mib", "fed_per_s", "cpu_seconds_per_pattern"), 1.0
    )
    record = {**dataclasses.asdict(case), **dataclasses.asdict(tasks[-1]), **figures}
    row = inputs._row({**record, "patterns": 1000, "copied_per_s": 1.0})
    assert len(row) == 15
    assert row[-4:] == ("", "", "", "")


def test_too_small_a_disk_stands_in_the_table(tmp_path, data_dir):
    spec = DatasetSpec("amcsd", limit=40)
    folder = Path(build(spec, data_dir, workers=1, progress=False).data_dir)
    large, problem = inputs._large(folder, tmp_path / "large", times=10**9)
    assert large is None
    case = inputs.Case("vast", large, streamed=True, problem=problem)
    (task,) = inputs._tasks(case, 1.0)
    assert inputs._measured(case, task, tmp_path) == {}
    assert "of disk" in inputs._table([{"title": "vast", "problem": problem}])


def test_copies_are_forgotten_and_still_there(tmp_path, data_dir):
    spec = DatasetSpec("amcsd", limit=40)
    folder = Path(build(spec, data_dir, workers=1, progress=False).data_dir)
    copies(folder, tmp_path / "twice", times=2)
    forget(tmp_path / "twice")
    assert size(tmp_path / "twice") == 2 * size(folder) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--seconds=0"], "--seconds"), (["--scratch=missing"], "no folder")],
)
def test_wrong_options(capsys, arguments, message):
    assert inputs.main(arguments) == 2
    assert message in capsys.readouterr().err
