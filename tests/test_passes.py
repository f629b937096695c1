import threading

import numpy as np
import pytest

from sgan_jax.passes import Passes

NUMBERS = np.arange(100, 137)


def test_every_pass_holds_every_number_once_in_an_order_of_its_own():
    passes = Passes(NUMBERS, (0, 1))
    orders = [passes[k * 37 : (k + 1) * 37] for k in range(5)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), NUMBERS)
    assert len({tuple(order) for order in orders}) == 5


@pytest.mark.parametrize("size", [1, 5, 37, 40, 200])
def test_what_stands_at_a_position_does_not_depend_on_how_it_is_asked_for(size):
    whole = Passes(NUMBERS, (0, 1))[0:1000]
    passes = Passes(NUMBERS, (0, 1))
    starts = np.random.default_rng(0).permutation(np.arange(0, 1000 - size, size))
    for start in starts.tolist():
        np.testing.assert_array_equal(passes[start : start + size], whole[start : start + size])


def test_far_positions_cost_no_more():
    far = 37 * 10**12
    np.testing.assert_array_equal(np.sort(Passes(NUMBERS, (0, 1))[far : far + 37]), NUMBERS)


def test_other_seeds_other_orders():
    seeds = [(0, 0), (0, 1), (1, 0), (1, 1), (2**32 - 1, 1)]
    orders = {
        tuple(Passes(NUMBERS, each)[first : first + 37]) for each in seeds for first in (0, 37)
    }
    assert len(orders) == 10


def test_threads_see_the_same():
    passes, whole = Passes(NUMBERS, (3,)), Passes(NUMBERS, (3,))[0:5000]
    wrong = []

    def look(offset):
        for start in range(offset, 4900, 8):
            if not np.array_equal(passes[start : start + 50], whole[start : start + 50]):
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
