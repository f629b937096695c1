"""A crystal: cell, symmetry and asymmetric unit, in under a kilobyte."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from jaxtyping import Float

from data_gen.cif import Description, descriptions
from data_gen.errors import Reason, StructureError
from data_gen.limits import MAX_AXIS, MAX_CELL_VOLUME, MAX_CIF_BYTES, MAX_SITES
from data_gen.orbits import (
    cell_of_metric,
    metric_tensor,
    multiplicities,
    shared_places,
    snap,
    unit_cell_sites,
    wrap,
)
from data_gen.species import element_of, hill_formula
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
_CELL_TOLERANCE = 0.01  # of an axis: how far a cell may be from what its symmetry demands
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

    Raises:
        StructureError: The setting is no crystallographic group.
    """

    cell: Float[np.ndarray, "6"]
    setting: str
    species: tuple[str, ...]
    occupancies: Float[np.ndarray, "sites"]
    positions: Float[np.ndarray, "sites 3"]
    displacements: Float[np.ndarray, "sites 6"] | None = None

    def __post_init__(self) -> None:
        cell, occupancies, positions = (
            np.array(values, dtype=np.float64)
            for values in (self.cell, self.occupancies, self.positions)
        )
        positions = wrap(snap(metric_tensor(cell), self.setting, positions, occupancies))
        given = np.nan if self.displacements is None else self.displacements
        displacements = np.array(np.broadcast_to(given, (len(positions), 6)), dtype=np.float64)
        arrays = (cell, occupancies, positions, displacements)
        for name, values in zip(_ARRAYS, arrays, strict=True):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __reduce__(self) -> tuple[type["Crystal"], tuple[Any, ...]]:
        """Pickles by the constructor, so that the arrays are read-only again."""
        fields = (self.cell, self.setting, self.species, self.occupancies, self.positions)
        return Crystal, (*fields, self.displacements)

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
        return make_crystal(
            standard.cell, standard.setting, species, np.array(occupancies), np.array(positions)
        )

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
    crystal = make_crystal(
        np.array(description.cell),
        description.setting,
        description.species,
        np.array(description.occupancies),
        np.array(description.positions, dtype=np.float64).reshape(-1, 3),
    )
    _check_hydrogen(crystal, description)
    return crystal


def make_crystal(
    cell: Float[np.ndarray, "6"],
    setting: str,
    species: Sequence[str],
    occupancies: Float[np.ndarray, "sites"],
    positions: Float[np.ndarray, "sites 3"],
) -> Crystal:
    """Makes a crystal of values as they come, putting right what rounding did to them.

    The cell is given the exact shape of its symmetry, positions near special ones are moved onto
    them, empty sites are left out, and a site that repeats another one is dropped.

    Raises:
        StructureError: The values contradict one another, are incomplete, or are too large.
    """
    filled = _check_sites(occupancies, positions)
    cell = _regular_cell(cell, setting, len(filled))
    species = tuple(species[i] for i in filled)
    occupancies = np.minimum(occupancies[filled], 1.0)
    crystal = Crystal(cell, setting, species, occupancies, positions[filled])
    places = shared_places(metric_tensor(cell), setting, crystal.positions, occupancies)
    kept = _without_repeats(species, places)
    if len(kept) == len(species):
        return crystal
    species = tuple(species[i] for i in kept)
    return Crystal(cell, setting, species, occupancies[kept], crystal.positions[kept])


def _check_sites(
    occupancies: Float[np.ndarray, "sites"], positions: Float[np.ndarray, "sites 3"]
) -> list[int]:
    """Returns the sites that are not empty."""
    if not np.isfinite(positions).all():
        raise StructureError(Reason.UNKNOWN_VALUE, "a coordinate is not given")
    if np.abs(positions).max(initial=0.0) > _LARGEST_COORDINATE:
        raise StructureError(
            Reason.UNKNOWN_VALUE, f"{positions.flat[np.abs(positions).argmax()]:g} is no fraction"
        )
    if not np.isfinite(occupancies).all():
        raise StructureError(Reason.UNKNOWN_VALUE, "an occupancy is not given")
    if np.any(occupancies < 0) or np.any(occupancies > _OCCUPANCY_SLACK):
        worst = occupancies[np.argmax(np.abs(occupancies - 0.5))]
        raise StructureError(Reason.IMPOSSIBLE_OCCUPANCY, f"occupancy {worst:g}")
    filled = np.flatnonzero(occupancies > 0).tolist()
    if not filled:
        raise StructureError(Reason.NO_ATOMS, "no site that is not empty")
    return filled


def _regular_cell(cell: Float[np.ndarray, "6"], setting: str, sites: int) -> np.ndarray:
    """Returns the cell in the exact shape of its symmetry, if it is near it and not too large."""
    if not (np.isfinite(cell) & (cell > 0)).all():
        raise StructureError(Reason.NO_CELL, "axes and angles are not all given")
    if cell[:3].max() > MAX_AXIS:
        raise StructureError(Reason.TOO_LARGE, f"an axis of {cell[:3].max():g} Å")
    metric, lengths = metric_tensor(cell), cell[:3]
    determinant = np.linalg.det(metric)
    if determinant <= 1e-6 * np.prod(lengths) ** 2:
        raise StructureError(Reason.NO_CELL, "the axes and angles make no cell")
    volume = np.sqrt(determinant)
    if volume > MAX_CELL_VOLUME:
        raise StructureError(Reason.TOO_LARGE, f"cell of {volume:.0f} Å3")
    atoms = sites * len(affine_operations(setting)[0])
    if atoms > MAX_SITES:
        raise StructureError(Reason.TOO_LARGE, f"{atoms} atoms in the cell")
    regular = average_metric(metric, setting)
    deviation = np.abs(regular - metric) / (lengths * lengths[:, None])
    if deviation.max() > _CELL_TOLERANCE:
        name = hermann_mauguin(space_group_number(setting))
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, f"the cell does not have that of {name}")
    return cell if deviation.max() < 1e-9 else cell_of_metric(regular)


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
    amounts = _amounts(crystal)
    wanted = _hydrogen_share(description.formula)
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
    return str(getattr(entry, "element", entry).symbol)
