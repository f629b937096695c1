import numpy as np
import pytest

from benchmarks.pattern_samples import SAMPLES, example
from sgan_jax.measured import InputError, read_pattern, read_patterns

POINTS = example(60)


def _read(tmp_path, text):
    path = tmp_path / "pattern.gsa"
    path.write_text(text)
    return read_patterns(path)


def _text(kind):
    return SAMPLES[f"GSAS {kind}"].write(POINTS).decode()


def _counters(counts, counters):
    words = [f"{n:2d}{y:6.0f}" for n, y in zip(counters, counts, strict=True)]
    return "\n".join("".join(words[i : i + 10]) for i in range(0, len(words), 10)) + "\n"


def test_counters_divide_the_variance(tmp_path):
    counters = np.arange(60) % 4  # 0 stands for 1
    header = "title\nBANK 1 60 6 CONST 1000 5 0 0 STD\n"
    (pattern,) = _read(tmp_path, header + _counters(POINTS.counts, counters))
    np.testing.assert_array_equal(pattern.intensity, POINTS.counts)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(POINTS.counts / np.maximum(counters, 1)))
    assert (pattern.two_theta[0], pattern.two_theta[-1]) == pytest.approx((10, 12.95))


def test_counts_that_reach_into_the_counters(tmp_path):
    counts = np.where(np.arange(60) % 9, 12_345_678, 77)
    text = "title\nBANK 1 60 6 CONST 1000 5\n" + "".join(
        "".join(f"{y:8d}" for y in counts[i : i + 10]) + "\n" for i in range(0, 60, 10)
    )
    (pattern,) = _read(tmp_path, text)
    np.testing.assert_array_equal(pattern.intensity, counts)
    with pytest.raises(InputError, match="line 3: counters and counts that touch"):
        _read(tmp_path, text.replace("      77", "12345678"))


def test_free_records(tmp_path):
    rows = "\n".join(f"{y:.0f} {e:.1f}" for y, e in zip(POINTS.counts, POINTS.sigma, strict=True))
    (pattern,) = _read(tmp_path, f"title\nBANK 1 60 12 CONST 1000 5 0 0 ESD\n{rows}\n")
    np.testing.assert_array_equal(pattern.intensity, POINTS.counts)


def test_last_record_filled_and_repeated(tmp_path):
    text = _text("STD").replace("BANK 1 60 6", "BANK 1 58 6")
    (pattern,) = _read(tmp_path, text)
    assert len(pattern.two_theta) == 58
    last = text.splitlines()[-1]
    assert len(_read(tmp_path, text + last + "\n")[0].two_theta) == 58
    with pytest.raises(InputError, match="line 10: more than the 58 numbers"):
        _read(tmp_path, text + f"{last}\n{last}\n")


def test_one_point_more_than_announced(tmp_path):
    (pattern,) = _read(tmp_path, _text("FXYE").replace("BANK 1 60 60", "BANK 1 59 59"))
    assert len(pattern.two_theta) == 60


def test_banks(tmp_path):
    title, *rest = _text("ESD").splitlines(keepends=True)
    second = "".join(rest).replace("BANK 1", "BANK 2").replace("CONST 800.00 10", "CONST 900 20")
    patterns = _read(tmp_path, title + "".join(rest) + "# between\n" + second)
    assert [pattern.block for pattern in patterns] == ["bank 1", "bank 2"]
    longest = read_pattern(tmp_path / "pattern.gsa")
    assert longest.block == "bank 2"
    assert longest.notes[-1] == "Of 2 patterns in the file, bank 2 has the longest range."


def test_a_bank_that_cannot_serve_is_noted(tmp_path):
    short = "BANK 7 20 2 CONST 1000 5 0 0 STD\n" + _counters(POINTS.counts[:20], [1] * 20)
    (pattern,) = _read(tmp_path, _text("STD") + short)
    assert pattern.notes[-1] == "Left out bank 7: 20 points, fewer than 50."


@pytest.mark.parametrize("binning", ["SLOG", "RALF", "TIME_MAP", "LOG6"])
def test_time_of_flight_is_named(tmp_path, binning):
    text = _text("ESD").replace("CONST", binning)
    with pytest.raises(InputError, match=rf"line 2: a time-of-flight pattern .*{binning}\); give"):
        _read(tmp_path, text)


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("STD", "CONST", "EDS", "line 2: an energy-dispersive pattern"),
        ("STD", "CONST", "CONQ", "line 2: a pattern over Q"),
        ("STD", "CONST", "XYZ", "line 2: unknown GSAS binning 'XYZ'"),
        ("STD", " 800.00 10.000 0 0 STD", " 800", "line 2: an incomplete BANK line"),
        ("STD", "STD", "XXX", "line 2: records of the unknown kind 'XXX'; give one of STD"),
        ("STD", "BANK 1 60 6", "BANK 1 60 60", "line 2: 60 points do not stand on 60 lines"),
        ("STD", "BANK 1 60 6", "BANK 1 70 7", "fewer than the 70 points that its header gives"),
        ("STD", "BANK 1 60 6", "BANK 1 5000000 0", "line 2: 5,000,000 points; give a bank"),
        ("STD", "BANK 1 60 6", "BANK 1 0 0", "line 2: 0 points; give a bank of at most 1,000,000"),
        ("STD", "BANK 1 60 6", f"BANK 1 {'9' * 5000} 0", "line 2: an incomplete BANK line"),
        ("STD", "800.00 10.000", "800.00 1000.000", "line 2: 2θ from 8° in 60 steps of 10°"),
        ("STD", "800.00 10.000", "800.00 0.000", "line 2: 2θ from 8° in 60 steps of 0°"),
        ("FXYE", "BANK 1 60 60", "BANK 1 50 50", "line 2: 60 records where its BANK line gives 50"),
        ("FXYE", "CONST 800", "CONST 300", "begins at 3°, its records at 8°; correct the BANK"),
        ("FXY", " 1390.000", "1390.000 1 2", "line 62: FXY records have 2 numbers; complete"),
        ("ESD", "BANK 1 60 12", "BANK 1 50 10", "more than the 50 numbers that its header gives"),
    ],
)
def test_bad_banks(tmp_path, kind, old, new, message):
    text = _text(kind)
    assert old in text
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text.replace(old, new))


@pytest.mark.parametrize("kind", ["STD", "ESD", "ALT"])
def test_a_lost_character_is_found(tmp_path, kind):
    lines = _text(kind).splitlines()
    lines[4] = lines[4].replace(" ", "", 1)[:-1] + "x"
    with pytest.raises(InputError, match="line"):
        _read(tmp_path, "\n".join(lines))
