"""Classifiers asked about crystals; their patterns are those that training would make."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_gen.builder import build
from data_gen.crystal import Crystal
from data_gen.errors import InputError
from data_gen.instrument import instrument
from data_gen.packing import CrystalTable
from data_gen.simulate import simulate
from sgan_jax import trial
from sgan_jax.augmentation.effects import EVALUATED
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.classifier import Classifier, load_classifier
from sgan_jax.dataset_index import open_dataset
from sgan_jax.grids import GRIDS, NOT_MEASURED
from sgan_jax.splits import split
from tests.fixed_classifier import GROUPS, LATTICES, write_classifier

HALITE = Path(__file__).parent / "data" / "halite.cif"
LIMIT = 40
TEMPERATURE = 2.0
SEED = 44
"""With it crystals of known and unknown lattices are held out, however they are split."""


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


def told_its_split(folder: Path, split_by: str) -> Classifier:
    """A classifier that says how its data were split."""
    write_classifier(folder, LATTICES, grid="log_d")
    data = {"scattering_lengths": "periodictable", "check_symmetry": False, "split_by": split_by}
    return changed(folder, {"training": {"config": {"seed": SEED, "data": data}}})


@pytest.mark.parametrize("split_by", ["random", "formula"])
def test_what_is_not_held_out_is_passed_over_before_it_is_measured(data_dir, tmp_path, split_by):
    classifier = told_its_split(tmp_path / "model", split_by)
    spec = trial.dataset_spec(classifier, "amcsd", LIMIT)
    found = trial.try_classifier(classifier, spec, data_dir, held_out=True)
    index = open_dataset(build(spec, data_dir)).index
    parts = split(index.ids, index.formulas, seed=SEED, label_fraction=0.9, split_by=split_by)
    test = index.select(np.isin(np.arange(len(index.ids)), parts.test))
    known = np.isin(test.space_groups, [n for c in classifier.classes for n in c.space_groups])
    assert found.formulas.tolist() == test.formulas[known].tolist()
    assert len(found.rows) == found.patterns.shape[0] > 0
    assert sum(found.left_out.values()) == (~known).sum()
    assert found.n_passed_over == len(index.ids) - len(parts.test)


def test_none_held_out_is_an_error_that_names_the_split(data_dir, tmp_path):
    classifier = told_its_split(tmp_path / "model", "formula")
    spec = trial.dataset_spec(classifier, str(HALITE), None)
    with pytest.raises(InputError, match=r"none of the 1 crystals is in the .*=formula, seed 44\)"):
        trial.try_classifier(classifier, spec, data_dir, held_out=True)


def test_what_was_held_out_at_random_is_unknown_of_other_sources(data_dir, tmp_path):
    classifier = told_its_split(tmp_path / "model", "random")
    spec = trial.dataset_spec(classifier, f"amcsd,{HALITE}", None)
    told = rf"of its own sources alone \(amcsd\), and {HALITE.name} is none of them"
    with pytest.raises(InputError, match=told):
        trial.try_classifier(classifier, spec, tmp_path / "data", held_out=True)
    assert not (tmp_path / "data").exists()
    own = trial.dataset_spec(classifier, "amcsd, ", LIMIT)
    assert len(trial.try_classifier(classifier, own, data_dir, held_out=True).rows) > 0


def test_a_model_that_does_not_say_how_it_was_split(measured, tmp_path):
    spec = trial.dataset_spec(measured, str(HALITE), None)
    with pytest.raises(InputError, match=r"how its data were split \('seed' is missing\)"):
        trial.try_classifier(measured, spec, tmp_path, held_out=True)
    assert not any(tmp_path.iterdir())


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
