import threading

import pytest

from data_gen.parallel import available_cores, map_pieces


@pytest.mark.parametrize("threads", [None, 1, 2, 50])
@pytest.mark.parametrize("count", [0, 1, 7, 8])
def test_pieces_cover_everything_in_order(threads, count):
    pieces = list(map_pieces(lambda first, end: (first, end), count, 3, threads))
    assert [n for first, end in pieces for n in range(first, end)] == list(range(count))


def test_pieces_run_at_the_same_time():
    both = threading.Barrier(2, timeout=30)
    ranks = list(map_pieces(lambda first, end: both.wait(), 2, 1, 2))
    assert sorted(ranks) == [0, 1]


def test_errors_of_the_work_are_raised():
    def work(first, end):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(map_pieces(work, 10, 1, 2))


def test_there_is_a_core():
    assert available_cores() >= 1


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="0 threads: give at least 1"):
        list(map_pieces(lambda first, end: None, 3, 1, 0))
