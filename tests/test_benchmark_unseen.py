"""Crystals that no archive has: which are kept, and what is written of them."""

import tarfile

import pytest

from benchmarks import unseen
from data_gen.sources import PymatgenSource, open_sources
from data_gen.write_cif import cif_text


@pytest.fixture(scope="module")
def prototypes():
    return PymatgenSource(unseen.prototypes()[:12], "aflow")


def test_each_composition_and_space_group_is_kept_once(prototypes):
    found, none = unseen.unseen(prototypes.records(), set())
    assert len(found) == 12
    assert not none
    first, *_ = found.values()
    assert (first.formula, first.space_group) == ("HgS", 154)  # cinnabar comes first
    twice = [*prototypes.records(), *prototypes.records()]
    again, left_out = unseen.unseen(iter(twice), {("HgS", 154)})
    assert again.keys() == found.keys() - {"aflow_0"}
    assert left_out == {"there already": 13}


def test_the_archive_holds_the_same_crystals_and_what_is_known_is_left_out(
    prototypes, tmp_path, capsys
):
    found, _ = unseen.unseen(prototypes.records(), set())
    for name in ("aflow_0", "aflow_1"):
        (tmp_path / f"{name}.cif").write_text(cif_text(name, found[name]))
    out = tmp_path / "unseen.tar.gz"
    flags = [f"--against={tmp_path}", f"--data_dir={tmp_path / 'data'}", f"--out={out}"]
    assert unseen.main(flags) == 0
    assert "'there already': " in capsys.readouterr().out
    with tarfile.open(out) as tar:
        names = {name.removesuffix(".cif") for name in tar.getnames()}
    assert found.keys() - names == {"aflow_0", "aflow_1"}
    (source,) = open_sources(str(out))
    read = dict(pair for record in source.records() for pair in record.parse(record.payload))
    assert len(read) == len(names)
    for name in found.keys() & names:
        assert (read[name].formula, read[name].space_group) == (
            found[name].formula,
            found[name].space_group,
        )
        assert read[name].volume == pytest.approx(found[name].volume)
