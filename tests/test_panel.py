"""The networks that are asked together."""

import numpy as np

from sgan_jax import panel
from sgan_jax.classifier import load_classifier
from sgan_jax.grids import NOT_MEASURED
from tests.test_classifier import DESCRIPTION, FOR_MEASURED, with_random_weights


def test_each_network_is_shown_what_it_was_trained_on(tmp_path):
    """One of simulated patterns: intensities, and zero where nothing was measured."""
    inputs = np.random.default_rng(0).random((3, 3041)).astype(np.float32)
    inputs[:, :500] = NOT_MEASURED
    measured = load_classifier(with_random_weights(tmp_path / "measured", FOR_MEASURED))
    np.testing.assert_allclose(panel._logits(measured, inputs), measured.logits(inputs), atol=1e-5)
    simulated = load_classifier(with_random_weights(tmp_path / "simulated", DESCRIPTION))
    plain = np.where(inputs >= 0, inputs**2, 0)
    np.testing.assert_allclose(panel._logits(simulated, inputs), simulated.logits(plain), atol=1e-5)
