"""Learning rates by step."""

import math

import pytest

from configs import base
from sgan_jax.optimizers import learning_rate_schedule


def rates(schedule, warmup, steps):
    config = base.get_config()
    config.optimizer.schedule = schedule
    config.optimizer.warmup_steps = warmup
    config.num_steps = steps
    at = learning_rate_schedule(config, 2.0)
    return [float(at(step)) for step in range(steps + 1)]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_rate_rises_to_its_peak_and_no_further(schedule):
    found = rates(schedule, 4, 20)
    assert found[:5] == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert max(found) == pytest.approx(2)


def test_a_cosine_ends_at_nothing_and_a_constant_stays():
    found = rates("cosine", 4, 20)
    assert found[12] == pytest.approx(1 + math.cos(math.pi / 2))
    assert found[-1] == pytest.approx(0, abs=1e-6)
    assert rates("constant", 0, 20) == [2.0] * 21


def test_a_short_run_warms_up_for_half_of_its_steps():
    found = rates("constant", 500, 10)
    assert found == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2, 2, 2, 2, 2, 2])
