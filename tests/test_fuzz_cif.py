"""Broken CIFs are rejected with a reason or give proper patterns; so says the benchmark too."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import fuzz_cif
from benchmarks.fuzz_cif import is_proper, judge, originals
from benchmarks.mutations import MUTATIONS, mutant, mutation_of
from data_gen.errors import Reason

MUTANTS_OF_EACH = 15
OUTCOMES = {"accepted", *map(str, Reason)} - {str(Reason.UNEXPECTED)}


@pytest.fixture(scope="module")
def files():
    return originals("amcsd")[:40]


def test_originals_are_accepted(files):
    assert len(files) == 40
    assert all(judge(content) == ["accepted"] for content in files)


def test_mutants_do_not_change(files):
    first = [mutant(files, index, seed=1) for index in range(2 * len(MUTATIONS))]
    assert first == [mutant(files, index, seed=1) for index in range(2 * len(MUTATIONS))]
    assert first != [mutant(files, index, seed=2) for index in range(2 * len(MUTATIONS))]


def test_mutations_break_files(files):
    broken = [mutant(files, index, seed=0) for index in range(len(MUTATIONS))]
    assert [mutation_of(index) for index in range(len(MUTATIONS))] == list(MUTATIONS)
    assert not set(broken) & set(files)


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutant_has_an_outcome(files, name):
    number = list(MUTATIONS).index(name)
    for index in range(number, MUTANTS_OF_EACH * len(MUTATIONS), len(MUTATIONS)):
        outcomes = judge(mutant(files, index, seed=7))
        assert outcomes, f"mutant {index} ended nowhere"
        assert OUTCOMES.issuperset(outcomes), f"mutant {index}"


@pytest.mark.parametrize(
    "pattern", [[0.0, np.nan, 1.0], [0.0, np.inf, 1.0], [0.0, 0.5], [0.1, 1.0], [-0.1, 1.0]]
)
def test_improper_patterns_are_seen(pattern):
    assert not is_proper(np.array(pattern))
    assert is_proper(np.array([0.0, 0.3, 1.0]))


def test_command_builds_data_sets_of_mutants(capsys, tmp_path):
    keep = tmp_path / "keep"
    assert fuzz_cif.main([f"--count={len(MUTATIONS)}", f"--keep={keep}"]) == 0
    out = capsys.readouterr().out
    assert f"{len(MUTATIONS)} broken CIFs" in out
    assert "nothing went wrong" in out
    assert all(name in out for name in [*MUTATIONS, "hostile", "intact"])
    assert not list(keep.iterdir())


def test_problems_are_told(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz_cif, "judge", lambda content: 1 / len(content[:0]))
    assert fuzz_cif.main(["--count=1", f"--keep={tmp_path}"]) == 1
    out = capsys.readouterr().out
    assert "000000 (flip_bytes): ZeroDivisionError" in out
    assert (tmp_path / "000000.cif").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--count=0"], "--count"), (["--structures=nowhere.zip"], "does not exist")],
)
def test_wrong_options(capsys, arguments, message):
    assert fuzz_cif.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("nowhere.zip").exists()


# ---------------------------------------------------------------- what was found once

CUBE = """data_{name}
_cell_length_a {a}
_cell_length_b 15
_cell_length_c 15
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""


@pytest.mark.parametrize("axis", ["1e-320", "1e-200", "1e-9", "0.1"])
def test_axis_shorter_than_any_bond(axis):
    assert judge((CUBE.format(name="x", a=axis) + "Na 0 0 0\n").encode()) == [Reason.NO_CELL]


def test_thousands_of_atoms_at_one_place():
    text = CUBE.format(name="x", a=15)
    assert judge((text + "Na 0 0 0\n" * 4).encode()) == ["accepted"]
    assert judge((text + "Na 0 0 0\n" * 5000).encode()) == [Reason.TOO_LARGE]


def test_thousands_of_structures_in_one_file(monkeypatch):
    monkeypatch.setattr("data_gen.sources.base.MAX_STRUCTURES_PER_CIF", 20)
    blocks = [CUBE.format(name=f"b{n}", a=5) + "Na 0 0 0\n" for n in range(30)]
    assert judge("".join(blocks[:20]).encode()) == ["accepted"] * 20
    assert judge("".join(blocks).encode()) == ["accepted"] * 20 + [Reason.TOO_LARGE]
