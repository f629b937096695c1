"""Classifiers asked about crystals; their patterns are those that training would make."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_gen.crystal import Crystal
from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.packing import CrystalTable
from data_gen.simulate import simulate
from sgan_jax import trial
from sgan_jax.augmentation.effects import EVALUATED
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.classifier import Classifier, load_classifier
from sgan_jax.grids import GRIDS, NOT_MEASURED
from tests.fixed_classifier import GROUPS, LATTICES, write_classifier

HALITE = Path(__file__).parent / "data" / "halite.cif"
LIMIT = 40
TEMPERATURE = 2.0


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Of measured patterns; it knows four lattices."""
    folder = write_classifier(tmp_path_factory.mktemp("models") / "m", LATTICES, grid="log_d")
    return changed(folder, {"calibration": {"temperature": TEMPERATURE}})


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Of ideal patterns of one instrument; it knows four space groups."""
    folder = tmp_path_factory.mktemp("models") / "plain"
    return load_classifier(write_classifier(folder, GROUPS, grid=None, instrument_name="hrpt"))


def changed(folder: Path, change: dict) -> Classifier:
    """The classifier of a folder with other values in its description."""
    path = folder / "model.json"
    description = json.loads(path.read_text())
    for name, value in change.items():
        description[name] = description[name] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(description))
    return load_classifier(folder)


def tried(classifier, sources, data_dir, limit=None) -> trial.Trial:
    return trial.try_classifier(
        classifier, trial.dataset_spec(classifier, sources, limit), data_dir
    )


def test_every_structure_is_tried_or_left_out_or_rejected(measured, data_dir):
    found = tried(measured, "amcsd", data_dir, LIMIT)
    counts = len(found.rows), sum(found.left_out.values()), sum(found.rejected_by_reason.values())
    assert sum(counts) == LIMIT
    assert min(counts) > 0
    known = {number for entry in measured.classes for number in entry.space_groups}
    assert known.isdisjoint(found.left_out)
    assert known.issuperset(found.space_groups.tolist())
    answer = [logit / TEMPERATURE for logit in LATTICES.values()]
    np.testing.assert_array_equal(found.logits, np.tile(answer, (counts[0], 1)))


def test_measurements_have_all_effects_and_are_always_the_same(measured, data_dir):
    first, again = (tried(measured, "amcsd", data_dir, LIMIT) for _ in range(2))
    patterns = first.patterns[first.rows]
    np.testing.assert_array_equal(patterns, again.patterns[again.rows])
    assert (patterns == NOT_MEASURED).any()
    assert patterns.max() == 1
    np.testing.assert_array_equal(first.axis.points, GRIDS["log_d"].centres)


def test_ideal_patterns_are_of_the_models_instrument(plain, data_dir):
    found = tried(plain, str(HALITE), data_dir)
    used = instrument("hrpt")
    expected = simulate(Crystal.from_cif(HALITE), used)
    np.testing.assert_allclose(found.patterns[found.rows][0], expected, atol=1e-6)
    np.testing.assert_array_equal(found.axis.points, used.two_theta)
    assert (found.labels.tolist(), found.space_groups.tolist()) == ([3], [225])


def test_crystals_of_no_class_are_an_error_that_names_their_groups(data_dir, tmp_path):
    primitive = load_classifier(write_classifier(tmp_path / "model", {"oP": 1.0, "cP": 0.0}))
    with pytest.raises(InputError, match=r"none of the 1 crystals is of a class .* are 225; "):
        tried(primitive, str(HALITE), data_dir)


def measurements(*species: str) -> AugmentedPatterns:
    """Of crystals with a second element in place of chlorine."""
    halite = Crystal.from_cif(HALITE)
    crystals = [
        Crystal(
            halite.cell,
            halite.setting,
            ("Na", other),
            halite.occupancies,
            halite.positions,
            halite.displacements,
        )
        for other in species
    ]
    return AugmentedPatterns(
        CrystalTable.of(crystals), np.array([0]), GRIDS["log_d"], EVALUATED, "periodictable"
    )


def test_a_crystal_that_cannot_be_measured_is_counted(measured):
    rows, logits, reasons = trial.ask(measured, measurements("Cl", "Po", "Br"))
    assert rows.tolist() == [0, 2]
    assert logits.shape == (2, len(LATTICES))
    assert reasons == {"no scattering length": 1}


def test_no_crystal_that_can_be_measured(measured):
    with pytest.raises(InputError, match="no crystal can be measured: no scattering length"):
        trial.ask(measured, measurements("Po"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": None}, "names no grid"),
        ({"instrument": {"name": "mine"}}, "instrument 'mine' with values that this program"),
        ({"instrument": {"wavelength": 1.0}}, "instrument 'bt1_ge311' with values that this"),
    ],
)
def test_models_for_which_nothing_can_be_simulated(tmp_path, change, words):
    folder = write_classifier(tmp_path / "model", LATTICES, grid="log_d")
    with pytest.raises(InputError, match=words):
        trial.dataset_spec(changed(folder, change), "amcsd", None)
