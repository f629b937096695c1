import numpy as np
import pytest

from benchmarks import fuzz_patterns
from benchmarks.fuzz_patterns import MUTATIONS, check, judge, judge_range, mutant
from benchmarks.pattern_samples import SAMPLES, example
from sgan_jax.measured.pattern import Pattern


def test_mutants_are_always_the_same():
    first, again, other = mutant(7), mutant(7), mutant(7, seed=1)
    assert first == again
    assert first.content != other.content
    assert first.format == other.format


def test_outcomes_are_counted():
    report = judge_range(0, 2 * len(SAMPLES), seed=0)
    assert report.problems == []
    assert sum(report.outcomes.values()) == 4 * len(SAMPLES)
    table = fuzz_patterns.outcome_table(report, 2 * len(SAMPLES), 1.0)
    assert all(name in table for name in (*SAMPLES, *MUTATIONS))


def test_wrong_points_are_found(tmp_path, monkeypatch):
    broken = next(m for m in map(mutant, range(999)) if m.mutation == "lost_character")
    right = Pattern(*np.ones((2, 60)), None, None, None, None, "", "", "", ())
    with pytest.raises(AssertionError, match="angles do not ascend"):
        check(right)
    x = np.arange(1.0, 61)
    wrong = Pattern(x, x, None, None, None, None, "", "", "", ())
    original = fuzz_patterns.read_patterns

    def reader(path):
        return [wrong] if path.name.startswith("mutant") else original(path)

    monkeypatch.setattr(fuzz_patterns, "read_patterns", reader)
    with pytest.raises(AssertionError, match="wrong points"):
        judge(broken, tmp_path)


def test_samples_are_of_one_pattern():
    assert len({len(sample.write(example(60))) for sample in SAMPLES.values()}) > 20


def test_command_line(capsys, tmp_path):
    assert fuzz_patterns.main(["--mutants=0"]) == 2
    assert "--mutants: give at least 1" in capsys.readouterr().err
    assert fuzz_patterns.main(["--mutants=3", f"--keep={tmp_path / 'kept'}"]) == 0
    assert "nothing went wrong" in capsys.readouterr().out
    assert (tmp_path / "kept").is_dir()
