import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from sgan_jax.progress import Clock, Meter, Throughput, all_finite

BATCH = {"labelled": {"pattern": np.zeros((2, 3), np.float32)}}


def measure(meter, losses, first_step=1):
    batches = itertools.repeat(BATCH)
    for step, loss in enumerate(losses, first_step):
        assert meter.next_batch(batches) is BATCH
        meter.add(step, {"loss/supervised": jnp.float32(loss), "accuracy": jnp.float32(1)})
    return meter.read()


def test_means_are_over_the_interval():
    meter = Meter(patterns_per_step=8)
    means, bad_step, interval = measure(meter, [1, 2, 6])
    assert means == {"loss/supervised": 3, "accuracy": 1}
    assert bad_step is None
    assert interval.patterns == 24
    assert 0 <= interval.waiting_seconds <= interval.seconds
    means, _, interval = measure(meter, [5], first_step=4)
    assert means["loss/supervised"] == 5
    assert interval.patterns == 8


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_first_step_that_is_not_finite_is_named(bad):
    meter = Meter(patterns_per_step=8)
    assert measure(meter, [1, 2, bad, 3, bad], first_step=101)[1] == 103
    assert measure(meter, [1, 2], first_step=106)[1] is None


def test_throughput_adds_up():
    total = Throughput()
    assert total.report() == {"train_patterns_per_s": None, "input_wait_fraction": None}
    total.add(Throughput(patterns=100, seconds=2.0, waiting_seconds=0.5))
    total.add(Throughput(patterns=100, seconds=3.0))
    assert total.report() == {"train_patterns_per_s": 40.0, "input_wait_fraction": 0.1}
    assert set(total.scalars().values()) == set(total.report().values())


def test_finite_trees():
    tree = {"a": jnp.ones(3), "b": [jnp.int32(4)]}
    assert all_finite(tree)
    assert not all_finite(tree | {"c": jnp.array([1.0, jnp.nan])})


def test_line_names_what_matters():
    clock = Clock(num_steps=100)
    clock.start(1)
    means = {"loss/supervised": 1.25, "accuracy/labelled_batch": 0.5, "norm/x": 3.0}
    line = clock.line(50, means, Throughput(patterns=640, seconds=2.0, waiting_seconds=0.01))
    assert line.startswith("step 50/100 | loss 1.250 | accuracy 0.500 | 320 patterns/s | waiting")
    assert "0.5%" in line
    assert line.endswith("left")
