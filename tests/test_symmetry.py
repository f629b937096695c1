"""Settings, space group numbers, Bravais lattices, extinction groups and class lists."""

from collections import Counter

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_gen.errors import InputError, Reason, StructureError
from data_gen.symmetry import (
    BRAVAIS_LATTICES,
    EQUAL_UNDER_TWO_SYMBOLS,
    PAPER_SPACE_GROUPS,
    affine_operations,
    bravais_lattice,
    class_list,
    crystal_system,
    extinction_group,
    extinction_groups,
    group_operations,
    hermann_mauguin,
    merged_by_permutation,
    setting_of,
    setting_of_name,
    setting_of_triplets,
    space_group_number,
)

NUMBERS = st.integers(min_value=1, max_value=230)
SHIFTS = st.tuples(*[st.integers(0, 23)] * 3)


def shifted(operations: gemmi.GroupOps, shift: tuple[int, int, int]) -> gemmi.GroupOps:
    origin = gemmi.Op("x,y,z")
    origin.tran = list(shift)
    moved = gemmi.GroupOps(list(operations))
    moved.change_basis_forward(origin)
    return moved


def triplets(operations: gemmi.GroupOps) -> tuple[str, ...]:
    return tuple(op.wrap().triplet() for op in operations)


def test_every_tabulated_setting_is_known_by_its_hall_symbol() -> None:
    for entry in gemmi.spacegroup_table():
        setting = setting_of(entry.operations())
        assert space_group_number(setting) == entry.number
        assert set(triplets(group_operations(setting))) == set(triplets(entry.operations()))


@settings(deadline=None)
@given(NUMBERS, SHIFTS)
def test_a_shifted_origin_keeps_the_space_group(number: int, shift: tuple[int, int, int]) -> None:
    reference = gemmi.get_spacegroup_reference_setting(number)
    operations = shifted(reference.operations(), shift)
    setting = setting_of_triplets(triplets(operations))
    assert space_group_number(setting) == number
    assert set(triplets(group_operations(setting))) == set(triplets(operations))
    assert len(setting) < 200


@pytest.mark.parametrize("number", [1, 2, 5, 12, 15, 38, 70, 142, 146, 166, 167, 195, 227, 230])
def test_oblique_axes_keep_the_space_group(number: int) -> None:
    operations = gemmi.get_spacegroup_reference_setting(number).operations()
    operations.change_basis_forward(gemmi.Op("x+z,y,z"))
    setting = setting_of(operations)
    assert space_group_number(setting) == number


@pytest.mark.parametrize("number", [16, 47, 75, 99, 123, 131, 139, 142])
def test_a_cell_of_twice_the_size_keeps_the_space_group(number: int) -> None:
    operations = gemmi.get_spacegroup_reference_setting(number).operations()
    size = len(operations)
    operations.change_basis_forward(gemmi.Op("x/2-y/2,x/2+y/2,z"))
    assert len(operations) == 2 * size
    assert space_group_number(setting_of_triplets(triplets(operations))) == number


@pytest.mark.parametrize(
    "bad",
    [
        ("x,y,z", "x+1/2,y,z", "-x,-y+1/4,z"),
        ("-x,-y,-z",),
        ("x,y,z", "y,x,z+1/3"),
        ("x,y,z", "x+y,y,z"),
        ("x,y,z", "x,x,z"),
        ("x,y,z", "x+1/5,y,z"),
        ("x,y,z", "x,y"),
        ("x,y,z", "?"),
        (),
    ],
)
def test_operations_that_are_no_group_are_refused(bad: tuple[str, ...]) -> None:
    with pytest.raises(StructureError) as caught:
        setting_of_triplets(bad)
    assert caught.value.reason is Reason.IMPOSSIBLE_SYMMETRY


@pytest.mark.parametrize("setting", ["P 7", "x,y", "x+1/7,y,z", "x+y,y,z"])
def test_bad_settings_are_refused(setting: str) -> None:
    with pytest.raises(StructureError):
        group_operations(setting)


@pytest.mark.parametrize(
    ("name", "number"),
    [("-F 4 2 3", 225), ("F m -3 m", 225), ("P21/c", 14), ("P 1 21/n 1", 14), ("225", 225)],
)
def test_space_groups_are_found_by_name(name: str, number: int) -> None:
    assert space_group_number(setting_of_name(name)) == number


@pytest.mark.parametrize("name", ["", "Q m m m", "231", "0"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(StructureError):
        setting_of_name(name)


def test_operations_as_arrays_cannot_be_changed() -> None:
    rotations, translations = affine_operations("-F 4 2 3")
    assert rotations.shape == (192, 3, 3)
    assert translations.shape == (192, 3)
    with pytest.raises(ValueError, match="read-only"):
        rotations[0] = 0


def test_bravais_lattices_of_all_space_groups() -> None:
    counts = Counter(bravais_lattice(number) for number in range(1, 231))
    expected = [2, 8, 5, 30, 15, 5, 9, 49, 19, 45, 7, 15, 11, 10]  # International Tables A
    assert [counts[lattice] for lattice in BRAVAIS_LATTICES] == expected


def test_rhombohedral_groups() -> None:
    rhombohedral = [n for n in range(1, 231) if bravais_lattice(n) == "hR"]
    assert rhombohedral == [146, 148, 155, 160, 161, 166, 167]
    assert crystal_system(166) == "trigonal"
    assert hermann_mauguin(166) == "R-3m"
    assert hermann_mauguin(14) == "P21/c"


@pytest.mark.parametrize("number", [0, 231, -1])
def test_there_are_230_space_groups(number: int) -> None:
    with pytest.raises(ValueError, match="230"):
        crystal_system(number)


def test_the_papers_space_groups() -> None:
    assert len(PAPER_SPACE_GROUPS) == 144
    assert tuple(sorted(set(PAPER_SPACE_GROUPS))) == PAPER_SPACE_GROUPS


def test_extinction_groups_partition_the_space_groups() -> None:
    groups = extinction_groups()
    assert sorted(number for group in groups for number in group) == list(range(1, 231))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    assert all(number in groups[extinction_group(number)] for number in range(1, 231))


def test_97_extinction_groups_and_76_of_the_paper() -> None:
    assert len(extinction_groups()) == 97
    assert len({extinction_group(number) for number in PAPER_SPACE_GROUPS}) == 76


def test_a_table_by_symbol_parts_two_groups_more() -> None:
    paper = set(PAPER_SPACE_GROUPS)
    parted_in_paper = 0
    for first, second in EQUAL_UNDER_TWO_SYMBOLS:
        assert tuple(sorted(first + second)) in extinction_groups()
        parted_in_paper += bool(paper & set(first) and paper & set(second))
    assert len(extinction_groups()) + len(EQUAL_UNDER_TWO_SYMBOLS) == 99
    assert len({extinction_group(number) for number in paper}) + parted_in_paper == 77


def test_groups_merged_only_by_permuting_axes_are_orthorhombic() -> None:
    merged = merged_by_permutation()
    assert ((36, 63), (40,)) in merged
    assert len(extinction_groups()) + sum(len(parts) - 1 for parts in merged) == 108
    numbers = [number for parts in merged for part in parts for number in part]
    assert {crystal_system(number) for number in numbers} == {"orthorhombic"}


def test_bravais_class_list() -> None:
    classes = class_list("bravais_lattice", "bravais14")
    assert classes.names == BRAVAIS_LATTICES
    assert classes.names[classes.index_of_space_group[225]] == "cF"
    assert classes.index_of_space_group.shape == (231,)


@pytest.mark.parametrize(("name", "size"), [("paper144", 144), ("all230", 230)])
def test_space_group_class_lists(name: str, size: int) -> None:
    classes = class_list("space_group", name)
    assert len(classes.names) == size
    index = classes.index_of_space_group
    assert sorted(index[index >= 0]) == list(range(size))
    assert classes.names[index[225]] == "225"


def test_class_list_by_number_of_structures() -> None:
    counts = np.zeros(231, dtype=int)
    counts[[2, 14, 225]] = [10, 49, 50]
    assert class_list("space_group", "at_least_49", counts).names == ("14", "225")
    assert class_list("space_group", "at_least_50", counts).names == ("225",)
    with pytest.raises(InputError, match="lower N"):
        class_list("space_group", "at_least_51", counts)


@given(st.lists(st.integers(0, 5), min_size=230, max_size=230), st.integers(1, 230))
def test_class_list_of_the_most_frequent_groups(found: list[int], size: int) -> None:
    counts = np.array([0, *found])
    if size > np.count_nonzero(counts):
        with pytest.raises(InputError, match="give an N from 1 to that"):
            class_list("space_group", f"most_frequent_{size}", counts)
        return
    chosen = [int(n) for n in class_list("space_group", f"most_frequent_{size}", counts).names]
    assert len(chosen) == size
    assert chosen == sorted(chosen)
    rank = sorted(range(1, 231), key=lambda n: (-found[n - 1], n))
    assert set(chosen) == set(rank[:size])


@pytest.mark.parametrize("classes", ["most_frequent_0", "most_frequent_3"])
def test_no_more_groups_than_there_are(classes: str) -> None:
    with pytest.raises(InputError, match="2 space groups have structures"):
        class_list("space_group", classes, np.bincount([2, 225], minlength=231))


@pytest.mark.parametrize(
    ("task", "classes"),
    [("space_group", "bravais14"), ("bravais_lattice", "all230"), ("colour", "all230"),
     ("space_group", "at_least_x"), ("space_group", "most_frequent"), ("space_group", "")],
)  # fmt: skip
def test_unknown_class_lists_are_refused(task: str, classes: str) -> None:
    with pytest.raises(InputError):
        class_list(task, classes)


def test_angles_tell_the_axes_of_rhombohedral_groups() -> None:
    assert setting_of_name("R -3 m", 60.0, 60.0) == "-P 3* 2"
    assert setting_of_name("R -3 m", 90.0, 120.0) == setting_of_name("R -3 m") == '-R 3 2"'


@pytest.mark.parametrize(("letter", "choice"), [("S", "1"), ("Z", "2")])
def test_the_icsd_names_origins_by_letters(letter: str, choice: str) -> None:
    assert setting_of_name(f"F d -3 m {letter}") == setting_of_name(f"F d -3 m:{choice}")
