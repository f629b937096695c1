"""Convolutions in every form against their definitions."""

import jax
import jax.numpy as jnp
import pytest

from sgan_jax.models import convolutions
from tests.gradients import assert_same, random_arrays, value_and_gradients

# Batch, length, inputs, kernel, outputs, stride, padding.
CASES = {
    "the pattern itself": (2, 3041, 1, 13, 32, 1, 0),
    "first stage, not pooled": (3, 3029, 32, 5, 32, 4, 2),
    "first stage, pooled": (20, 433, 32, 5, 32, 4, 2),
    "second stage": (2, 109, 32, 7, 64, 4, 3),
    "a shortcut": (2, 757, 32, 1, 64, 4, 0),
    "a shortcut, same length": (2, 100, 64, 1, 64, 1, 0),
    "many more taps than points": (3, 6, 64, 17, 64, 1, 8),
    "hardly more points than taps": (3, 28, 8, 17, 32, 5, 8),
    "two points": (2, 2, 64, 13, 64, 1, 6),
    "kernel too large to be compiled": (2, 200, 64, 17, 64, 5, 8),
    "odd numbers of channels": (2, 150, 3, 5, 7, 2, 1),
    "widely padded": (2, 120, 32, 9, 64, 1, 8),
    "no block of eight points": (2, 40, 32, 16, 32, 3, 15),
}


@pytest.mark.parametrize("name", CASES)
def test_convolution_equals_xlas(name):
    batch, length, inputs, kernel, outputs, stride, padding = CASES[name]
    x, weight = random_arrays(0, (batch, length, inputs), (kernel, inputs, outputs))
    weight = weight / (kernel * inputs) ** 0.5
    ours = lambda x, w: convolutions.convolve(x, w, stride, padding)  # noqa: E731
    plain = lambda x, w: convolutions.convolve_plainly(x, w, stride, padding)  # noqa: E731
    assert_same(value_and_gradients(ours, x, weight), value_and_gradients(plain, x, weight))


def test_every_form_is_met_by_some_case():
    forms = set()
    for batch, length, inputs, kernel, outputs, stride, padding in CASES.values():
        x, weight = jnp.zeros((batch, length, inputs)), jnp.zeros((kernel, inputs, outputs))
        text = str(jax.make_jaxpr(convolutions.convolve, (2, 3))(x, weight, stride, padding))
        forms |= {name for name in ("custom_vjp", "conv_general", "dot_general") if name in text}
    assert forms == {"custom_vjp", "conv_general", "dot_general"}


def definition(x, weight, stride):
    """Every input point adds its multiple of the kernel to the output."""
    batch, length, _ = x.shape
    kernel, _, channels = weight.shape
    y = jnp.zeros((batch, (length - 1) * stride + kernel, channels))
    for point in range(length):
        start = point * stride
        y = y.at[:, start : start + kernel].add(jnp.einsum("bc,kco->bko", x[:, point], weight))
    return y


@pytest.mark.parametrize(
    ("inputs", "kernel", "stride", "channels"),
    [(1, 17, 2, 32), (32, 18, 3, 32), (32, 11, 4, 32), (32, 9, 1, 32), (3, 3, 5, 7), (32, 7, 1, 1)],
)
def test_transposed_convolution_equals_its_definition(inputs, kernel, stride, channels):
    x, weight = random_arrays(1, (3, 41, inputs), (kernel, inputs, channels))
    weight = weight / (kernel * inputs) ** 0.5
    ours = lambda x, w: convolutions.convolve_transposed(x, w, stride)  # noqa: E731
    wanted = lambda x, w: definition(x, w, stride)  # noqa: E731
    assert_same(value_and_gradients(ours, x, weight), value_and_gradients(wanted, x, weight))
