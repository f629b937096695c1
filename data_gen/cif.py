"""Reads what a CIF block says of a structure, without judging it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import gemmi

from data_gen.errors import Reason, StructureError
from data_gen.species import NO_ATOM, UNKNOWN, SiteSpecies, parse_formula, site_species
from data_gen.symmetry import setting_of_name, setting_of_triplets

_CELL_TAGS = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)
_OPERATION_TAGS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_space_group_symop.operation_xyz",
)
_NAME_TAGS = (
    "_space_group_name_Hall",
    "_symmetry_space_group_name_Hall",
    "_space_group_name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_ref",
    "_space_group_IT_number",
    "_symmetry_Int_Tables_number",
)
_FORMULA_TAGS = ("_chemical_formula_sum", "_chemical_formula_moiety")


@dataclass(frozen=True)
class Description:
    """What a file says of one structure.

    Attributes:
        cell: a, b, c in Å, alpha, beta, gamma in degrees.
        setting: See `data_gen.symmetry`.
        species: Element or isotope of each site.
        occupancies: As written.
        positions: Fractional coordinates as written.
        formula: Amounts of the elements; empty where the file has no formula.
        lacks_hydrogen: Some site's name stands for a group whose hydrogen has no coordinates.
    """

    cell: tuple[float, ...]
    setting: str
    species: tuple[str, ...]
    occupancies: tuple[float, ...]
    positions: tuple[tuple[float, float, float], ...]
    formula: dict[str, float]
    lacks_hydrogen: bool


def descriptions(text: str) -> Iterator[tuple[str, Description | StructureError]]:
    """Yields the name and the content of every block that describes a structure.

    A text without any such block yields one error.
    """
    try:
        document = _document(text.removeprefix("\ufeff"))  # the byte order mark of some editors
    except (ValueError, RuntimeError) as error:
        yield "", StructureError(Reason.UNREADABLE, str(error).splitlines()[0][:200])
        return
    blocks = [block for block in document if _describes_structure(block)]
    if not blocks:
        yield "", StructureError(Reason.NO_CELL, "no block with a cell or atoms")
    for block in blocks:
        try:
            yield block.name, _describe(block)
        except StructureError as error:
            yield block.name, error


def _document(text: str) -> gemmi.cif.Document:
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        if "duplicate block name" not in str(error):
            raise
        # CIFs that were put together into one file are often all called ``data_global``.
        return gemmi.cif.read_string(text, check_level=0)


def _describes_structure(block: gemmi.cif.Block) -> bool:
    tags = (_CELL_TAGS[0], "_atom_site_fract_x")
    return any(len(block.find_values(tag)) > 0 for tag in tags)


def _describe(block: gemmi.cif.Block) -> Description:
    cell = tuple(number(block.find_value(tag) or "?") for tag in _CELL_TAGS)
    formula = _formula(block)
    types, labels, occupancies, positions = _sites(block)
    elements = frozenset(formula)
    found = [site_species(t, label, elements) for t, label in zip(types, labels, strict=True)]
    return describe_sites(cell, _setting(block), found, labels, occupancies, positions, formula)


def describe_sites(
    cell: tuple[float, ...],
    setting: str,
    found: Sequence[SiteSpecies],
    labels: Sequence[str],
    occupancies: Sequence[float],
    positions: Sequence[tuple[float, float, float]],
    formula: dict[str, float],
) -> Description:
    """Puts a description together; leaves out vacancies and dummy atoms.

    Raises:
        StructureError: A site's names are not understood.
    """
    if UNKNOWN in found:
        label = labels[list(found).index(UNKNOWN)]
        raise StructureError(Reason.UNKNOWN_ELEMENT, f"site {label!r}")
    kept = [i for i, species in enumerate(found) if species != NO_ATOM]
    return Description(
        cell=cell,
        setting=setting,
        species=tuple(found[i].symbol for i in kept),
        occupancies=tuple(occupancies[i] for i in kept),
        positions=tuple(positions[i] for i in kept),
        formula=formula,
        lacks_hydrogen=any(species.lacks_hydrogen for species in found),
    )


def number(text: str) -> float:
    """Returns the value of a CIF number such as ``1.234(5)``; NaN for ``?``, ``.`` and text."""
    return gemmi.cif.as_number(gemmi.cif.as_string(text))


def _formula(block: gemmi.cif.Block) -> dict[str, float]:
    for tag in _FORMULA_TAGS:
        value = block.find_value(tag)
        if value is not None and not gemmi.cif.is_null(value):
            return dict(parse_formula(gemmi.cif.as_string(value)))
    return {}


def _setting(block: gemmi.cif.Block) -> str:
    """Returns the symmetry of the operations in the file; without them, that of the name."""
    for tag in _OPERATION_TAGS:
        triplets = tuple(block.find_values(tag))
        if any(not gemmi.cif.is_null(triplet) for triplet in triplets):
            return _setting_of_quoted(triplets)
    names = [block.find_value(tag) for tag in _NAME_TAGS]
    given = [
        gemmi.cif.as_string(name)
        for name in names
        if name is not None and not gemmi.cif.is_null(name)
    ]
    if not given:
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, "neither operations nor a space group")
    return setting_of_name(given[0].strip())


@lru_cache(maxsize=4096)
def _setting_of_quoted(triplets: tuple[str, ...]) -> str:
    return setting_of_triplets(tuple(gemmi.cif.as_string(triplet) for triplet in triplets))


class _Sites(NamedTuple):
    types: list[str]
    labels: list[str]
    occupancies: list[float]
    positions: list[tuple[float, float, float]]


def _sites(block: gemmi.cif.Block) -> _Sites:
    columns = [list(block.find_values(f"_atom_site_fract_{axis}")) for axis in "xyz"]
    count = len(columns[0])
    if count == 0:
        raise StructureError(Reason.NO_ATOMS, "no fractional coordinates")
    if any(len(column) != count for column in columns):
        raise StructureError(Reason.UNREADABLE, "coordinates are incomplete")
    types = _names(block, "_atom_site_type_symbol", count)
    labels = _names(block, "_atom_site_label", count)
    occupancies = [number(v) for v in block.find_values("_atom_site_occupancy")] or [1.0] * count
    positions = list(zip(*([number(v) for v in column] for column in columns), strict=True))
    if not len(types) == len(labels) == len(occupancies) == count:
        raise StructureError(Reason.UNREADABLE, "the columns of the atom sites differ in length")
    dummies = _names(block, "_atom_site_calc_flag", count)
    real = [i for i in range(count) if dummies[i] != "dum"]
    return _Sites(
        [types[i] for i in real],
        [labels[i] for i in real],
        [occupancies[i] for i in real],
        [positions[i] for i in real],
    )


def _names(block: gemmi.cif.Block, tag: str, count: int) -> list[str]:
    return [gemmi.cif.as_string(value) for value in block.find_values(tag)] or [""] * count
