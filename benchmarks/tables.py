"""Figures as text tables in Markdown."""

from collections.abc import Sequence


def markdown(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table under a heading, its columns padded so that it reads well as plain text."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([f"## {title}", "", line(header), rule, *map(line, rows), ""])


def milliseconds(seconds: float) -> str:
    """Returns a time to three digits."""
    return f"{1000 * seconds:.3g} ms"
