"""What is known of the patterns of a folder beside their files: its `manifest.csv`."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_gen.errors import InputError

MANIFEST = "manifest.csv"


def read_manifest(folder: Path, needed: Sequence[str]) -> Sequence[Mapping[str, str]]:
    """The rows of a folder's manifest; what a short row lacks is empty.

    Args:
        folder: Where it is.
        needed: Columns that it must have.

    Raises:
        InputError: It cannot be read, or lacks a column.
        FileNotFoundError: There is none.
    """
    path = folder / MANIFEST
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, restval="")
            columns, rows = table.fieldnames or (), list(table)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: {error}: give a table of comma-separated values") from None
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise InputError(f"{path}: no column {' and '.join(lacking)}; give {', '.join(needed)}")
    return rows
