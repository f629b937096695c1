"""Reads what a CIF block says of a structure, without judging it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import gemmi
import numpy as np
from jaxtyping import Float

from data_gen.errors import Reason, StructureError
from data_gen.sites import TENSOR_COMPONENTS, U_OF_B, Sites, rows_by_label
from data_gen.species import NO_ATOM, UNKNOWN, SiteSpecies, site_species
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
_LONGEST_NAME = 1000  # characters of a formula or a name that are looked at, and kept in caches
_ISOTROPIC_TYPES = ("uiso", "uovl", "biso", "bovl")  # of _atom_site_adp_type

_Columns = Mapping[str, Sequence[str]]  # values as the file writes them, by tag in lower case


class Description(NamedTuple):
    """What a file says of one structure.

    Attributes:
        cell: a, b, c in Å, alpha, beta, gamma in degrees.
        setting: See `data_gen.symmetry`.
        sites: The sites, without vacancies and dummy atoms.
        formula: As written; empty where the file has none.
        lacks_hydrogen: Some site's name stands for a group whose hydrogen has no coordinates.
    """

    cell: Float[np.ndarray, "6"]
    setting: str
    sites: Sites
    formula: str
    lacks_hydrogen: bool


def descriptions(text: str) -> Iterator[tuple[str, Description | StructureError]]:
    """Yields the name and the content of every block that describes a structure.

    A text without any such block yields one error.
    """
    try:
        document = _document(_plain(text))
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


def _plain(text: str) -> str:
    """Takes away the byte order mark of some editors; ends lines as everyone does."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


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
    cell = np.array([number(block.find_value(tag) or "?") for tag in _CELL_TAGS])
    formula = _formula(block)
    columns = _columns(block, "_atom_site_fract_x")
    positions = _positions(columns)
    count = len(positions)
    labels = _names(block, columns, "_atom_site_label", count)
    types = _names(block, columns, "_atom_site_type_symbol", count)
    found = [site_species(t, label, formula) for t, label in zip(types, labels, strict=True)]
    if "_atom_site_calc_flag" in columns:
        flags = columns["_atom_site_calc_flag"]
        found = [NO_ATOM if flags[i] == "dum" else found[i] for i in range(count)]
    isotropic, anisotropic = _displacements(block, columns, labels)
    occupancies = _occupancies(block, columns, count)
    values = (occupancies, positions, isotropic, anisotropic)
    return describe_sites(cell, _setting(block, cell), found, labels, values, formula)


def describe_sites(
    cell: Float[np.ndarray, "6"],
    setting: str,
    found: Sequence[SiteSpecies],
    labels: Sequence[str],
    values: tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None],
    formula: str,
) -> Description:
    """Puts a description together; leaves out vacancies and dummy atoms.

    Args:
        cell: See `Description`.
        setting: See `Description`.
        found: What each site holds.
        labels: Names of the sites, to quote in errors.
        values: The attributes of `data_gen.sites.Sites` from the occupancies on.
        formula: See `Description`.

    Raises:
        StructureError: A site's names are not understood.
    """
    species = tuple([site.symbol for site in found])
    if UNKNOWN.symbol in species:
        label = labels[species.index(UNKNOWN.symbol)]
        raise StructureError(Reason.UNKNOWN_ELEMENT, f"site {label!r}")
    kept = [index for index, symbol in enumerate(species) if symbol != NO_ATOM.symbol]
    lacks_hydrogen = any(site.lacks_hydrogen for site in found)
    return Description(cell, setting, Sites(species, *values).select(kept), formula, lacks_hydrogen)


def number(text: str) -> float:
    """Returns the value of a CIF number such as ``1.234(5)``; NaN for ``?``, ``.`` and text."""
    return gemmi.cif.as_number(gemmi.cif.as_string(text))


def _formula(block: gemmi.cif.Block) -> str:
    for tag in _FORMULA_TAGS:
        value = block.find_value(tag)
        if value is not None and not gemmi.cif.is_null(value):
            return gemmi.cif.as_string(value)[:_LONGEST_NAME]
    return ""


def _setting(block: gemmi.cif.Block, cell: Float[np.ndarray, "6"]) -> str:
    """Returns the symmetry of the operations in the file; without them, that of the name."""
    for tag in _OPERATION_TAGS:
        triplets = tuple(_columns(block, tag).get(tag, ()))
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
    _, _, _, alpha, _, gamma = np.nan_to_num(cell).tolist()
    return setting_of_name(given[0].strip(), alpha, gamma)


@lru_cache(maxsize=4096)
def _setting_of_quoted(triplets: tuple[str, ...]) -> str:
    return setting_of_triplets(tuple(gemmi.cif.as_string(triplet) for triplet in triplets))


# ---------------------------------------------------------------- the loop of the sites


def _columns(block: gemmi.cif.Block, tag: str) -> _Columns:
    """Returns the loop that holds a tag; a single row may also stand outside of loops."""
    found = block.find_values(tag)
    if not len(found):
        return {}
    loop = found.get_loop()
    if loop is None:
        pairs = [cast(tuple[str, str], item.pair) for item in block if item.pair is not None]
        return {name.lower(): [value] for name, value in pairs}
    tags, values = loop.tags, loop.values
    return {name.lower(): values[i :: len(tags)] for i, name in enumerate(tags)}


def _column(block: gemmi.cif.Block, columns: _Columns, tag: str, count: int) -> Sequence[str]:
    """Returns the values of a tag, which some files put into another loop; empty if not given."""
    values = columns.get(tag) or list(block.find_values(tag))
    if values and len(values) != count:
        raise StructureError(Reason.UNREADABLE, "the columns of the atom sites differ in length")
    return values


def _names(block: gemmi.cif.Block, columns: _Columns, tag: str, count: int) -> list[str]:
    names = _column(block, columns, tag, count)
    return [gemmi.cif.as_string(name)[:_LONGEST_NAME] for name in names] or [""] * count


def _numbers(texts: Sequence[str]) -> list[float]:
    values = [gemmi.cif.as_number(text) for text in texts]
    # NaN stands for what is not given, but also for a number in quotation marks.
    return [number(text) for text in texts] if math.isnan(sum(values)) else values


def _positions(columns: _Columns) -> Float[np.ndarray, "sites 3"]:
    if not columns:
        raise StructureError(Reason.NO_ATOMS, "no fractional coordinates")
    axes = [columns.get(f"_atom_site_fract_{axis}") for axis in "xyz"]
    if None in axes:
        raise StructureError(Reason.UNREADABLE, "coordinates are incomplete")
    return np.array([_numbers(axis) for axis in axes if axis is not None]).T.copy()


def _occupancies(
    block: gemmi.cif.Block, columns: _Columns, count: int
) -> Float[np.ndarray, "sites"]:
    values = _column(block, columns, "_atom_site_occupancy", count)
    if not values:
        return np.ones(count)
    return np.array(_numbers(["1" if value == "." else value for value in values]))


# ---------------------------------------------------------------- displacement parameters


def _displacements(
    block: gemmi.cif.Block, columns: _Columns, labels: Sequence[str]
) -> tuple[Float[np.ndarray, "sites"] | None, Float[np.ndarray, "sites 6"] | None]:
    """Returns the isotropic and the anisotropic values of the sites.

    The forms U and B are read, as in the core dictionary of CIF, which has no β.
    """
    isotropic = _u_or_b(columns, "_atom_site_{}_iso_or_equiv")
    table = _columns(block, "_atom_site_aniso_label")
    if not table:
        return isotropic, None
    parts = [_u_or_b(table, f"_atom_site_aniso_{{}}_{ij}") for ij in TENSOR_COMPONENTS]
    rows = [part for part in parts if part is not None]
    if len(rows) < len(TENSOR_COMPONENTS):
        return isotropic, None
    names = [gemmi.cif.as_string(name) for name in table["_atom_site_aniso_label"]]
    anisotropic = rows_by_label(labels, names, np.stack(rows, axis=1))
    if isotropic is not None and "_atom_site_adp_type" in columns:
        types = [kind.lower() for kind in columns["_atom_site_adp_type"]]
        anisotropic[np.isin(types, _ISOTROPIC_TYPES) & ~np.isnan(isotropic)] = np.nan
    return isotropic, anisotropic


def _u_or_b(columns: _Columns, tag: str) -> Float[np.ndarray, "rows"] | None:
    """Returns U, or else B / 8π², in Å2; the tag has braces for the letter."""
    u, b = columns.get(tag.format("u")), columns.get(tag.format("b"))
    if b is None:
        return None if u is None else np.array(_numbers(u))
    converted = U_OF_B * np.array(_numbers(b))
    return converted if u is None else np.where(np.isnan(_numbers(u)), converted, _numbers(u))
