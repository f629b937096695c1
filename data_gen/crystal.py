"""A crystal: cell, symmetry and asymmetric unit, in under a kilobyte."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from jaxtyping import Float

from data_gen.cif import Description, descriptions
from data_gen.errors import Reason, StructureError
from data_gen.limits import MAX_AXIS, MAX_CELL_VOLUME, MAX_CIF_BYTES, MAX_SITES, MIN_AXIS
from data_gen.orbits import (
    cell_of_metric,
    metric_tensor,
    multiplicities,
    shared_places,
    snap,
    unit_cell_sites,
    wrap,
)
from data_gen.sites import Sites, displacement_tensors
from data_gen.species import element_of, hill_formula, parse_formula
from data_gen.standardise import SYMMETRY_TOLERANCE, standardise
from data_gen.symmetry import (
    affine_operations,
    average_metric,
    hermann_mauguin,
    space_group_number,
)

if TYPE_CHECKING:
    from pymatgen.core import Element, Species, Structure

_ARRAYS = ("cell", "occupancies", "positions", "displacements")
_UNKNOWN: Any = None  # displacements that are not passed: the constructor puts NaN in their place
_CELL_TOLERANCE = 0.01  # of an axis: how far a cell may be from what its symmetry demands
_EXACT = 1e-9  # of an axis: what arithmetic makes of a cell that has the symmetry
_FLATTEST = 1e-3  # of the product of the axes: the least volume of a cell
_LARGEST_COORDINATE = 4.0  # fractions may lie in a neighbouring cell; larger ones are misprints
_OCCUPANCY_SLACK = 1.1  # rounding in the literature; larger sums are mistakes
_HYDROGEN_SHARE = 0.9  # of the formula's hydrogen that the sites must account for


@dataclass(frozen=True, eq=False, slots=True)
class Crystal:
    """An immutable crystal structure.

    Attributes:
        cell: a, b, c in Å and alpha, beta, gamma in degrees, of the conventional cell.
        setting: Symmetry in the axes of that cell: Hall symbol, else generators such as
            ``"-x,y+1/2,-z;x+1/2,y+1/2,z"`` (see `data_gen.symmetry`).
        species: Element or isotope of each site of the asymmetric unit, e.g. ``"Na"``, ``"D"``,
            ``"11B"``. Several sites may share one place.
        occupancies: Fraction of each site that is filled.
        positions: Fractional coordinates in [0, 1). The constructor puts those that rounding moved
            off a special position back on it (see `data_gen.orbits.snap`).
        displacements: U11, U22, U33, U23, U13, U12 of each site in Å2, in the CIF convention, also
            for isotropic ones; NaN where they are not known, and everywhere if not passed.

    Raises:
        StructureError: The setting is no crystallographic group.
        ValueError: The arrays do not belong together.
    """

    cell: Float[np.ndarray, "6"]
    setting: str
    species: tuple[str, ...]
    occupancies: Float[np.ndarray, "sites"]
    positions: Float[np.ndarray, "sites 3"]
    displacements: Float[np.ndarray, "sites 6"] = _UNKNOWN

    def __post_init__(self) -> None:
        cell, occupancies, positions = (
            np.array(values, dtype=np.float64, order="C")
            for values in (self.cell, self.occupancies, self.positions)
        )
        count = len(self.species)
        if (cell.shape, occupancies.shape, positions.shape) != ((6,), (count,), (count, 3)):
            raise ValueError(
                f"cell {cell.shape}, {count} species, occupancies {occupancies.shape}, positions "
                f"{positions.shape}: give 6 numbers, then one and three for each species"
            )
        positions = wrap(snap(metric_tensor(cell), self.setting, positions, occupancies))
        displacements = np.empty((len(positions), 6))
        displacements[:] = np.nan if self.displacements is None else self.displacements
        arrays = (cell, occupancies, positions, displacements)
        for name, values in zip(_ARRAYS, arrays, strict=True):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __reduce__(self) -> tuple[type["Crystal"], tuple[Any, ...]]:
        """Pickles by the constructor, so that the arrays are read-only again."""
        cell, *arrays = (getattr(self, name) for name in _ARRAYS)
        return Crystal, (cell, self.setting, self.species, *arrays)

    @classmethod
    def from_cif(cls, path: str | Path) -> "Crystal":
        """Reads the first structure of a CIF.

        Raises:
            StructureError: There is none, or it cannot serve.
            OSError: The file cannot be read.
        """
        with Path(path).open("rb") as file:
            content = file.read(MAX_CIF_BYTES + 1)
        if len(content) > MAX_CIF_BYTES:
            raise StructureError(Reason.TOO_LARGE, f"CIF of more than {MAX_CIF_BYTES // 2**20} MiB")
        return cls.from_cif_text(content.decode("utf-8", errors="replace"))

    @classmethod
    def from_cif_text(cls, text: str) -> "Crystal":
        """Reads the first structure of a CIF's text; errors as `from_cif`."""
        _, crystal = next(crystals_from_cif_text(text))
        if isinstance(crystal, StructureError):
            raise crystal
        return crystal

    @classmethod
    def from_pymatgen(
        cls, structure: "Structure", tolerance: float = SYMMETRY_TOLERANCE
    ) -> "Crystal":
        """Finds the symmetry of a pymatgen structure and takes its standardised form.

        Args:
            structure: Ordered or disordered; oxidation states are dropped.
            tolerance: Distance in Å within which atoms count as equivalent.

        Raises:
            StructureError: The structure is empty, too large or has no recognisable symmetry.
        """
        contents = [site.species for site in structure]
        kinds = {composition: index for index, composition in enumerate(dict.fromkeys(contents))}
        numbers = [kinds[composition] for composition in contents]
        standard = standardise(structure.lattice.matrix, structure.frac_coords, numbers, tolerance)
        compositions = [list(composition.items()) for composition in kinds]
        rows = [
            (_isotope(entry), float(amount), position)
            for number, position in zip(standard.numbers, standard.positions, strict=True)
            for entry, amount in compositions[number]
        ]
        species, occupancies, positions = zip(*rows, strict=True)
        sites = Sites(species, np.array(occupancies), np.array(positions))
        return make_crystal(standard.cell, standard.setting, sites)

    @property
    def space_group(self) -> int:
        """Number in International Tables, 1 to 230."""
        return space_group_number(self.setting)

    @property
    def volume(self) -> float:
        """Volume of the conventional cell in Å3."""
        return gemmi.UnitCell(*self.cell).volume

    @property
    def formula(self) -> str:
        """Reduced formula in Hill order, isotopes written as their element."""
        return hill_formula(_amounts(self))


def crystals_from_cif_text(text: str) -> Iterator[tuple[str, Crystal | StructureError]]:
    """Yields the name and the structure, or what is wrong with it, of every block of a CIF.

    Blocks without any structure (such as COD's ``data_global``) are passed over; a text with no
    structure at all yields one error.
    """
    for name, description in descriptions(text):
        if isinstance(description, StructureError):
            yield name, description
            continue
        try:
            yield name, crystal_of(description)
        except StructureError as error:
            yield name, error


def crystal_of(description: Description) -> Crystal:
    """Makes a crystal of what a file says.

    Raises:
        StructureError: It cannot serve, among others for want of its hydrogen.
    """
    crystal = make_crystal(description.cell, description.setting, description.sites)
    _check_hydrogen(crystal, description)
    return crystal


def make_crystal(cell: Float[np.ndarray, "6"], setting: str, sites: Sites) -> Crystal:
    """Makes a crystal of values as they come, putting right what rounding did to them.

    The cell is given the exact shape of its symmetry, positions near special ones are moved onto
    them, empty sites are left out, and a site that repeats another one is dropped. Impossible
    displacement parameters count as not given: few uses of a structure need them.

    Raises:
        StructureError: The values contradict one another, are incomplete, or are too large.
    """
    sites = _filled(sites)
    cell = _regular_cell(cell, setting, len(sites.species))
    occupancies = np.minimum(sites.occupancies, 1.0)
    tensors = displacement_tensors(sites, cell)
    crystal = Crystal(cell, setting, sites.species, occupancies, sites.positions, tensors)
    places = shared_places(metric_tensor(cell), setting, crystal.positions, occupancies)
    kept = _without_repeats(sites.species, places)
    return crystal if len(kept) == len(sites.species) else _select(crystal, kept)


def _select(crystal: Crystal, kept: list[int]) -> Crystal:
    """Returns the crystal with the chosen sites alone."""
    species = tuple(crystal.species[i] for i in kept)
    arrays = (crystal.occupancies, crystal.positions, crystal.displacements)
    return Crystal(crystal.cell, crystal.setting, species, *(values[kept] for values in arrays))


def _filled(sites: Sites) -> Sites:
    """Checks the values of sites; leaves out those that are empty."""
    occupancies, positions = sites.occupancies, sites.positions
    if not (np.abs(positions) <= _LARGEST_COORDINATE).all():
        wrong = positions[~(np.abs(positions) <= _LARGEST_COORDINATE)][0]
        detail = "a coordinate is not given" if np.isnan(wrong) else f"{wrong:g} is no fraction"
        raise StructureError(Reason.UNKNOWN_VALUE, detail)
    if not ((occupancies >= 0) & (occupancies <= _OCCUPANCY_SLACK)).all():
        wrong = occupancies[~((occupancies >= 0) & (occupancies <= _OCCUPANCY_SLACK))][0]
        if np.isnan(wrong):
            raise StructureError(Reason.UNKNOWN_VALUE, "an occupancy is not given")
        raise StructureError(Reason.IMPOSSIBLE_OCCUPANCY, f"occupancy {wrong:g}")
    filled = sites.select(np.flatnonzero(occupancies).tolist())
    if not filled.species:
        raise StructureError(Reason.NO_ATOMS, "no site that is not empty")
    return filled


def _regular_cell(cell: Float[np.ndarray, "6"], setting: str, sites: int) -> np.ndarray:
    """Returns the cell in the exact shape of its symmetry, if it is near it and not too large."""
    a, b, c, *angles = cell.tolist()
    if not all(0 < value < math.inf for value in (a, b, c)) or not all(0 < x < 180 for x in angles):
        raise StructureError(Reason.NO_CELL, "axes and angles are not all given")
    if max(a, b, c) > MAX_AXIS:
        raise StructureError(Reason.TOO_LARGE, f"an axis of {max(a, b, c):g} Å")
    if min(a, b, c) < MIN_AXIS:
        raise StructureError(Reason.NO_CELL, f"an axis of {min(a, b, c):g} Å")
    volume = gemmi.UnitCell(a, b, c, *angles).volume
    if not volume > _FLATTEST * a * b * c:
        raise StructureError(Reason.NO_CELL, "the axes and angles make no cell")
    if volume > MAX_CELL_VOLUME:
        raise StructureError(Reason.TOO_LARGE, f"cell of {volume:.0f} Å3")
    atoms = sites * len(affine_operations(setting)[0])
    if atoms > MAX_SITES:
        raise StructureError(Reason.TOO_LARGE, f"{atoms} atoms in the cell")
    return _symmetric_cell(cell, setting)


def _symmetric_cell(cell: Float[np.ndarray, "6"], setting: str) -> np.ndarray:
    metric, lengths = metric_tensor(cell), cell[:3]
    regular = average_metric(metric, setting)
    deviation = (np.abs(regular - metric) / (lengths * lengths[:, None])).max()
    if deviation > _CELL_TOLERANCE:
        name = hermann_mauguin(space_group_number(setting))
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, f"the cell does not have that of {name}")
    return cell if deviation < _EXACT else cell_of_metric(regular)


def _without_repeats(
    species: Sequence[str], places: Mapping[int, Mapping[int, float]]
) -> list[int]:
    """Returns the sites that do not merely repeat an earlier one of an overfull place."""
    dropped: set[int] = set()
    for site, place in places.items():
        others = {other: share for other, share in place.items() if other not in dropped}
        if sum(others.values()) <= _OCCUPANCY_SLACK:
            continue
        if not any(other < site and species[other] == species[site] for other in others):
            continue
        dropped.add(site)
    for site, place in places.items():
        total = sum(share for other, share in place.items() if other not in dropped)
        if site not in dropped and total > _OCCUPANCY_SLACK:
            detail = f"{total:.2f} atoms share the place of site {site + 1} ({species[site]})"
            raise StructureError(Reason.IMPOSSIBLE_OCCUPANCY, detail)
    return [site for site in range(len(species)) if site not in dropped]


def _amounts(crystal: Crystal) -> dict[str, float]:
    """Returns how many atoms of each element the conventional cell holds."""
    weights = crystal.occupancies * multiplicities(crystal.setting, crystal.positions)
    amounts: dict[str, float] = {}
    for species, weight in zip(crystal.species, weights.tolist(), strict=True):
        element = element_of(species)
        amounts[element] = amounts.get(element, 0.0) + weight
    return amounts


def _check_hydrogen(crystal: Crystal, description: Description) -> None:
    """Refuses structures whose hydrogen, wholly or in part, has no coordinates."""
    formula = description.formula
    if not description.lacks_hydrogen and "H" not in formula and "D" not in formula:
        return  # as with most, and a formula takes time to parse
    amounts, wanted = _amounts(crystal), _hydrogen_share(parse_formula(formula))
    if "H" not in amounts and (wanted > 0 or description.lacks_hydrogen):
        raise StructureError(Reason.MISSING_HYDROGEN, "no site holds hydrogen")
    found = _hydrogen_share(amounts)
    if found < _HYDROGEN_SHARE * wanted:
        raise StructureError(
            Reason.MISSING_HYDROGEN, f"{found / wanted:.0%} of the formula's hydrogen has sites"
        )


def _hydrogen_share(amounts: Mapping[str, float]) -> float:
    """Returns the hydrogen per other atom."""
    others = sum(amount for element, amount in amounts.items() if element != "H")
    return amounts.get("H", 0.0) / others if others else 0.0


def check_symmetry(crystal: Crystal, tolerance: float = SYMMETRY_TOLERANCE) -> int | None:
    """Finds the space group of the coordinates, to compare with the one the file states.

    Args:
        crystal: Any crystal.
        tolerance: Distance in Å within which atoms count as equivalent.

    Returns:
        Number in International Tables; None for a disordered crystal, whose atoms, taken as
        points, need not have the symmetry of their average.
    """
    if np.any(crystal.occupancies < 1.0):
        return None
    atoms = unit_cell_sites(crystal.setting, crystal.positions)
    kinds = {symbol: number for number, symbol in enumerate(dict.fromkeys(crystal.species))}
    numbers = [kinds[crystal.species[site]] for site in atoms.site]
    axes = np.linalg.cholesky(metric_tensor(crystal.cell))
    return standardise(axes, atoms.positions, numbers, tolerance).space_group


def _isotope(entry: "Element | Species") -> str:
    """Returns the symbol of a pymatgen species without its charge."""
    return str(getattr(entry, "element", entry).name)  # its `symbol` makes hydrogen of deuterium
