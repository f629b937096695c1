"""The card of an exported classifier."""

import copy
import json

import pytest

from sgan_jax.model_card import card
from sgan_jax.trained import load, packaged
from tests.fixed_classifier import FIRST


@pytest.fixture(scope="module")
def description():
    (classifier,) = load(["space_group"])
    return classifier.description


def test_it_tells_where_a_classifier_of_measured_patterns_may_be_used(description):
    text = card("name", description)
    assert text.startswith("# name\n\nA 1D ResNet-18 that tells 230 space groups apart in measured")
    assert "Neutrons of one wavelength, 1.15 to 2.6 Å" in text
    assert "with all effects" in text
    assert "Left out: PbSO4, LaMnO3," in text
    top5 = description["training"]["test"]["top5"]
    assert f"| top-5 | {100 * top5:.1f} % |" in text


def test_it_names_the_classes_that_cannot_be_expected(description):
    failures = card("name", description).partition("## Known failures")[2]
    few, never = failures.split("No labelled crystal, so never named: ")
    counts = {entry["name"]: entry["n_labelled"] for entry in description["classes"]}
    assert never.strip(" .\n").split(", ") == [name for name, n in counts.items() if n == 0]
    named = few.partition("seldom named: ")[2].strip(" .\n").split(", ")
    assert named == [name for name, n in counts.items() if 0 < n < 50]


def test_it_says_what_was_not_done(description):
    other = copy.deepcopy(description)
    other["calibration"] = {"temperature": None, "reason": "no validation set"}
    other["training"]["test"] = None
    other["training"]["config"]["augmentation"]["impurity"] = False
    other["licence"]["data"] = None
    text = card("name", other)
    assert "Not calibrated: no validation set." in text
    assert "Not tested" in text
    assert "without the effects impurity." in text
    assert "of the data: not told." in text


def test_an_ideal_classifier_is_not_for_measured_patterns(description):
    other = copy.deepcopy(description)
    other["training"]["config"]["augmentation"]["enabled"] = False
    other["training"]["config"]["data"]["relatives"] = True
    text = card("name", other)
    assert "replaced by an imagined relative" in text
    assert "ideal powder patterns of the instrument `bt1_ge311`" in text
    assert "Neutrons of 2.0785 Å; 2θ from 3.0° to 155.0° by 0.05°." in text
    assert "Measured patterns: noise, background and other peak shapes were never seen." in text


def test_it_says_what_the_training_started_from(description):
    other = copy.deepcopy(description)
    assert "started from the weights" not in card("name", other)
    other["training"]["pretrained"] = FIRST
    other["training"] |= {"sources": ["last.zip"], "further_sources": {"labelled": ["more.zip"]}}
    text = card("name", other)
    told = "the weights of `first` (`0123456789ab`), which had learnt from 1,000 labelled crystals"
    assert f"{told} of theirs.zip in 2,000 steps." in text
    assert "among them, of last.zip, more.zip; data set" in text
    assert "labelled crystals in the last training, so seldom named" in text
    assert "No labelled crystal in the last training, so hardly named" in text


def test_it_says_what_unlabelled_patterns_were_for(description):
    other = copy.deepcopy(description)
    training = other["training"]
    training["config"]["loss"]["contrast"] = 0.5
    supervised = card("name", other)
    assert "to tell which belong together" not in supervised
    training["method"] = "sgan"
    training["dataset"] |= {"n_unlabelled": 1234, "n_unlabelled_measured": 1012}
    text = card("name", other)
    assert "labelled and 1,234 unlabelled crystals" in text
    assert "two imagined relatives were drawn, and the network learnt to tell which" in text
    assert "Unlabelled as well: 1,012 measured patterns." in text
    assert "Unlabelled as well" not in supervised


def test_it_names_the_most_frequent_wrong_answers(description):
    other = copy.deepcopy(description)
    training = other["training"]
    training.pop("confusions", None)
    unknown = card("name", other)
    assert "wrong answers" not in unknown
    training["confusions"] = [
        {"class": "2", "answer": "14", "n": 130, "n_test": 246},
        {"class": "11", "answer": "14", "n": 70, "n_test": 1111},
    ]
    assert card("name", other) == unknown[:-1] + (
        " Most frequent wrong answers, by number of test crystals: 2 (P-1) is taken for 14 (P21/c) "
        "(53 % of 246), 11 (P21/m) is taken for 14 (P21/c) (6 % of 1,111).\n"
    )
    training["confusions"] = None
    assert card("name", other) == unknown


def test_lattices_stand_by_their_letters(description):
    other = copy.deepcopy(description) | {"task": "bravais_lattice"}
    confusion = {"class": "aP", "answer": "mP", "n": 6, "n_test": 10}
    other["training"]["confusions"] = [confusion]
    assert "test crystals: aP is taken for mP (60 % of 10)." in card("name", other)


@pytest.mark.parametrize("name", packaged())
def test_the_cards_in_the_package_are_those_that_export_writes(name):
    folder = packaged()[name]
    description = json.loads((folder / "model.json").read_text())
    assert (folder / "CARD.md").read_text() == card(name, description)
