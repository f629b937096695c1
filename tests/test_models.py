"""The networks against the paper's figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgan_jax.models.generator import NOISE_LENGTH, Generator, output_length
from sgan_jax.models.resnet import ResNet

GRID = 3041


def parameter_count(params):
    return sum(x.size for x in jax.tree.leaves(params))


def sequence_lengths(**options):
    """Lengths after the stem, and after each stage."""
    module = ResNet(num_classes=14, dropout=0.0, **options)
    params = module.init(jax.random.key(0), jnp.zeros((1, GRID)))
    _, seen = module.apply(params, jnp.zeros((1, GRID)), capture_intermediates=True)
    layers = seen["intermediates"]
    lengths = [layers["stem"]["__call__"][0].shape[1]]
    return lengths + [layers[f"stage{i}_block2"]["__call__"][0].shape[1] for i in (1, 2, 3, 4)]


def test_discriminator_has_the_papers_parameters():
    params = ResNet(num_classes=144, dropout=0.1).init(jax.random.key(0), jnp.zeros((1, GRID)))
    assert parameter_count(params) == 649_456


def test_sequence_lengths_with_and_without_stem_pool():
    assert sequence_lengths(stem_pool=True) == [3029, 109, 28, 6, 2]
    assert sequence_lengths(stem_pool=False) == [3029, 758, 190, 38, 13]


def test_generator_has_the_papers_parameters_and_length():
    variables = Generator().init(jax.random.key(0), jnp.zeros((1, NOISE_LENGTH)))
    assert parameter_count(variables["params"]) == 92_416
    assert output_length() == GRID
    patterns = Generator().apply(variables, jnp.ones((3, NOISE_LENGTH)))
    assert patterns.shape == (3, GRID)
    assert float(patterns.min()) > 0
    assert float(patterns.max()) < 1


def test_log_odds_are_those_of_the_class_logits():
    module = ResNet(num_classes=14, dropout=0.0)
    patterns = jax.random.uniform(jax.random.key(1), (4, GRID))
    params = module.init(jax.random.key(0), patterns)
    logits, real_logit = module.apply(params, patterns)
    z = np.exp(np.asarray(logits, np.float64)).sum(axis=1)
    np.testing.assert_allclose(jax.nn.sigmoid(real_logit), z / (z + 1), rtol=1e-5)


@pytest.mark.parametrize(("balanced", "expected"), [(True, 0.5), (False, 144 / 145)])
def test_where_the_discriminator_starts(balanced, expected):
    module = ResNet(num_classes=144, dropout=0.0, balanced_start=balanced)
    patterns = jax.random.uniform(jax.random.key(1), (4, GRID))
    params = module.init(jax.random.key(0), patterns)
    d = jax.nn.sigmoid(module.apply(params, patterns).real_logit)
    np.testing.assert_allclose(d, expected, atol=0.25)


def test_separate_head_is_a_function_of_its_own():
    module = ResNet(num_classes=14, dropout=0.0, real_fake_head=True)
    patterns = jax.random.uniform(jax.random.key(1), (4, GRID))
    params = module.init(jax.random.key(0), patterns)
    logits, real_logit = module.apply(params, patterns)
    assert real_logit.shape == (4,)
    assert float(jnp.abs(real_logit - jax.nn.logsumexp(logits, axis=1)).min()) > 1e-3


def test_dropout_acts_in_training_only():
    module = ResNet(num_classes=14, dropout=0.5)
    patterns = jax.random.uniform(jax.random.key(1), (2, GRID))
    params = module.init(jax.random.key(0), patterns)
    still = module.apply(params, patterns).logits
    np.testing.assert_array_equal(still, module.apply(params, patterns).logits)
    dropped = module.apply(params, patterns, train=True, rngs={"dropout": jax.random.key(2)})
    assert float(jnp.abs(dropped.logits - still).max()) > 1e-3


@pytest.mark.parametrize("shift", [0, 7 * 4])
def test_output_does_not_see_dead_channels_as_nan(shift):
    """A pattern of zeros, as an empty range gives, has finite logits and gradients."""
    module = ResNet(num_classes=14, dropout=0.0)
    patterns = jnp.zeros((1, GRID)).at[:, shift].set(1.0)
    params = module.init(jax.random.key(0), patterns)
    gradient = jax.grad(lambda x: module.apply(params, x).logits.sum())(jnp.zeros((1, GRID)))
    assert bool(jnp.isfinite(gradient).all())
