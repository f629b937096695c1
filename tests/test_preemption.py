import os
import signal
import threading

import pytest

from sgan_jax import preemption
from sgan_jax.preemption import Preempted, watch


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_outside_of_training_the_run_ends_at_once():
    with watch(), pytest.raises(Preempted, match="goes on from the last checkpoint"):
        terminate()


def test_in_training_the_request_waits_until_it_is_asked_for():
    with watch() as preempted:
        training = preempted.held()
        training.__enter__()
        assert not preempted.requested(1)
        terminate()
        assert preempted.requested(2)
        with pytest.raises(Preempted):
            training.__exit__(None, None, None)


def test_what_goes_wrong_in_training_comes_before_the_request():
    def fail() -> None:
        terminate()
        raise OSError("full")

    with watch() as preempted, pytest.raises(OSError, match="full"), preempted.held():
        fail()


def test_while_the_run_ends_a_further_signal_changes_nothing():
    with watch():
        with pytest.raises(Preempted):
            terminate()
        terminate()


def test_afterwards_the_signal_is_what_it_was():
    before = signal.getsignal(signal.SIGTERM)
    with watch():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_can_run_an_experiment():
    asked = []

    def experiment() -> None:
        with watch() as preempted, preempted.held():
            asked.append(preempted.requested(1))

    thread = threading.Thread(target=experiment)
    thread.start()
    thread.join()
    assert asked == [False]


def test_the_exit_code_is_the_one_for_try_again_later():
    assert preemption.EXIT_CODE == 75
