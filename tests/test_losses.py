"""Losses in log-space: values, and gradients where D saturates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sgan_jax.losses import real_fake_loss, soften, supervised_loss


@pytest.mark.parametrize("real_logit", [-4.0, -0.3, 0.0, 2.0, 6.0])
def test_real_fake_loss_is_the_cross_entropy_of_d(real_logit):
    d = 1 / (1 + np.exp(-real_logit))
    r = jnp.array([real_logit])
    np.testing.assert_allclose(real_fake_loss(r, 1.0), [-np.log(d)], rtol=1e-5)
    np.testing.assert_allclose(real_fake_loss(r, 0.0), [-np.log(1 - d)], rtol=1e-5)
    softened = -0.8 * np.log(d) - 0.2 * np.log(1 - d)
    np.testing.assert_allclose(real_fake_loss(r, jnp.array([0.8])), [softened], rtol=1e-5)


@pytest.mark.parametrize("real_logit", [16.0, 40.0, 80.0])
def test_gradient_does_not_vanish_where_d_is_sure_of_a_real_pattern(real_logit):
    """−log D at log Z = 16 and beyond: lse − softplus(lse) would have gradient zero here."""
    gradient = jax.grad(lambda r: real_fake_loss(r, 1.0))(real_logit)
    assert float(gradient) == pytest.approx(-np.exp(-real_logit), rel=1e-4)


@pytest.mark.parametrize("real_logit", [-1e4, 1e4])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_nothing_overflows(real_logit, target):
    value, gradient = jax.value_and_grad(lambda r: real_fake_loss(r, target))(real_logit)
    assert np.isfinite(value)
    assert np.isfinite(gradient)


def test_softened_targets_move_towards_the_middle():
    amounts = jnp.array([0.0, 0.2])
    np.testing.assert_allclose(soften(1.0, amounts), [1.0, 0.8])
    np.testing.assert_allclose(soften(0.0, amounts), [0.0, 0.2])


def test_supervised_loss_is_the_cross_entropy_per_example():
    logits = jnp.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    p = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    expected = [-np.log(p[0]), np.log(3)]
    np.testing.assert_allclose(supervised_loss(logits, jnp.array([0, 1])), expected, rtol=1e-5)
