"""What averaged weights teach from unlabelled patterns."""

import jax
import jax.numpy as jnp
import numpy as np

from configs import base
from sgan_jax.consistency import make_teacher
from sgan_jax.models.resnet import apply_discriminator
from sgan_jax.state import create_state, make_discriminator

GRID, CLASSES = 3041, 14


def some_patterns(count):
    return jnp.array(np.random.default_rng(0).random((count, GRID), dtype=np.float32))


def test_the_teacher_is_the_average_and_gains_weight_as_it_learns():
    config = base.get_config("sgan")
    config.loss.consistency = 2.0
    discriminator = make_discriminator(config, CLASSES)
    teach = make_teacher(config, discriminator)
    patterns = some_patterns(2)
    state = create_state(config, CLASSES, GRID)
    average = jax.tree.map(lambda x: 1.1 * x, state.params)
    root, places = jax.random.key(0), jnp.arange(2)

    late = state.replace(step=jnp.int32(config.num_steps), ema_params=average)
    lesson = teach(late, patterns, places, root)
    assert lesson.weight == 2.0
    logits = apply_discriminator(discriminator, average, patterns).logits
    by_hand = np.exp(1.5 * np.asarray(logits))
    expected = by_hand / by_hand.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(lesson.targets, expected, rtol=1e-3)

    first = teach(state, patterns, places, root)
    assert first.weight == 0
    assert np.isfinite(first.targets).all()
    quarter = teach(late.replace(step=jnp.int32(config.num_steps // 4)), patterns, places, root)
    assert quarter.weight == 1.0


def test_what_an_example_is_shown_depends_on_its_place_and_the_step_alone():
    config = base.get_config("sgan")
    config.loss.consistency = 1.0
    teach = make_teacher(config, make_discriminator(config, CLASSES))
    patterns = jnp.repeat(some_patterns(1), 4, axis=0)
    state, root = create_state(config, CLASSES, GRID), jax.random.key(0)
    whole = teach(state, patterns, jnp.arange(4), root).patterns
    half = teach(state, patterns[2:], jnp.arange(2, 4), root).patterns
    np.testing.assert_array_equal(whole[2:], half)
    assert len(np.unique(np.asarray(whole), axis=0)) == 4
    later = teach(state.replace(step=jnp.int32(1)), patterns, jnp.arange(4), root).patterns
    assert not np.array_equal(whole, later)
