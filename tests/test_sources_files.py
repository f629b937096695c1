"""Folders and archives of CIFs, sound and hostile."""

import gzip
import io
import lzma
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.sources import Source, files, open_sources
from data_gen.sources.files import FolderSource, TarSource, ZipSource

CIF = (Path(__file__).parent / "data" / "halite.cif").read_bytes()
MODES = {
    "a.tar": "w",
    "a.tar.gz": "w:gz",
    "a.tgz": "w:gz",
    "a.tar.bz2": "w:bz2",
    "a.tar.xz": "w:xz",
}


def results(source: Source) -> dict[str, Reason | int]:
    """Space group number, or reason of rejection, of everything in a source."""
    found: dict[str, Reason | int] = {}
    for record in source.records():
        for name, crystal in record.parse(record.payload):
            found[name] = crystal.space_group if isinstance(crystal, Crystal) else crystal.reason
    return found


def add(archive: tarfile.TarFile, name: str, content: bytes = CIF) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_tar(path: Path, names: list[str], mode: str = "w:gz") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in names:
            add(archive, name)


def write_zip(path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, CIF)


def test_a_folder_is_read_in_order_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.cif", "a.CIF", "sub/c.cif", "d.txt", "._e.cif"):
        (tmp_path / name).write_bytes(CIF)
    source = FolderSource(tmp_path)
    assert list(results(source)) == ["a", "b", "c"]
    assert source.count() == 3


def test_a_changed_folder_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_bytes(CIF)
    before = FolderSource(tmp_path).fingerprint()
    assert FolderSource(tmp_path).fingerprint() == before
    (tmp_path / "b.cif").write_bytes(CIF)
    assert FolderSource(tmp_path).fingerprint() != before


@pytest.mark.parametrize("name", MODES)
def test_tar_archives(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_tar(path, ["set/one.cif", "set/two.cif", "set/readme.md"], MODES[name])
    (source,) = open_sources(str(path))
    assert source.name == "a"
    assert results(source) == {"one": 225, "two": 225}
    assert source.count() == 2
    before = source.fingerprint()
    write_tar(path, ["set/one.cif"], MODES[name])
    assert TarSource(path).fingerprint() != before


def test_tar_members_with_long_names_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, ["x" * 150 + ".cif", "set/one.cif", "readme.md"], "w")
    assert TarSource(path).count() == 2


def test_a_file_that_is_no_tar_archive_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"nothing of the kind" * 100)
    assert TarSource(path).count() is None


def test_zip_archives(tmp_path: Path) -> None:
    path = tmp_path / "my.set.zip"
    write_zip(path, ["set/one.cif", "two.cif", "readme.md"])
    (source,) = open_sources(str(path))
    assert source.name == "my.set"
    assert results(source) == {"one": 225, "two": 225}
    assert source.count() == 2


def test_members_that_reach_out_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("../up.cif", "/root.cif", "a/../../b.cif"):
            add(archive, name)
        for name, kind in (("link.cif", tarfile.SYMTYPE), ("device.cif", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        add(archive, "good.cif")
    found = results(TarSource(path))
    assert found.pop("good") == 225
    assert len(found) == 5
    assert set(found.values()) == {Reason.UNSAFE_MEMBER}


def test_zip_members_that_reach_out_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    link = zipfile.ZipInfo("link.cif")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in ("../up.cif", "/root.cif", "C:/root.cif", "good.cif"):
            archive.writestr(name, CIF)
    found = results(ZipSource(path))
    assert found.pop("good") == 225
    assert set(found.values()) == {Reason.UNSAFE_MEMBER}


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_nothing_is_written_beside_an_archive(
    tmp_path: Path, write: Callable[[Path, list[str]], None]
) -> None:
    path = tmp_path / ("a.tar.gz" if write is write_tar else "a.zip")
    write(path, ["../x.cif", "y.cif"])
    results(*open_sources(str(path)))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "keep"), [("a.tar.gz", 0.6), ("a.tar", 0.6), ("a.tar.xz", 0.6)])
def test_what_a_broken_off_archive_still_holds_is_used(
    tmp_path: Path, name: str, keep: float
) -> None:
    path = tmp_path / name
    with tarfile.open(path, MODES[name]) as archive:  # type: ignore[call-overload]
        for index in range(200):
            # Comments that do not compress, so that the break lies in the middle of the members.
            comment = b"# " + bytes(f"{hash((index, name)):x}", "ascii") * 20 + b"\n"
            add(archive, f"m{index}.cif", comment + CIF)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    found = results(TarSource(path))
    assert found.pop(name) is Reason.UNREADABLE
    assert 20 < len(found) < 180
    assert set(found.values()) == {225}


def test_a_tar_without_its_end_mark_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, ["one.cif"], "w")
    path.write_bytes(path.read_bytes()[:1024])
    assert results(TarSource(path)) == {"one": 225, "a.tar": Reason.UNREADABLE}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize(
    "content", [b"", b"not an archive", b"\x1f\x8b" + b"broken" * 9, b"PK\x03\x04"]
)
def test_files_that_are_no_archive(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.(tar|zip)"):
        open_sources(str(path))


def test_large_members_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_CIF_BYTES", 1000)
    monkeypatch.setattr("data_gen.sources.base.MAX_CIF_BYTES", 1000)
    tar, packed, folder = tmp_path / "a.tar", tmp_path / "a.zip", tmp_path / "folder"
    with tarfile.open(tar, "w") as archive:
        add(archive, "big.cif", CIF + b"#" * 1000)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.cif", CIF + b"#" * 1000)
    folder.mkdir()
    (folder / "big.cif").write_bytes(CIF + b"#" * 1000)
    for path in (tar, packed, folder):
        assert results(*open_sources(str(path))) == {"big": Reason.TOO_LARGE}


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_ARCHIVE_MEMBERS", 2), ("MAX_ARCHIVE_BYTES", 1000)]
)
def test_an_endless_archive_is_left_in_time(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, list[str]], None],
    limit: str,
    value: int,
) -> None:
    path = tmp_path / ("a.tar.gz" if write is write_tar else "a.zip")
    write(path, ["1.cif", "2.cif", "3.cif"])
    monkeypatch.setattr(files, limit, value)
    assert results(*open_sources(str(path))) == {"1": 225, "2": 225, path.name: Reason.TOO_LARGE}


def test_a_zip_member_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.cif", CIF)
        archive.writestr("good.cif", CIF)
    path.write_bytes(path.read_bytes().replace(b"data_halite", b"data_harite", 1))
    assert results(ZipSource(path)) == {"bad": Reason.UNREADABLE, "good": 225}


def test_a_cif_with_several_structures_names_them(tmp_path: Path) -> None:
    path = tmp_path / "pair.cif"
    path.write_bytes(CIF + CIF.replace(b"data_halite", b"data_second"))
    assert results(*open_sources(str(path))) == {"pair_halite": 225, "pair_second": 225}


def test_structures_of_one_name_in_a_file_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "pair.cif"
    path.write_bytes(CIF + CIF)
    assert results(*open_sources(str(path))) == {"pair_0": 225, "pair_1": 225}


def test_names_that_are_not_utf8_are_spelt_out(tmp_path: Path) -> None:
    name = os.fsdecode(b"m\xfcller.cif")
    path = tmp_path / "a.tar"
    write_tar(path, [name], "w")
    assert results(TarSource(path)) == {r"m\udcfcller": 225}


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_tar_header_without_end_is_not_taken_into_memory(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, 8 * 2**20
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "one.cif")
        archive.addfile(header, io.BytesIO(b"a" * header.size))
        add(archive, "two.cif")
    assert results(TarSource(path)) == {"one": 225, "a.tar.gz": Reason.UNREADABLE}


def test_a_large_member_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "movie.bin", bytes(8 * 2**20))
        add(archive, "one.cif")
    assert results(TarSource(path)) == {"one": 225}


def test_a_tar_header_of_negative_size_ends_the_count(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, ["one.cif"], "w")
    content = bytearray(path.read_bytes())
    content[124:136] = b"-0000001000\0"
    path.write_bytes(content)
    assert TarSource(path).count() == 0


def test_a_damaged_lzma_member_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("bad.cif", CIF * 20)
        archive.writestr("good.cif", CIF)
    content = bytearray(path.read_bytes())
    content[45:90] = (byte ^ 0x5A for byte in content[45:90])
    path.write_bytes(content)
    assert results(ZipSource(path)) == {"bad": Reason.UNREADABLE, "good": 225}


def test_a_file_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.cif"
    path.write_bytes(bytes(range(256)) * 4)
    assert results(*open_sources(str(path))) == {"noise": Reason.UNREADABLE}


def test_the_plain_iterator_gives_crystals_alone(tmp_path: Path) -> None:
    for name, content in (("good", CIF), ("bad", b"data_x\n")):
        (tmp_path / f"{name}.cif").write_bytes(content)
    assert [name for name, _ in FolderSource(tmp_path)] == ["good"]


def test_rejections_say_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "a.cif"
    path.write_bytes(CIF.replace(b"0.5 0.5 0.5 1", b"0.5 0.5 0.5 ?"))
    [record] = open_sources(str(path))[0].records()
    [(_, error)] = record.parse(record.payload)
    assert isinstance(error, StructureError)
    assert str(error) == "unknown coordinate or occupancy: an occupancy is not given"


def test_real_archive(shared_data: Path) -> None:
    (source,) = open_sources(str(shared_data / "structures" / "mp_icsd.tar.gz"))
    assert source.name == "mp_icsd"
    name, crystal = next(iter(source))
    assert name == "mp-1"
    assert (crystal.space_group, crystal.formula) == (229, "Cs")


def test_names_that_no_terminal_should_show_are_spelt_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, ["bell\x07.cif", "line\nbreak.cif", "n" * 1000 + ".cif"], "w")
    assert results(TarSource(path)) == {r"bell\x07": 225, r"line\nbreak": 225, "n" * 255: 225}


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_a_path_without_end_is_refused(
    tmp_path: Path, write: Callable[[Path, list[str]], None]
) -> None:
    path = tmp_path / ("a.tar.gz" if write is write_tar else "a.zip")
    write(path, ["d/" * 5000 + "x.cif", "y.cif"])
    assert results(*open_sources(str(path))) == {"x": Reason.UNSAFE_MEMBER, "y": 225}


def test_archives_in_an_archive_are_not_opened(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.tar.gz", tmp_path / "outer.tar"
    write_tar(inner, ["hidden.cif"])
    with tarfile.open(outer, "w") as archive:
        add(archive, "inner.tar.gz", inner.read_bytes())
        add(archive, "named.cif", inner.read_bytes())
        add(archive, "good.cif")
    assert results(TarSource(outer)) == {"named": Reason.UNREADABLE, "good": 225}


def test_a_tar_member_that_claims_more_than_there_is_ends_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    write_tar(path, ["good.cif"])
    liar = tarfile.TarInfo("liar.cif")
    liar.size = 2**32
    honest = gzip.decompress(path.read_bytes())[:1024]
    path.write_bytes(gzip.compress(honest + liar.tobuf(tarfile.GNU_FORMAT) + CIF))
    assert results(TarSource(path)) == {"good": 225, "a.tar.gz": Reason.UNREADABLE}


def test_a_cif_that_unpacks_without_end_is_not_taken_into_memory(tmp_path: Path) -> None:
    tar, packed = tmp_path / "a.tar.gz", tmp_path / "a.zip"
    bomb = CIF + bytes(64 * 2**20)
    with tarfile.open(tar, "w:gz") as archive:
        add(archive, "bomb.cif", bomb)
        add(archive, "good.cif")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.cif", bomb)
        archive.writestr("good.cif", CIF)
    del bomb
    for path in (tar, packed):
        (source,) = open_sources(str(path))
        tracemalloc.start()
        assert results(source) == {"bomb": Reason.TOO_LARGE, "good": 225}
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40 * 2**20


@pytest.mark.parametrize(
    ("claim", "result"), [(0, Reason.UNREADABLE), (100, Reason.UNREADABLE), (2**31, 225)]
)
def test_a_zip_member_is_read_to_its_real_end(
    tmp_path: Path, claim: int, result: Reason | int
) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, ["liar.cif", "good.cif"])
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = claim.to_bytes(4, "little")
    path.write_bytes(content)
    assert results(ZipSource(path)) == {"liar": result, "good": 225}


def test_members_of_one_name_all_arrive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, ["a/x.cif", "b/x.cif", "a/x.cif"], "w")
    names = ["x", "b/x.cif", "a/x.cif"]  # the second of a name goes by its path
    assert [record.id for record in TarSource(path).records()] == names


def test_a_zip_whose_list_of_members_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, ["one.cif"])
    monkeypatch.setattr(files, "MAX_DIRECTORY_BYTES", 20)
    with pytest.raises(InputError, match=r"list of members takes \d+ bytes; pack it again"):
        open_sources(str(path))


def test_a_zip_name_that_is_not_in_its_encoding_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, ["é.cif"])
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match="utf-8"):
        open_sources(str(path))


def test_a_zip_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, ["x.cif", "good.cif"])
    path.write_bytes(path.read_bytes().replace(b"x.cif", b"\0.cif"))  # a null byte ends a name
    assert results(ZipSource(path)) == {"good": 225}


def test_xz_streams_that_follow_one_another_are_one_archive(tmp_path: Path) -> None:
    plain, path = tmp_path / "a.tar", tmp_path / "a.tar.xz"
    write_tar(plain, ["one.cif", "two.cif"], "w")
    content = plain.read_bytes()
    padding = bytes(8)
    path.write_bytes(lzma.compress(content[:700]) + padding + lzma.compress(content[700:]))
    assert results(TarSource(path)) == {"one": 225, "two": 225}
    assert TarSource(path).count() == 2


def test_an_xz_file_that_asks_for_too_much_memory_is_refused(tmp_path: Path) -> None:
    plain, path = tmp_path / "a.tar", tmp_path / "a.tar.xz"
    write_tar(plain, ["one.cif"], "w")
    fast = {"mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 3}
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**30, **fast}]
    path.write_bytes(lzma.compress(plain.read_bytes(), filters=filters))
    with pytest.raises(InputError, match="Memory usage limit"):
        open_sources(str(path))


def test_structures_beyond_the_limit_of_one_cif_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_gen.sources.base.MAX_STRUCTURES_PER_CIF", 2)
    path = tmp_path / "many.cif"
    path.write_bytes(b"".join(CIF.replace(b"data_", f"data_{i}".encode(), 1) for i in range(4)))
    found = results(*open_sources(str(path)))
    assert list(found.values()) == [225, 225, Reason.TOO_LARGE]
