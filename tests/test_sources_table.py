"""Tables with a CIF column."""

import csv
import json
from pathlib import Path

import pytest

from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason
from data_gen.sources import open_sources, table
from data_gen.sources.table import TableSource

CIF = (Path(__file__).parent / "data" / "halite.cif").read_text()


def results(path: Path) -> dict[str, Reason | int]:
    found: dict[str, Reason | int] = {}
    for record in TableSource(path).records():
        for name, crystal in record.parse(record.payload):
            found[name] = crystal.space_group if isinstance(crystal, Crystal) else crystal.reason
    return found


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("column", ["id", "material_id"])
def test_csv_with_ids(tmp_path: Path, column: str) -> None:
    path = tmp_path / "set.csv"
    write_csv(path, [{column: "a", "cif": CIF}, {column: "b", "cif": "nothing"}])
    (source,) = open_sources(str(path))
    assert source.name == "set"
    assert results(path) == {"a": 225, "b": Reason.UNREADABLE}


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    write_csv(path, [{"cif": CIF}, {"cif": CIF}])
    assert results(path) == {"set_1": 225, "set_2": 225}


@pytest.mark.parametrize("name", ["set.csv", "set.jsonl"])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_csv(path, [{"cif": CIF}])
    text = json.dumps({"cif": CIF}) if name == "set.jsonl" else path.read_text()
    path.write_text(text, encoding="utf-8-sig")
    assert results(path) == {"set_1": 225}


def test_json_text_that_no_encoding_has(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"id": "\ud800", "cif": f"{CIF}# \ud800"}))
    assert results(path) == {r"\ud800": 225}


def test_csv_without_a_cif_column(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    write_csv(path, [{"id": "1", "structure": CIF}])
    with pytest.raises(InputError, match=r"no column 'cif' \(columns: id, structure\)"):
        open_sources(str(path))


def test_csv_fields_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_CIF_BYTES", 1000)
    path = tmp_path / "set.csv"
    write_csv(path, [{"id": "a", "cif": CIF}, {"id": "b", "cif": CIF + "#" * 1000}])
    assert results(path) == {"a": 225, "set_2": Reason.UNREADABLE}
    csv.field_size_limit(131072)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    lines = [json.dumps({"id": 7, "cif": CIF}), "", "{broken", "[1]", json.dumps({"id": "no"})]
    path.write_text("\n".join(lines))
    assert results(path) == {
        "7": 225,
        "set_2": Reason.UNREADABLE,
        "set_3": Reason.UNREADABLE,
        "no": Reason.UNREADABLE,
    }


def test_json_lines_without_cifs(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"structure": 1}\n')
    with pytest.raises(InputError, match="no column 'cif'"):
        results(path)


def test_json_lines_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_CIF_BYTES", 1000)
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"id": "a", "cif": CIF}) + "\n" + "x" * 5000)
    assert results(path) == {"a": 225, "set_2": Reason.UNREADABLE}


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl"])
def test_an_empty_table(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match="cif"):
        open_sources(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_without_end_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(table, "_LONGEST_LINE", 5000)
    path = tmp_path / name
    good = CIF
    if name.endswith("csv"):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "cif"), ("one", good), ("two", "x" * 10_000)])
    else:
        rows = [{"id": "one", "cif": good}, {"id": "two", "cif": "x" * 10_000}]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, last = results(path).items()
    assert first == ("one", 225)
    assert last[1] is Reason.UNREADABLE
