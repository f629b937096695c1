import jax.numpy as jnp
import numpy as np
import pytest

from data_gen.errors import InputError
from data_gen.symmetry import CRYSTAL_SYSTEMS, class_list
from sgan_jax import scoring

BRAVAIS = class_list("bravais_lattice", "bravais14")
PAPER = class_list("space_group", "paper144")


def linear(params, patterns):
    return jnp.asarray(patterns @ params)


@pytest.mark.parametrize(("n", "batch_size"), [(1, 8), (7, 8), (8, 8), (9, 8), (30, 4), (5, 1)])
def test_every_pattern_is_predicted_once_and_in_order(n, batch_size):
    rng = np.random.default_rng(n)
    patterns = rng.random((n, 20), np.float32)
    weights = rng.normal(size=(20, 3)).astype(np.float32)
    seen = []

    def predict(params, batch):
        seen.append(batch.shape)
        return linear(params, batch)

    logits = scoring.predict_logits(predict, weights, patterns, np.arange(n), batch_size)
    np.testing.assert_allclose(logits, patterns @ weights, rtol=1e-4, atol=1e-5)
    assert seen == [(batch_size, 20)] * -(-n // batch_size)


def test_no_patterns_give_no_logits():
    weights = np.ones((20, 3), np.float32)
    patterns, none = np.ones((3, 20), np.float32), np.arange(0)
    assert scoring.predict_logits(linear, weights, patterns, none, 4).shape == (0, 3)


def test_patterns_are_predicted_in_the_order_wanted():
    patterns = np.arange(10, dtype=np.float32)[:, None]
    rows = np.array([7, 2, 2, 9])
    logits = scoring.predict_logits(linear, np.eye(1, dtype=np.float32), patterns, rows, 3)
    assert logits[:, 0].tolist() == rows.tolist()


def test_logits_that_are_not_finite_are_refused():
    weights = np.full((20, 3), np.nan, np.float32)
    with pytest.raises(InputError, match="not finite"):
        scoring.predict_logits(linear, weights, np.ones((3, 20), np.float32), np.arange(3), 4)


def test_lattices_fall_into_lattice_systems():
    systems = dict(zip(BRAVAIS.names, scoring.system_of_class(BRAVAIS), strict=True))
    assert systems["hP"] == "hexagonal"
    assert systems["hR"] == "rhombohedral"
    assert systems["aP"] == "triclinic"
    assert len(set(systems.values())) == 7


def test_space_groups_fall_into_crystal_systems_and_extinction_groups():
    systems = dict(zip(PAPER.names, scoring.system_of_class(PAPER), strict=True))
    assert systems["160"] == "trigonal"
    assert systems["194"] == "hexagonal"
    assert set(systems.values()) == set(CRYSTAL_SYSTEMS)
    groups = scoring.extinction_group_of_class(PAPER)
    assert groups is not None
    assert len(set(groups)) == 76
    assert scoring.extinction_group_of_class(BRAVAIS) is None


def test_a_perfect_network_scores_one_everywhere():
    labels = np.arange(144)
    logits = 50 * np.eye(144, dtype=np.float32)
    counts = np.arange(144)
    test = scoring.score(logits, labels, PAPER, counts)
    for key in ("top1", "top5", "crystal_system_top1", "extinction_group_top1"):
        assert test[key] == 1.0
    assert test["top1_ci95"] == pytest.approx([0.9740, 1.0], abs=1e-4)
    assert test["nll"] == pytest.approx(0, abs=1e-6)
    assert test["ece"] == pytest.approx(0, abs=1e-6)
    assert test["prior_top1"] == pytest.approx(1 / 144)
    assert test["prior_top5"] == pytest.approx(5 / 144)


def test_confusion_within_an_extinction_group_is_forgiven_there_alone():
    # 47 (Pmmm) and 16 (P222) have no systematic absences; 225 (Fm-3m) has others.
    every = class_list("space_group", "all230")
    labels = np.array([46, 46, 46])
    logits = np.zeros((3, 230), np.float32)
    logits[0, 46] = logits[1, 15] = logits[2, 224] = 20
    test = scoring.score(logits, labels, every, np.ones(230, int))
    assert test["top1"] == pytest.approx(1 / 3)
    assert test["extinction_group_top1"] == pytest.approx(2 / 3)
    assert test["crystal_system_top1"] == pytest.approx(2 / 3)


def test_bravais_lattices_have_no_extinction_group():
    labels = np.array([9, 10, 13])  # hP, hR, cI
    logits = np.zeros((3, 14), np.float32)
    logits[:, 9] = 5
    counts = np.zeros(14, int)
    counts[[9, 13]] = 4, 2
    test = scoring.score(logits, labels, BRAVAIS, counts)
    assert test["extinction_group_top1"] is None
    assert test["prior_extinction_group_top1"] is None
    assert test["crystal_system_top1"] == pytest.approx(1 / 3)  # hR is a system of its own
    assert test["prior_crystal_system_top1"] == pytest.approx(1 / 3)
    assert test["prior_top5"] == pytest.approx(2 / 3)


def test_an_empty_test_set_is_refused():
    with pytest.raises(InputError, match="no test pattern"):
        scoring.score(np.zeros((0, 14)), np.zeros(0, int), BRAVAIS, np.ones(14, int))
