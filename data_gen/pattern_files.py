"""A pattern or a stick list as CSV text or as a picture."""

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_gen.errors import InputError
from data_gen.reflections import StickList

MOST_LINES = 100
"""How many of the strongest lines are shown."""


def strongest(lines: StickList) -> StickList:
    """Returns the strongest lines, in order of 2θ, with the intensity of the first set to 100."""
    order = np.sort(np.argsort(-lines.intensity, kind="stable")[:MOST_LINES])
    chosen = lines.select(order)
    return replace(chosen, intensity=100 * chosen.intensity / chosen.intensity.max())


def pattern_table(two_theta: Iterable[float], pattern: Iterable[float]) -> str:
    """Returns a pattern as CSV."""
    rows = ((f"{x:.6g}", f"{y:.7g}") for x, y in zip(two_theta, pattern, strict=True))
    return _csv(("two_theta", "intensity"), rows)


def stick_table(lines: StickList) -> str:
    """Returns lines as CSV."""
    header = ("h", "k", "l", "d", "two_theta", "multiplicity", "f_squared", "intensity")
    rows = (
        (*hkl, f"{d:.7g}", f"{two_theta:.5f}", multiplicity, f"{f_squared:.7g}", f"{intensity:.6g}")
        for hkl, d, two_theta, multiplicity, f_squared, intensity in zip(
            lines.hkl.tolist(),
            lines.d,
            lines.two_theta,
            lines.multiplicity,
            lines.f_squared,
            lines.intensity,
            strict=True,
        )
    )
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def picture(title: str, lines: StickList, curve: tuple[np.ndarray, np.ndarray] | None) -> bytes:
    """Draws the pattern over marks at its lines, or else the lines themselves, as PNG."""
    from matplotlib.figure import Figure  # slow to import, and rarely needed

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    if curve is None:
        axes.vlines(lines.two_theta, 0, lines.intensity, linewidth=1)
        axes.set(ylabel="intensity (strongest line = 100)", ylim=(0, None))
    else:
        two_theta, pattern = curve
        axes.plot(two_theta, pattern, linewidth=0.8)
        axes.plot(lines.two_theta, np.full(len(lines), -0.04), "|", color="black", markersize=7)
        axes.set(ylabel="intensity (maximum = 1)", xlim=(two_theta[0], two_theta[-1]))
    axes.set_title(title, parse_math=False)
    axes.set_xlabel("2θ (degrees)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def save(path: Path, content: bytes) -> None:
    """Writes a file so that no one ever sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InputError(f"{path}: {error.strerror}: give a place that can be written") from None
