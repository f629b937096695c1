"""Measured patterns of a folder, as a network sees them: unlabelled examples for an SGAN."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from data_gen.errors import InputError
from sgan_jax.grids import Grid
from sgan_jax.measured import Pattern, read_patterns
from sgan_jax.measured.manifest import MANIFEST, read_manifest
from sgan_jax.measured.pattern import NEUTRON
from sgan_jax.presentation import Terms, present

_log = logging.getLogger(__name__)


def prepared_patterns(folder: Path, grid: Grid) -> Float32[np.ndarray, "m grid"]:
    """Reads and prepares all patterns of a folder and the folders in it, as for an answer.

    A pattern whose file does not say its wavelength needs a line in `manifest.csv`, with columns
    `file` and `wavelength_A`; that goes before what the file says. Where a file does not say the
    radiation, it is neutrons: a folder given for this purpose is taken to hold their patterns.
    Patterns that would get no answer are left out, each with a warning.

    Args:
        folder: Where the files are.
        grid: Of the network.

    Raises:
        InputError: There is no such folder, its manifest cannot be read, or none of its files can
            serve.
    """
    wavelengths = _wavelengths(folder)
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            try:
                rows += _prepared(path, wavelengths.get(path.relative_to(folder).as_posix()), grid)
            except InputError as error:
                _log.warning("left out: %s", error)
    if not rows:
        raise InputError(f"{folder} holds no measured pattern that can serve; name another folder")
    return np.stack(rows)


def _prepared(
    path: Path, wavelength: float | None, grid: Grid
) -> Iterator[Float32[np.ndarray, " grid"]]:
    for pattern in read_patterns(path):
        terms = Terms((grid.axis,), frozenset({NEUTRON}), wavelength, pattern.radiation or NEUTRON)
        shown = present(pattern, terms)
        if shown.error is None:
            yield shown.inputs[grid.axis]
        else:
            _log.warning("left out: %s", _reason(path, pattern, shown.wavelength, shown.error))


def _reason(path: Path, pattern: Pattern, wavelength: float | None, error: str) -> str:
    name = f"{path}, {pattern.block}" if pattern.block else str(path)
    if wavelength is None and pattern.radiation in (None, NEUTRON):
        return f"{name} does not say its wavelength; add it to {MANIFEST}"
    return f"{name}: {error}"


def _wavelengths(folder: Path) -> dict[str, float]:
    """By file, of those whose wavelength the manifest gives."""
    try:
        rows = read_manifest(folder, ("file", "wavelength_A"))
        given = {row["file"]: row["wavelength_A"].strip() for row in rows}
        return {file: float(value) for file, value in given.items() if value}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{folder / MANIFEST}: {error}; give wavelength_A in Å") from None
