"""`python -m data_gen` as a user meets it."""

import csv
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from data_gen.__main__ import main

HALITE = (Path(__file__).parent / "data" / "halite.cif").read_bytes()


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


def run(data_dir: Path, *flags: str) -> int:
    return main([f"--data_dir={data_dir}", "--workers=1", *flags])


def test_builds_once_and_says_what_it_did(data_dir, capsys):
    assert run(data_dir, "--sources=amcsd", "--limit=30") == 0
    printed = capsys.readouterr()
    (path,) = data_dir.rglob("summary.json")
    summary = json.loads(path.read_text())
    assert summary["written"] + summary["rejected"] == 30
    assert summary["structures_per_s"] > 0
    for words in ("written", "rejected", "structures/s", str(path), *summary["rejected_by_reason"]):
        assert words in printed.out
    assert "30/30" in printed.err

    assert run(data_dir, "--sources=amcsd", "--limit=30") == 0
    assert capsys.readouterr().out == f"already built: {path.parent}\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sources=amcsd", "--instrument=warp_drive"], ["warp_drive", "bt1_ge311"]),
        (["--sources=amcsd", "--scattering_lengths=guess"], ["guess", "sears1992"]),
        (["--sources=/no/such/folder"], ["/no/such/folder"]),
        (["--sources=amcsd", "--limit=0"], ["limit"]),
        (["--sources=amcsd", "--workers=0"], ["workers"]),
    ],
)
def test_bad_input_is_a_short_error(data_dir, capsys, flags, words):
    assert run(data_dir, *flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words)
    assert not data_dir.exists()


@pytest.mark.parametrize("flags", [[], ["--sources=amcsd", "--limit=x"], ["--no_such_flag"]])
def test_unreadable_flags_are_a_short_error(data_dir, capsys, flags):
    with pytest.raises(SystemExit) as ended:
        run(data_dir, *flags)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_source_without_structures_is_an_error(data_dir, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(data_dir, f"--sources={empty}") == 2
    assert f"{empty}" in capsys.readouterr().err
    assert not data_dir.exists()


def test_data_directory_in_the_way_of_a_file_is_an_error(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file", "--sources=amcsd", "--limit=3") == 2
    assert "cannot write" in capsys.readouterr().err


def test_help_is_quick_to_import():
    code = (
        "import sys, data_gen.__main__\n"
        "assert not {'tensorflow_datasets', 'jax', 'pymatgen'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hostile_archive_costs_only_what_is_hostile_in_it(data_dir, tmp_path, capsys):
    """Everything is written or listed with a reason and a remedy, and nothing lands elsewhere."""
    archive = tmp_path / "zoo.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("../up.cif", "/root.cif", *["good.cif"] * 3, "fine.cif"):
            add(tar, name, HALITE)
        link = tarfile.TarInfo("link.cif")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        add(tar, "noise.cif", bytes(range(256)))
        add(tar, "bomb.cif", HALITE + bytes(20 * 2**20))
    cut = archive.read_bytes()[:-20]
    archive.write_bytes(cut)
    assert run(data_dir, f"--sources={archive}") == 0
    (path,) = data_dir.rglob("rejected.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"]: row["reason"] for row in rows} == {
        "up": "unsafe archive member",
        "root": "unsafe archive member",
        "link": "unsafe archive member",
        "good.cif": "duplicate id",
        "noise": "unreadable",
        "bomb": "too large",
        "zoo.tar.gz": "unreadable",
    }
    assert all(row["source"] == "zoo" and row["remedy"] for row in rows)
    assert json.loads((path.parent / "summary.json").read_text())["written"] == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "zoo.tar.gz"]


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--", "--direct_num_workers=2"], ["--direct_num_workers=2", "--runner"]),
        (["--runner=DirectRunner"], ["sgan_jax[beam]"]),
        (["--runner=DirectRunner", "--workers=1"], ["--workers", "--runner"]),
    ],
)
def test_beam_options_without_beam_are_a_short_error(data_dir, capsys, monkeypatch, flags, words):
    monkeypatch.setitem(sys.modules, "apache_beam", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "data_gen.beam", raising=False)
    assert main([f"--data_dir={data_dir}", "--sources=amcsd", "--limit=3", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words)
    assert not data_dir.exists()
