"""An answer as text, to be read in a terminal."""

from collections.abc import Iterator, Sequence

from data_gen.symmetry import CRYSTAL_SYSTEMS
from sgan_jax.answers import Answer, honest_line, percent, sentence
from sgan_jax.presentation import RADIATION_WORDS

FAMILIES = dict(zip("amothc", CRYSTAL_SYSTEMS[:4] + CRYSTAL_SYSTEMS[5:], strict=True))
"""Crystal families by the first letter of a lattice's symbol; h is trigonal or hexagonal."""

_CENTRINGS = {
    "P": "primitive",
    "S": "centred on one pair of faces",
    "F": "centred on all faces",
    "I": "body-centred",
}


def lattice_words(symbol: str) -> str:
    """A Bravais lattice in words, e.g. ``"orthorhombic, primitive"`` for ``"oP"``."""
    if symbol == "hR":
        return "rhombohedral"
    return f"{FAMILIES[symbol[0]]}, {_CENTRINGS[symbol[1]]}"


def printable(text: str) -> str:
    """Text with a sign in place of bytes in a file's name that are no characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def heading(answer: Answer) -> str:
    """The file, and how its pattern was read."""
    parts = []
    if answer.radiation:
        parts.append(RADIATION_WORDS[answer.radiation])
    if answer.wavelength:
        parts.append(f"{answer.wavelength:g} Å")
    return f"{answer.file}: {', '.join(parts)}" if parts else answer.file


def page(answer: Answer) -> str:
    """The ranked tables, the line that says how sure they are, and the notes."""
    parts = [heading(answer)]
    if answer.bravais_lattice:
        parts.append(_aligned(_lattice_rows(answer)))
    if answer.space_group:
        parts.append(_aligned(_space_group_rows(answer)))
    notes = [f"Note: {sentence(note)}" for note in answer.notes]
    parts.append("\n".join([honest_line(answer), *notes]))
    return printable("\n\n".join(parts) + "\n")


def _lattice_rows(answer: Answer) -> Iterator[Sequence[str]]:
    yield "", ">probability", "Bravais lattice", ""
    for place, each in enumerate(answer.bravais_lattice, 1):
        yield f">{place}", f">{percent(each.probability)}", each.symbol, lattice_words(each.symbol)


def _space_group_rows(answer: Answer) -> Iterator[Sequence[str]]:
    yield (
        "", ">probability", ">space group", "", "crystal system", "extinction group", "others",
    )  # fmt: skip
    for place, each in enumerate(answer.space_group, 1):
        yield (
            f">{place}",
            f">{percent(each.probability)}",
            f">{each.number}",
            each.symbol,
            each.crystal_system,
            each.extinction_group,
            " ".join(map(str, each.same_extinction)) or "none",
        )


def _aligned(rows: Iterator[Sequence[str]]) -> str:
    """Rows as columns; a cell that begins with > stands at the right of its column."""
    cells = list(rows)
    widths = [
        max(len(cell.removeprefix(">")) for cell in column) for column in zip(*cells, strict=True)
    ]
    return "\n".join(
        "  ".join(
            cell[1:].rjust(width) if cell.startswith(">") else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )
