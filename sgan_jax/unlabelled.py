"""Measured patterns of a folder, as a network sees them: unlabelled examples for an SGAN."""

import csv
import logging
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from data_gen.errors import InputError
from sgan_jax.grids import Grid
from sgan_jax.measured import read_patterns
from sgan_jax.preparation import prepare

MANIFEST_FILE = "manifest.csv"
_log = logging.getLogger(__name__)


def prepared_patterns(folder: Path, grid: Grid) -> Float32[np.ndarray, "m grid"]:
    """Reads and prepares all patterns of a folder and the folders in it.

    A pattern whose file does not say its wavelength needs a line in `manifest.csv`, with columns
    `file` and `wavelength_A`. Files that cannot serve are left out, each with a warning.

    Args:
        folder: Where the files are.
        grid: Of the network.

    Raises:
        InputError: There is no such folder, or none of its files can serve.
    """
    wavelengths = _wavelengths(folder)
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST_FILE:
            try:
                rows += _prepared(path, wavelengths.get(path.relative_to(folder).as_posix()), grid)
            except InputError as error:
                _log.warning("left out: %s", error)
    if not rows:
        raise InputError(f"{folder} holds no measured pattern that can serve; name another folder")
    return np.stack(rows)


def _prepared(path: Path, wavelength: float | None, grid: Grid) -> list[np.ndarray]:
    prepared = []
    for pattern in read_patterns(path):
        if pattern.radiation == "xray":
            raise InputError(f"{path} was measured with X-rays; take it out of the folder")
        known = pattern.wavelength or wavelength
        if known is None:
            raise InputError(f"{path} does not say its wavelength; add it to {MANIFEST_FILE}")
        prepared.append(prepare(pattern, known, grid).network_input)
    return prepared


def _wavelengths(folder: Path) -> dict[str, float]:
    path = folder / MANIFEST_FILE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["file"]: float(row["wavelength_A"]) for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: {error}; give columns file and wavelength_A") from error
