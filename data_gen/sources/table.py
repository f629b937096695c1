"""Tables with a `cif` column: CSV, or JSON with one object per line."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from data_gen.errors import InputError, Reason
from data_gen.limits import MAX_CIF_BYTES
from data_gen.sources.base import Record, Source, cif_record, file_hash, rejected_record

TABLE_SUFFIXES = (".csv", ".jsonl")
CIF_COLUMN = "cif"
ID_COLUMNS = ("id", "material_id")

_LONGEST_LINE = 2 * MAX_CIF_BYTES
_ENCODING = "utf-8-sig"  # UTF-8, with or without the byte order mark of spreadsheets


class TableSource(Source):
    """The rows of a table; ids are in a column `id` or `material_id`, else row numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.stem

    def fingerprint(self) -> str:
        """Returns the hash of the file."""
        return file_hash(self._path)

    def records(self) -> Iterator[Record]:
        """Yields the rows in order; a row that cannot be read becomes a rejection.

        Raises:
            InputError: The table has no column `cif`.
        """
        rows = _csv_rows if self._path.suffix.lower() == ".csv" else _json_rows
        for index, row in enumerate(rows(self._path), start=1):
            yield self._record(index, row)

    def _record(self, index: int, row: Mapping[str, Any] | str) -> Record:
        if isinstance(row, str):
            return rejected_record(f"{self.name}_{index}", self.name, Reason.UNREADABLE, row)
        given = (row.get(column) for column in ID_COLUMNS)
        name = next((str(value) for value in given if value), f"{self.name}_{index}")
        content = row.get(CIF_COLUMN)
        if not isinstance(content, str):
            return rejected_record(name, self.name, Reason.UNREADABLE, "the row has no CIF")
        return cif_record(name, self.name, content.encode(errors="replace"))


def _lines(file: TextIO) -> Iterator[str]:
    """Yields lines; raises csv.Error at one that is too long to be taken into memory."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error("the line is too long")
        yield line


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any] | str]:
    csv.field_size_limit(MAX_CIF_BYTES)
    with path.open(encoding=_ENCODING, errors="replace", newline="") as file:
        reader = csv.DictReader(_lines(file))
        try:
            columns = reader.fieldnames or []
            if CIF_COLUMN not in columns:
                raise _no_cif_column(path, ", ".join(columns) or "none")
            yield from reader
        except csv.Error as error:
            yield f"line {reader.line_num}: {error}; the rest of the table is not read"


def _json_rows(path: Path) -> Iterator[Mapping[str, Any] | str]:
    found = False
    with path.open(encoding=_ENCODING, errors="replace") as file:
        try:
            for line in filter(str.strip, _lines(file)):
                row = _json_object(line)
                found = found or CIF_COLUMN in row
                yield row
        except csv.Error as error:
            found = True
            yield f"{error}; the rest of the table is not read"
    if not found:
        raise _no_cif_column(path, "none of that name in any line")


def _json_object(line: str) -> Mapping[str, Any] | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else "not a JSON object"


def _no_cif_column(path: Path, columns: str) -> InputError:
    return InputError(
        f"source {str(path)!r} has no column {CIF_COLUMN!r} (columns: {columns}); "
        "rename the column that holds the CIF text"
    )
