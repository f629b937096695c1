"""Space groups: settings, crystal systems, Bravais lattices, extinction groups, class lists.

A *setting* is text that fixes the operations in the axes of the cell at hand: the Hall symbol
where gemmi's table of 560 settings has it, else generators as coordinate triplets joined by ';'.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import permutations

import gemmi
import moyopy
import numpy as np
from jaxtyping import Float, Int

from data_gen.errors import InputError, Reason, StructureError
from data_gen.operations import (
    DEN,
    closure,
    distinct,
    group_of_rows,
    primitive_operations,
    rows_of_triplets,
)

CRYSTAL_SYSTEMS = (
    "triclinic",
    "monoclinic",
    "orthorhombic",
    "tetragonal",
    "trigonal",
    "hexagonal",
    "cubic",
)
BRAVAIS_LATTICES = (
    "aP", "mP", "mS", "oP", "oS", "oF", "oI", "tP", "tI", "hP", "hR", "cP", "cF", "cI",
)  # fmt: skip
"""Pearson letters; S stands for a lattice centred on one pair of faces (A, B or C)."""

_PAPER_RANGES = (
    (1, 2), (4, 15), (18, 20), 26, 29, 31, 33, 34, 36, 38, (40, 47), (51, 53), (55, 67), (69, 74),
    82, (85, 88), 92, 96, 99, 100, 107, 109, 113, 114, 119, (121, 123), (125, 131), (135, 137),
    (139, 142), 143, 144, (146, 148), 150, 152, (154, 157), (159, 167), (173, 176), 180, 182,
    (185, 187), (189, 194), (197, 201), (203, 206), 212, 213, (215, 218), 220, 221, (223, 227),
    229, 230,
)  # fmt: skip

_LATTICE_LETTERS = "amothhc"  # in the order of the crystal systems
_MAX_INDEX = 8  # enough for every absence rule: the longest period, of d glides and 6_1, is 6


def _expand(ranges: Iterable[int | tuple[int, int]]) -> Iterator[int]:
    for item in ranges:
        first, last = (item, item) if isinstance(item, int) else item
        yield from range(first, last + 1)


PAPER_SPACE_GROUPS = tuple(_expand(_PAPER_RANGES))
"""The 144 space groups of the paper, by number in International Tables."""


# ---------------------------------------------------------------- settings and operations


@lru_cache(maxsize=4096)
def group_operations(setting: str) -> gemmi.GroupOps:
    """Returns all operations of a setting, in the axes of its own conventional cell.

    Args:
        setting: A Hall symbol, or generators such as ``"-x,y+1/2,-z;x+1/2,y+1/2,z"``.

    Returns:
        The operations; lattice vectors are apart, in ``cen_ops``. The object is cached and must
        not be changed.

    Raises:
        StructureError: The text is neither, or does not generate a crystallographic group.
    """
    if "," not in setting:
        try:
            return gemmi.symops_from_hall(setting)
        except (RuntimeError, ValueError) as error:
            raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, str(error)) from None
    return group_of_rows(closure(rows_of_triplets(setting.split(";"))))


@lru_cache(maxsize=4096)
def affine_operations(
    setting: str,
) -> tuple[Float[np.ndarray, "ops 3 3"], Float[np.ndarray, "ops 3"]]:
    """Returns rotations and translations (fractions of the cell) of a setting, centring included.

    Raises:
        StructureError: As `group_operations`.
    """
    operations = list(group_operations(setting))
    rotations = np.array([op.rot for op in operations], dtype=np.float64) / DEN
    translations = np.array([op.tran for op in operations], dtype=np.float64) / DEN
    rotations.flags.writeable = translations.flags.writeable = False
    return rotations, translations


@lru_cache(maxsize=4096)
def setting_of_triplets(triplets: tuple[str, ...]) -> str:
    """Returns the setting of a full list of operations such as a CIF's.

    Args:
        triplets: Coordinate triplets, e.g. ``("x,y,z", "-x,-y,-z")``.

    Raises:
        StructureError: A triplet cannot be read, or the list is not a group.
    """
    given = distinct(rows_of_triplets(triplets))
    if not np.array_equal(closure(given), given):
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, "the operations do not form a group")
    return setting_of(group_of_rows(given))


def setting_of(operations: gemmi.GroupOps) -> str:
    """Returns the setting that stands for a group: a Hall symbol, else few generators."""
    tabulated = gemmi.find_spacegroup_by_ops(operations)
    if tabulated is not None:
        return tabulated.hall
    generators: list[str] = []
    reached = {"x,y,z"}
    for triplet in (op.wrap().triplet() for op in operations):
        if triplet not in reached:
            generators.append(triplet)
            grown = group_of_rows(closure(rows_of_triplets(generators)))
            reached = {op.wrap().triplet() for op in grown}
    return ";".join(generators) or "x,y,z"


@lru_cache(maxsize=4096)
def space_group_number(setting: str) -> int:
    """Returns the number (1 to 230) of a setting, tabulated or not.

    Settings outside the table (other origins, other axes) are transformed to the standard one by
    moyopy.

    Raises:
        StructureError: The operations are those of no space group.
    """
    operations = group_operations(setting)
    tabulated = gemmi.find_spacegroup_by_ops(operations)
    if tabulated is not None:
        return tabulated.number
    _, axes, rotations, shifts = primitive_operations(operations)
    basis = np.linalg.cholesky(axes.T @ _invariant_metric(setting) @ axes)
    try:
        found = moyopy.SpaceGroup(rotations.tolist(), (shifts / DEN).tolist(), basis=basis.tolist())
    except (ValueError, RuntimeError) as error:
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, str(error)) from None
    return found.number


def _invariant_metric(setting: str) -> Float[np.ndarray, "3 3"]:
    """Returns a metric tensor that the group keeps and that has no higher symmetry by accident."""
    generic = np.array([[1.0, 0.11, 0.07], [0.11, 1.3, 0.05], [0.07, 0.05, 1.7]])
    return average_metric(generic, setting)


def average_metric(metric: Float[np.ndarray, "3 3"], setting: str) -> Float[np.ndarray, "3 3"]:
    """Returns the mean of a metric tensor over the rotations of a setting."""
    return (_averaging(setting) @ metric.ravel()).reshape(3, 3)


@lru_cache(maxsize=4096)
def _averaging(setting: str) -> Float[np.ndarray, "9 9"]:
    """Returns the mean of Rᵀ M R over all rotations R, as a matrix that acts on the nine of M."""
    rotations, _ = affine_operations(setting)
    return np.einsum("oij,okl->jlik", rotations, rotations).reshape(9, 9) / len(rotations)


_ORIGINS = {"S": "1", "Z": "2"}  # what the ICSD writes behind a name for its choice of origin


@lru_cache(maxsize=4096)
def setting_of_name(name: str, alpha: float = 0.0, gamma: float = 0.0) -> str:
    """Returns the setting of a Hall symbol, a Hermann-Mauguin name or a number.

    Args:
        name: A name that leaves the origin open stands for the first choice.
        alpha: Angle of the cell in degrees, if known: with the next it tells rhombohedral axes
            from hexagonal ones, which else are taken.
        gamma: Angle of the cell in degrees, if known.

    Raises:
        StructureError: No such space group is known.
    """
    if name.isdecimal() and 1 <= int(name) <= 230:
        return gemmi.get_spacegroup_reference_setting(int(name)).hall
    short, _, last = name.rpartition(" ")
    full = f"{short}:{_ORIGINS[last]}" if last in _ORIGINS else name
    found = None if name.isdecimal() else gemmi.find_spacegroup_by_name(full, alpha, gamma)
    if found is not None:
        return found.hall
    try:
        return setting_of(gemmi.symops_from_hall(name))
    except (RuntimeError, ValueError):
        detail = f"unknown space group {name!r}"
        raise StructureError(Reason.IMPOSSIBLE_SYMMETRY, detail) from None


# ---------------------------------------------------------------- what a number stands for


@cache
def _reference(number: int) -> gemmi.SpaceGroup:
    if not 1 <= number <= 230:
        raise ValueError(f"space group numbers run from 1 to 230, not {number}")
    return gemmi.get_spacegroup_reference_setting(number)


def crystal_system(number: int) -> str:
    """Returns one of `CRYSTAL_SYSTEMS`."""
    return _reference(number).crystal_system_str()


def bravais_lattice(number: int) -> str:
    """Returns one of `BRAVAIS_LATTICES`."""
    letter = _LATTICE_LETTERS[CRYSTAL_SYSTEMS.index(crystal_system(number))]
    centring = _reference(number).centring_type()
    return letter + ("S" if centring in "ABC" else centring)


def hermann_mauguin(number: int) -> str:
    """Returns the short symbol of the standard setting, e.g. ``"P21/c"`` or ``"R-3m"``."""
    symbol = _reference(number).short_name()
    return "R" + symbol[1:] if bravais_lattice(number) == "hR" else symbol


# ---------------------------------------------------------------- extinction groups

EQUAL_UNDER_TWO_SYMBOLS = (
    ((144, 145, 151, 152, 153, 154), (171, 172, 180, 181)),
    ((198,), (208,)),
)
"""Space groups of one lattice and one set of absences that a table by extinction symbol parts.

The first two have l = 3n on 00l (P3_1-- with a trigonal, P6_2-- with a hexagonal Laue class); the
others h = 2n on h00 (P2_1-- and P4_2--, both cubic). With them apart there are 99 groups over the
230 and 77 over the paper's 144, as in the table of Baggett et al. (2026), arXiv:2604.23811; nothing
else differs from it.
"""


@cache
def extinction_groups() -> tuple[tuple[int, ...], ...]:
    """Returns the space groups that a powder pattern cannot tell apart without intensities.

    Two space groups belong together if they have the same Bravais lattice and the same systematic
    absences, once the axes of the orthorhombic ones are permuted into one another: 97 groups.
    Peak positions do not name the axes, so a permutation cannot be seen. (No other lattice type
    has permutations to consider: its axes are fixed by the lattice or by the standard setting.)

    International Tables give more symbols than there are such groups, because a symbol also
    depends on the Laue class and on the screw axis that causes an absence; a table by symbol has
    99 (`EQUAL_UNDER_TWO_SYMBOLS`).

    Returns:
        Tuples of space group numbers, ordered by their smallest member.
    """
    return _group_by_absences(permute=True)


@cache
def merged_by_permutation() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Returns the extinction groups that hold together only because axes may be permuted.

    Returns:
        One entry per such group: the parts into which it falls when the axes of the standard
        settings are taken as they are.
    """
    fixed = _group_by_absences(permute=False)
    parts = (tuple(p for p in fixed if set(p) <= set(whole)) for whole in extinction_groups())
    return tuple(part for part in parts if len(part) > 1)


def extinction_group(number: int) -> int:
    """Returns the index into `extinction_groups` of a space group."""
    return _extinction_index()[number]


@cache
def _extinction_index() -> dict[int, int]:
    return {n: index for index, group in enumerate(extinction_groups()) for n in group}


def _group_by_absences(permute: bool) -> tuple[tuple[int, ...], ...]:
    members: dict[tuple[str, bytes], list[int]] = {}
    for number in range(1, 231):
        lattice = bravais_lattice(number)
        absences = _absences(number)
        pattern = absences.tobytes()
        if permute and lattice[0] == "o":
            pattern = min(absences.transpose(axes).tobytes() for axes in permutations(range(3)))
        members.setdefault((lattice, pattern), []).append(number)
    return tuple(tuple(group) for group in members.values())


def _absences(number: int) -> np.ndarray:
    """Returns which h, k, l in -8..8 are systematically absent, as an array (17, 17, 17)."""
    side = np.arange(-_MAX_INDEX, _MAX_INDEX + 1, dtype=np.int32)
    hkl = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1)
    absent = _reference(number).operations().systematic_absences(hkl.reshape(-1, 3))
    return absent.reshape(hkl.shape[:3])


# ---------------------------------------------------------------- class lists

_SPACE_GROUP_LISTS = "paper144, all230, at_least_N or most_frequent_N"


@dataclass(frozen=True, eq=False)
class ClassList:
    """The classes of a task.

    Attributes:
        task: ``"bravais_lattice"`` or ``"space_group"``.
        names: Bravais symbols, or space group numbers as text.
        index_of_space_group: Class of each space group number, -1 where it has none; entry 0 is
            unused.
    """

    task: str
    names: tuple[str, ...]
    index_of_space_group: Int[np.ndarray, "231"]


def class_list(task: str, classes: str, counts: Int[np.ndarray, "231"] | None = None) -> ClassList:
    """Returns the classes that a task tells apart.

    Args:
        task: ``"bravais_lattice"`` or ``"space_group"``.
        classes: ``"bravais14"``, ``"paper144"``, ``"all230"``, ``"at_least_N"``: every space group
            with at least N structures, or ``"most_frequent_N"``: the N space groups with the most
            structures; of equally frequent ones those with the lower numbers.
        counts: Structures per space group number; needed by the last two alone.

    Raises:
        InputError: The task or the list is unknown, they do not go together, or no class is left.
    """
    if task == "bravais_lattice" and classes == "bravais14":
        index = [-1, *(BRAVAIS_LATTICES.index(bravais_lattice(n)) for n in range(1, 231))]
        return ClassList(task, BRAVAIS_LATTICES, np.array(index))
    if task != "space_group":
        raise InputError(
            f"task {task!r} with classes {classes!r}: choose bravais_lattice with bravais14, "
            f"or space_group with {_SPACE_GROUP_LISTS}"
        )
    numbers = _space_groups(classes, counts)
    index = np.full(231, -1)
    index[list(numbers)] = np.arange(len(numbers))
    return ClassList(task, tuple(str(n) for n in numbers), index)


def _space_groups(classes: str, counts: Int[np.ndarray, "231"] | None) -> tuple[int, ...]:
    if classes == "paper144":
        return PAPER_SPACE_GROUPS
    if classes == "all230":
        return tuple(range(1, 231))
    kind, _, number = classes.rpartition("_")
    if kind not in ("at_least", "most_frequent") or not number.isdecimal():
        raise InputError(f"unknown classes {classes!r}: choose {_SPACE_GROUP_LISTS}")
    if counts is None:
        raise ValueError(f"{kind}_N needs the counts of the data set")
    present = [n for n in range(1, 231) if counts[n] > 0]
    if kind == "most_frequent":
        return _most_frequent(classes, int(number), present, counts)
    numbers = tuple(n for n in present if counts[n] >= int(number))
    if not numbers:
        raise InputError(f"classes {classes!r}: no space group has that many structures; lower N")
    return numbers


def _most_frequent(
    classes: str, size: int, present: list[int], counts: Int[np.ndarray, "231"]
) -> tuple[int, ...]:
    if not 1 <= size <= len(present):
        raise InputError(
            f"classes {classes!r}: {len(present)} space groups have structures; "
            "give an N from 1 to that"
        )
    return tuple(sorted(sorted(present, key=lambda n: -counts[n])[:size]))
