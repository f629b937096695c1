"""Crystals that no archive has: which are kept, and what is written of them."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import unseen
from data_gen.errors import InputError
from data_gen.sources import PymatgenSource, open_sources
from data_gen.write_cif import cif_text


@pytest.fixture(scope="module")
def prototypes():
    return PymatgenSource(unseen.prototypes()[:12], "aflow")


def of(formulas):
    """Compositions of an archive that has these."""
    return unseen.compositions(formulas)


def test_each_composition_and_space_group_is_kept_once(prototypes):
    found, none = unseen.unseen(prototypes.records(), of([]))
    assert len(found) == 12
    assert not none
    first, *_ = found.values()
    assert (first.formula, first.space_group) == ("HgS", 154)  # cinnabar comes first
    twice = [*prototypes.records(), *prototypes.records()]
    again, left_out = unseen.unseen(iter(twice), of([]))
    assert again.keys() == found.keys()
    assert left_out == {"found before": 12}


@pytest.mark.parametrize("written", ["HgS", "S4Hg4", "Hg0.98S", "HgS0.99Se0.01"])
def test_what_has_the_composition_is_left_out_whatever_its_space_group(prototypes, written):
    found, _ = unseen.unseen(prototypes.records(), of([]))
    left, left_out = unseen.unseen(prototypes.records(), of(["NaCl", written]))
    gone = {name for name, crystal in found.items() if crystal.formula == "HgS"}
    assert left.keys() == found.keys() - gone
    assert left_out == {"there already": len(gone)}


@pytest.mark.parametrize("written", ["Hg2S", "HgSe", "Hg"])
def test_other_compositions_leave_a_crystal_there(prototypes, written):
    cinnabar = next(prototypes.records())
    found, _ = unseen.unseen(iter([cinnabar]), of([written]))
    assert len(found) == 1


def test_crystals_of_one_name_are_told_apart_by_source_or_refused():
    one, other = ([structure] for structure in unseen.prototypes()[:2])
    sources = [PymatgenSource(one, "a"), PymatgenSource(other, "b")]
    records = [
        replace(record, payload=("0", record.payload[1]))
        for source in sources
        for record in source.records()
    ]
    found, _ = unseen.unseen(iter(records), of([]))
    assert found.keys() == {"a/0", "b/0"}
    same = [replace(record, source="a/b") for record in records]
    with pytest.raises(InputError, match="two crystals are called a_b/0: rename"):
        unseen.unseen(iter(same), of([]))


def test_the_archive_holds_the_same_crystals_and_what_is_known_is_left_out(
    prototypes, tmp_path, capsys
):
    everything, _ = unseen.unseen(prototypes.records(), of([]))
    found = {name.removeprefix("aflow/"): crystal for name, crystal in everything.items()}
    for name in ("aflow_0", "aflow_1"):
        (tmp_path / f"{name}.cif").write_text(cif_text(name, found[name]))
    out = tmp_path / "unseen.tar.gz"
    flags = [f"--against={tmp_path}", f"--data_dir={tmp_path / 'data'}", f"--out={out}"]
    assert unseen.main(flags) == 0
    assert "'there already': " in capsys.readouterr().out
    with tarfile.open(out) as tar:
        names = {Path(name).stem for name in tar.getnames()}
    known = {found["aflow_0"].formula, found["aflow_1"].formula}
    gone = {name for name, crystal in found.items() if crystal.formula in known}
    assert found.keys() - names == gone
    (source,) = open_sources(str(out))
    read = dict(pair for record in source.records() for pair in record.parse(record.payload))
    assert len(read) == len(names)
    for name in found.keys() & names:
        assert (read[name].formula, read[name].space_group) == (
            found[name].formula,
            found[name].space_group,
        )
        assert read[name].volume == pytest.approx(found[name].volume)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("", "is a folder; name a file in it"),
        ("a.cif/x.tar.gz", "give a place that can be written"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_the_data_set_is_built(
    tmp_path, capsys, out, words
):
    (tmp_path / "a.cif").touch()
    flags = [f"--against={tmp_path}", f"--data_dir={tmp_path / 'data'}", f"--out={tmp_path / out}"]
    assert unseen.main(flags) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_an_interruption_tells_what_is_kept_and_of_no_checkpoint(tmp_path, monkeypatch, capsys):
    kept = "5 structures are kept: the same command goes on from there"

    def build(*_):
        raise KeyboardInterrupt(kept)

    monkeypatch.setattr(unseen, "build", build)
    assert unseen.main(["--against=amcsd", f"--out={tmp_path / 'unseen.tar.gz'}"]) == 1
    assert capsys.readouterr().err == f"interrupted: {kept}\n"
