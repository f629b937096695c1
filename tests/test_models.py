"""The networks against the paper's figures."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgan_jax.models.generator import LAYERS, NOISE_LENGTH, Generator, output_length
from sgan_jax.models.resnet import ResNet

GRID = 3041
PATTERNS = np.random.default_rng(0).random((4, GRID), np.float32)
# Counts and lengths need no arithmetic: shapes are followed through the network alone.
SHAPE = jax.ShapeDtypeStruct((1, GRID), jnp.float32)


def parameter_count(params):
    return sum(x.size for x in jax.tree.leaves(params))


# With dropout, but applied without the random stream that it would need.
MODULE = ResNet(num_classes=14, dropout=0.5)
apply = jax.jit(MODULE.apply)


@pytest.fixture(scope="module")
def params():
    return initial(MODULE)


def initial(module):
    return jax.jit(module.init)(jax.random.key(0), PATTERNS[:1])


def sequence_lengths(**options):
    """Lengths after each stage."""
    module = ResNet(num_classes=14, dropout=0.0, **options)
    trace = functools.partial(module.init_with_output, capture_intermediates=True)
    _, seen = jax.eval_shape(trace, jax.random.key(0), SHAPE)
    layers = seen["intermediates"]
    return [layers[f"stage{i}_block2"]["__call__"][0].shape[1] for i in (1, 2, 3, 4)]


def test_discriminator_has_the_papers_parameters():
    module = ResNet(num_classes=144, dropout=0.1)
    assert parameter_count(jax.eval_shape(module.init, jax.random.key(0), SHAPE)) == 649_456


def test_sequence_lengths_with_and_without_stem_pool():
    assert sequence_lengths(stem_pool=True) == [109, 28, 6, 2]
    assert sequence_lengths(stem_pool=False) == [758, 190, 38, 13]


def test_generator_has_the_papers_parameters_and_length():
    noise = jnp.ones((3, NOISE_LENGTH))
    patterns, variables = jax.jit(Generator().init_with_output)(jax.random.key(0), noise)
    assert parameter_count(variables["params"]) == 92_416
    assert output_length("paper") == GRID
    assert patterns.shape == (3, GRID)
    assert float(patterns.min()) > 0
    assert float(patterns.max()) < 1


@pytest.mark.parametrize("name", LAYERS)
def test_every_generator_makes_patterns_on_the_grid(name):
    module = Generator(name)
    noise = jax.ShapeDtypeStruct((2, NOISE_LENGTH), jnp.float32)
    patterns, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), noise)
    assert patterns.shape == (2, GRID)
    assert output_length(name) == GRID


def test_log_odds_are_those_of_the_class_logits(params):
    outputs = apply(params, PATTERNS)
    z = np.exp(np.asarray(outputs.logits, np.float64)).sum(axis=1)
    np.testing.assert_allclose(jax.nn.sigmoid(outputs.real_logit), z / (z + 1), rtol=1e-5)


@pytest.mark.parametrize(("balanced", "expected"), [(True, 1 / 2), (False, 14 / 15)])
def test_where_the_discriminator_starts(balanced, expected):
    start = initial(MODULE.clone(balanced_start=balanced))
    d = jax.nn.sigmoid(apply(start, PATTERNS).real_logit)
    np.testing.assert_allclose(d, expected, atol=0.2)


def test_separate_head_is_a_function_of_its_own():
    module = MODULE.clone(real_fake_head=True)
    outputs = jax.jit(module.apply)(initial(module), PATTERNS)
    assert outputs.real_logit.shape == (4,)
    log_odds = jax.nn.logsumexp(outputs.logits, axis=1)
    assert float(jnp.abs(outputs.real_logit - log_odds).min()) > 1e-3


def test_dropout_acts_in_training(params):
    train = jax.jit(functools.partial(MODULE.apply, train=True))
    still = apply(params, PATTERNS).logits
    dropped = [
        train(params, PATTERNS, rngs={"dropout": jax.random.key(seed)}).logits for seed in (2, 3)
    ]
    assert float(jnp.abs(dropped[0] - still).max()) > 1e-3
    assert float(jnp.abs(dropped[0] - dropped[1]).max()) > 1e-3


def test_a_pattern_of_zeros_has_finite_logits_and_gradients(params):
    """An empty range gives such patterns; every layer normalises zeros then."""
    total = lambda x: MODULE.apply(params, x).logits.sum()  # noqa: E731
    value, gradient = jax.jit(jax.value_and_grad(total))(jnp.zeros((1, GRID)))
    assert bool(jnp.isfinite(value))
    assert bool(jnp.isfinite(gradient).all())
