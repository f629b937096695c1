import contextlib
import itertools
import threading
import time

import pytest

from sgan_jax.prefetch import ahead


def test_results_come_in_order_however_long_each_takes():
    def make(number):
        time.sleep(0.002 * (7 - number % 8))
        return number

    assert list(ahead(make, range(40))) == list(range(40))
    assert list(ahead(make, [])) == []


def test_endless_numbers_are_made_a_bounded_way_ahead():
    begun = []
    with contextlib.closing(ahead(begun.append, itertools.count(5))) as results:
        assert next(results) is None
    assert sorted(begun)[0] == 5
    assert len(begun) < 50


def test_several_are_made_at_the_same_time():
    both = threading.Barrier(2, timeout=30)
    assert len(list(ahead(lambda _: both.wait(), range(2)))) == 2


def test_error_comes_in_its_turn_and_ends_the_threads():
    def make(number):
        if number == 3:
            raise ValueError("three")
        return number

    results = ahead(make, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
