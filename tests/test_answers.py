import json

import numpy as np
import pytest

from data_gen.symmetry import BRAVAIS_LATTICES, extinction_groups
from sgan_jax.answer_page import lattice_words, page
from sgan_jax.answers import (
    Answer,
    LatticeCandidate,
    disagreement,
    honest_line,
    how_sure,
    lattice_candidates,
    percent,
    rarity,
    sentence,
    space_group_candidates,
)
from sgan_jax.classifier import OutputClass

GROUPS = [OutputClass(str(n), (n,), 100) for n in (14, 33, 62, 225)]
PROBABILITIES = np.array([0.1, 0.25, 0.6, 0.05])
SPACE_GROUPS = space_group_candidates(GROUPS, PROBABILITIES, 3)
LATTICES = (LatticeCandidate("oP", 0.95), LatticeCandidate("mP", 0.05))
ANSWER = Answer(
    "a.xye",
    bravais_lattice=LATTICES,
    space_group=SPACE_GROUPS,
    wavelength=1.54,
    radiation="neutron",
    doubts=("a doubt",),
    notes=("the angles were descending.",),
    extinction_probability=0.85,
)


def test_space_groups_come_with_all_that_is_known_of_them():
    first, second, third = SPACE_GROUPS
    assert (first.number, first.symbol, first.crystal_system) == (62, "Pnma", "orthorhombic")
    assert (first.extinction_group, first.same_extinction) == ("Pna21", (33,))
    assert (second.extinction_group, second.same_extinction) == ("Pna21", (62,))
    assert (third.number, third.symbol, third.extinction_group) == (14, "P21/c", "P21/c")
    assert third.same_extinction == ()
    assert [each.probability for each in SPACE_GROUPS] == [0.6, 0.25, 0.1]


def test_names_of_extinction_groups_are_unique():
    classes = [OutputClass(str(n), (n,), 1) for n in range(1, 231)]
    everything = space_group_candidates(classes, np.full(230, 1 / 230), 230)
    assert len({each.extinction_group for each in everything}) == len(extinction_groups())
    assert [each.number for each in everything] == [*range(1, 231)]  # equal ones stay in order


def test_lattices_are_ranked():
    classes = [OutputClass(name, (1,), 100) for name in ("aP", "oP", "cF")]
    ranked = lattice_candidates(classes, np.float32([0.2, 0.7, 0.1]), 2)
    assert ranked == (LatticeCandidate("oP", 0.7), LatticeCandidate("aP", 0.2))


@pytest.mark.parametrize(
    ("probability", "word"),
    [
        (1.0, "sure"),
        (0.9, "sure"),
        (0.899, "fairly sure"),
        (0.7, "fairly sure"),
        (0.4, "unsure"),
        (0.39, "little better than a guess"),
        (0.0, "little better than a guess"),
    ],
)
def test_words_are_bound_to_probabilities(probability, word):
    assert how_sure(probability) == word


def test_the_honest_line_says_how_sure_and_why_not_surer():
    assert honest_line(ANSWER) == (
        "How sure: Bravais lattice sure (95.0 %), space group unsure (60.0 %; 85.0 % for its "
        "extinction group), if this is one phase. Doubts: a doubt."
    )


def test_the_honest_line_of_one_task_without_doubts():
    answer = Answer("a.xye", bravais_lattice=LATTICES)
    assert honest_line(answer) == (
        "How sure: Bravais lattice sure (95.0 %), if this is one phase. No further doubts."
    )


def test_without_an_answer_nothing_is_named():
    answer = Answer("a.xye", error="no clear peaks", doubts=("taken with the given 2 Å",))
    assert honest_line(answer) == ("No confident answer: no clear peaks; taken with the given 2 Å.")
    assert page(answer).splitlines()[0] == "a.xye"
    assert "probability" not in page(answer)


def test_a_page_has_both_tables_and_the_notes():
    lines = page(ANSWER).splitlines()
    assert lines[0] == "a.xye: neutrons, 1.54 Å"
    assert lines[3].split() == ["1", "95.0", "%", "oP", "orthorhombic,", "primitive"]
    assert lines[7].split() == ["1", "60.0", "%", "62", "Pnma", "orthorhombic", "Pna21", "33"]
    assert lines[9].endswith("P21/c             none")
    assert lines[-1] == "Note: The angles were descending."


def test_json_has_these_fields_and_no_others():
    content = json.loads(json.dumps(ANSWER.as_json()))
    assert list(content) == [
        "file",
        "answered",
        "bravais_lattice",
        "space_group",
        "wavelength",
        "radiation",
        "warnings",
        "error",
    ]
    assert content["bravais_lattice"][0] == {"symbol": "oP", "probability": 0.95}
    assert content["space_group"][0] == {
        "number": 62,
        "symbol": "Pnma",
        "crystal_system": "orthorhombic",
        "extinction_group": "Pna21",
        "same_extinction": [33],
        "probability": 0.6,
    }
    assert content["warnings"] == ["A doubt.", "The angles were descending."]
    assert (content["answered"], content["error"]) == (True, None)


def test_answers_that_contradict_each_other_are_doubted():
    assert disagreement(LATTICES, SPACE_GROUPS) == []
    assert disagreement((), SPACE_GROUPS) == disagreement(LATTICES, ()) == []
    (doubt,) = disagreement((LatticeCandidate("cF", 0.9),), SPACE_GROUPS)
    assert doubt == (
        "the answers contradict each other: lattice cF, but space group 62 (Pnma) has the lattice "
        "oP"
    )


def test_classes_with_few_examples_are_doubted():
    few = [OutputClass("14", (14,), 12), OutputClass("62", (62,), 500)]
    assert rarity(few, np.array([0.9, 0.1])) == [
        "training had few crystals of space group 14: only 12"
    ]
    assert rarity(few, np.array([0.1, 0.9])) == []


def test_every_lattice_has_words():
    words = [lattice_words(symbol) for symbol in BRAVAIS_LATTICES]
    assert len(set(words)) == 14
    assert words[4] == "orthorhombic, centred on one pair of faces"
    assert lattice_words("hR") == "rhombohedral"


def test_small_things():
    assert [percent(p) for p in (0.0, 1e-5, 0.123456, 0.9999, 1.0)] == [
        "0.0 %",
        "< 0.1 %",
        "12.3 %",
        "> 99.9 %",
        "100.0 %",
    ]
    assert sentence("a word") == sentence("A word.") == "A word."
