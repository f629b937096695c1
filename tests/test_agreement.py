"""One answer of the networks of lattices and of space groups."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks import both_networks, confidence
from benchmarks.both_networks import rows
from sgan_jax.agreement import POWER, agreed, lattices_of
from sgan_jax.classifier import OutputClass

HALITE = (Path(__file__).parent / "data" / "halite.cif").read_text()
METALS = ("Li", "Na", "K", "Rb", "Cs", "Cu", "Ag", "Tl")
LATTICES = [OutputClass("oP", (18, 19, 62), 5), OutputClass("cF", (225, 227), 5)]
GROUPS = [OutputClass(str(number), (number,), 5) for number in (19, 62, 225)]
OF_GROUP = lattices_of(GROUPS, LATTICES)


def test_space_groups_belong_to_lattices():
    np.testing.assert_array_equal(OF_GROUP, [0, 0, 1])
    np.testing.assert_array_equal(lattices_of(GROUPS, LATTICES[:1]), [0, 0, -1])


def test_networks_that_agree_are_surer_together():
    lattices, groups = np.array([[0.8, 0.2]]), np.array([[0.2, 0.6, 0.2]])
    together, of_groups = agreed(lattices, groups, OF_GROUP)
    assert together[0, 0] / together[0, 1] == pytest.approx(16**POWER)
    assert of_groups[0, 1] / of_groups[0, 0] == pytest.approx(3)
    assert of_groups[0, :2].sum() == pytest.approx(together[0, 0])


def test_networks_that_contradict_each_other_meet():
    lattices, groups = np.array([[0.9, 0.1]]), np.array([[0.05, 0.05, 0.9]])
    together, of_groups = agreed(lattices, groups, OF_GROUP)
    np.testing.assert_allclose(together, [[0.5, 0.5]])
    np.testing.assert_allclose(of_groups, [[0.25, 0.25, 0.5]])


def test_what_is_impossible_to_one_network_stays_finite():
    lattices, groups = np.array([[1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    together, of_groups = agreed(lattices, groups, OF_GROUP)
    for probabilities in (together, of_groups):
        assert np.isfinite(probabilities).all()
        assert probabilities.sum() == pytest.approx(1)


def test_the_table_of_powers_tells_what_hearing_both_brings():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=500)
    truth = np.eye(3)[labels]
    groups = np.exp(2 * truth + rng.normal(0, 1, truth.shape))
    lattices = np.exp(2 * truth @ np.eye(2)[OF_GROUP] + rng.normal(0, 1, (500, 2)))
    said = [each / each.sum(axis=1, keepdims=True) for each in (lattices, groups)]
    table = rows(said, (OF_GROUP[labels], labels), OF_GROUP)
    by_itself, powers = table[0], {line[0]: line for line in table[1:]}
    assert float(by_itself[1]) == round(100 * np.mean(said[0].argmax(1) == OF_GROUP[labels]), 1)
    for column in (1, 4):
        assert float(powers[f"power {POWER:.2f}"][column]) > float(by_itself[column])


@pytest.mark.parametrize("benchmark", [both_networks, confidence])
def test_sources_that_cannot_be_read_are_refused(benchmark, tmp_path, capsys):
    missing = tmp_path / "missing.tar.gz"
    assert benchmark.main([f"--sources={missing}", f"--data_dir={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert str(missing) in err
    assert err.startswith("error: ")


def test_sources_that_the_networks_were_not_trained_on_are_refused(tmp_path, capsys):
    folder = tmp_path / "others"
    folder.mkdir()
    for metal, halogen in product(METALS, ("F", "Cl", "Br", "I")):
        text = HALITE.replace("Na", metal).replace("Cl", halogen)
        (folder / f"{metal}{halogen}.cif").write_text(text)
    assert both_networks.main([f"--sources={folder}", f"--data_dir={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert f"error: --sources={folder}: these 32 structures are not the " in err
