"""The networks that are asked together."""

import numpy as np
import pytest

from sgan_jax import panel
from sgan_jax.agreement import POWER
from sgan_jax.classifier import load_classifier
from sgan_jax.grids import GRIDS, NOT_MEASURED
from sgan_jax.presentation import Presented
from tests.fixed_classifier import write_classifier
from tests.test_classifier import DESCRIPTION, FOR_MEASURED, with_random_weights


def test_both_networks_are_heard(tmp_path):
    """Each prefers another lattice, the one of the space groups more so."""
    shown = Presented("file", 1.54, "neutron", {"inverse_d": np.zeros(3041, np.float32)})
    lattices = write_classifier(tmp_path / "lattices", {"oP": 1.0, "mP": 0.0})
    groups = write_classifier(tmp_path / "groups", {"62": 0.0, "14": 2.0, "4": 1.0})
    (answer,) = panel.Panel([load_classifier(lattices), load_classifier(groups)]).answers([shown])
    assert [each.symbol for each in answer.bravais_lattice] == ["mP", "oP"]
    assert [each.number for each in answer.space_group] == [14, 62, 4]
    first = answer.bravais_lattice[0].probability
    assert answer.space_group[1].probability == pytest.approx(1 - first, abs=1e-5)
    odds = ((np.e**2 + np.e) / np.e) ** POWER
    assert first == pytest.approx(odds / (1 + odds), abs=1e-5)


def test_each_network_is_shown_what_it_was_trained_on(tmp_path):
    """One of simulated patterns: intensities, and zero where nothing was measured."""
    inputs = np.random.default_rng(0).random((3, 3041)).astype(np.float32)
    inputs[:, :500] = NOT_MEASURED
    shown = [Presented("file", inputs=dict.fromkeys(GRIDS, row)) for row in inputs]
    measured = load_classifier(with_random_weights(tmp_path / "measured", FOR_MEASURED))
    np.testing.assert_allclose(panel._logits(measured, shown), measured.logits(inputs), atol=1e-5)
    simulated = load_classifier(with_random_weights(tmp_path / "simulated", DESCRIPTION))
    plain = np.where(inputs >= 0, inputs**2, 0)
    np.testing.assert_allclose(panel._logits(simulated, shown), simulated.logits(plain), atol=1e-5)
