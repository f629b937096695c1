"""The estimate of `benchmarks.scaling`: arithmetic that can be followed by hand."""

import pytest

from benchmarks import scaling
from benchmarks.scaling_estimate import Assumptions, bottleneck, costs, step_seconds


def by_name(assumptions, gpus):
    return {cost.name.partition(",")[0]: cost for cost in costs(assumptions, gpus)}


def test_bytes_of_a_step():
    found = by_name(Assumptions(batch_per_gpu=64), 8)
    assert found["gradients all-reduced"].bytes == (2 * 649_456 + 92_416) * 4 * 2 * 7 / 8
    assert found["patterns to the GPU"].bytes == 2 * 64 * 3041 * 4
    assert found["patterns decoded"].bytes == 8 * found["patterns to the GPU"].bytes


def test_one_gpu_has_nothing_to_average():
    assert by_name(Assumptions(), 1)["gradients all-reduced"].bytes == 0


def test_input_holds_a_step_up_only_where_it_is_slower_than_computing():
    swift, slow = Assumptions(storage=1e12), Assumptions(storage=1e8)
    assert step_seconds(swift, 8) == pytest.approx(
        sum(cost.seconds for cost in costs(swift, 8) if not cost.beside)
    )
    assert step_seconds(slow, 8) == by_name(slow, 8)["patterns from storage"].seconds
    assert "which takes" in bottleneck(slow, 8)


def test_estimate_is_called_one(capsys):
    assert scaling.main(["--estimate_only", "--storage=1e9"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Estimate, not measured") == 2
    assert "(--storage)" in printed
