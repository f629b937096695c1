"""What is looked at while a network trains."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from sgan_jax.grids import NOT_MEASURED, POINTS
from sgan_jax.models.generator import NOISE_LENGTH
from sgan_jax.monitor import sample
from sgan_jax.state import GeneratorState, SganState, make_generator
from tests.test_input_pipeline import make_dataset


@pytest.fixture(scope="module")
def state():
    """That of a generator that has learnt nothing, without what else an SGAN has."""
    module = make_generator(base.get_config())
    variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, NOISE_LENGTH)))
    generator = GeneratorState(variables["params"], variables["batch_stats"], (), ())
    return SganState(np.int32(1), {}, {}, (), generator)


def sampled(state, *, partly):
    """What is made for a data set whose patterns lack more and more of their beginning, or not."""
    dataset = make_dataset()
    patterns = np.random.default_rng(0).random((len(dataset.labels), POINTS), dtype=np.float32)
    if partly:
        for row, pattern in enumerate(patterns):
            pattern[: 2 * row] = NOT_MEASURED
    return sample(base.get_config(), replace(dataset, patterns=patterns), state)


def test_generated_patterns_are_looked_at_where_the_real_ones_were_measured(state):
    whole, found = sampled(state, partly=False), sampled(state, partly=True)
    assert whole.generated.min() >= 0
    missing = found.real < 0
    assert 0 < missing.sum() < missing.size / 2
    np.testing.assert_array_equal(found.generated[missing], NOT_MEASURED)
    np.testing.assert_array_equal(found.generated[~missing], whole.generated[~missing])
    assert found.diversity()["generated"] > whole.diversity()["generated"] + 0.01
