import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax import priors
from sgan_jax.classifier import OutputClass

ROOT = Path(__file__).resolve().parents[1]
CLASSES = (
    OutputClass("oP", tuple(range(16, 20)), 300),
    OutputClass("cF", (225, 227), 100),
    OutputClass("tP", (75,), 0),
)
LEARNT = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], np.float32)


def test_the_prior_of_training_changes_nothing():
    np.testing.assert_array_equal(priors.with_prior(LEARNT, CLASSES, "training"), LEARNT)


def test_a_flat_prior_takes_the_frequencies_of_training_out():
    flat = priors.with_prior(LEARNT, CLASSES, "flat")
    np.testing.assert_allclose(flat[0], [0.6 / 300 / 0.005, 0.3 / 100 / 0.005, 0], rtol=1e-6)
    np.testing.assert_allclose(flat.sum(axis=1), 1)


def test_a_prior_of_real_crystals_puts_theirs_in():
    changed = priors.with_prior(LEARNT, CLASSES, "mp_icsd")
    table = counts_in_the_package()
    frequent = [sum(table[n] for n in entry.space_groups) + 1 for entry in CLASSES]
    expected = 0.6 / 0.3 * frequent[0] / frequent[1] * 100 / 300
    assert changed[0, 0] / changed[0, 1] == pytest.approx(expected, rel=1e-6)
    assert changed[0, 2] == 0


def counts_in_the_package() -> dict[int, int]:
    with (ROOT / "sgan_jax" / "tables" / "mp_icsd.csv").open(newline="") as file:
        return {int(row["space_group"]): int(row["crystals"]) for row in csv.DictReader(file)}


def test_the_table_of_real_crystals_is_whole():
    table = counts_in_the_package()
    assert [*table] == [*range(1, 231)]
    assert sum(table.values()) == 40_794
    assert max(table, key=lambda number: table[number]) == 14


def test_classes_that_were_never_seen_leave_all_as_it_is():
    only = np.array([[0.0, 0.0, 1.0], [0.2, 0.7, 0.1]], np.float32)
    flat = priors.with_prior(only, CLASSES, "flat")
    np.testing.assert_array_equal(flat[0], only[0])
    np.testing.assert_allclose(flat[1], priors.with_prior(LEARNT, CLASSES, "flat")[1])


def test_other_priors_are_refused():
    with pytest.raises(InputError, match="no prior 'icsd'; choose training, flat or mp_icsd"):
        priors.check("icsd")


def test_space_groups_are_counted(tmp_path):
    halite = ROOT / "tests" / "data" / "halite.cif"
    command = [sys.executable, "-m", "sgan_jax.priors", str(halite), f"--out={tmp_path / 'n.csv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 crystals of 1 space groups")
    assert "225,1\n" in (tmp_path / "n.csv").read_text()
