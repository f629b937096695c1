"""`RESULTS.md` against the reports that it is made from."""

import contextlib
import io
import json
import math
import re
import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from table4_reports import finish, flags_of, settings_in, tables

from benchmarks import table4
from benchmarks.table4_cells import labels_needed
from benchmarks.table4_matrix import FORMULA, PARTS, Experiment, rows_of
from benchmarks.table4_settings import Settings

SUPERVISED = Experiment("bravais_10pct", "supervised")


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


# ---------------------------------------------------------------- labels that are needed

SHARES = st.integers(1, 90).map(lambda percent: percent / 100)
CURVES = st.dictionaries(SHARES, st.floats(0, 1), min_size=1, max_size=6)


@given(CURVES, st.floats(0, 1))
def test_at_the_share_that_is_needed_the_curve_has_the_accuracy(curve, accuracy):
    found = labels_needed(curve, accuracy)
    shares = sorted(curve)
    if found.low == found.high:
        at = np.interp(math.log(found.low), np.log(shares), [curve[share] for share in shares])
        assert at == pytest.approx(accuracy, abs=1e-6)
        assert all(curve[share] < accuracy for share in shares if share < found.low * (1 - 1e-9))
    elif found.high == math.inf:
        assert found.low == shares[-1]
        assert max(curve.values()) < accuracy
    else:
        assert found == (0, shares[0])
        assert curve[shares[0]] > accuracy


@given(CURVES, st.lists(st.floats(0, 1), min_size=2))
def test_more_accuracy_never_needs_fewer_labels(curve, accuracies):
    found = [labels_needed(curve, accuracy) for accuracy in sorted(accuracies)]
    for one, more in pairwise(found):
        assert more.low >= one.low * (1 - 1e-12)
        assert more.high >= one.high * (1 - 1e-12)


@given(CURVES)
def test_a_rising_curve_needs_at_its_points_what_it_has_there(curve):
    shares, accuracies = sorted(curve), sorted(set(curve.values()))
    rising = dict(zip(shares, accuracies, strict=False))
    for share, accuracy in rising.items():
        assert labels_needed(rising, accuracy) == pytest.approx((share, share))


def test_half_way_up_is_the_geometric_mean():
    assert labels_needed({0.1: 0.5, 0.4: 0.7}, 0.6).low == pytest.approx(0.2)


# ---------------------------------------------------------------- the page


class Written(NamedTuple):
    """A page that was made from some reports, and what was told meanwhile."""

    text: str
    reports: dict
    folder: Path
    told: str


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table4")
    settings, reports = settings_in(folder), {}
    for number, experiment in enumerate(rows_of("bravais")):
        for seed in range(2):
            top1 = 0.3 + 0.04 * number + 0.01 * seed * (-1) ** number
            reports[experiment, seed] = finish(settings, experiment, seed, top1)
    lone = rows_of("sg")[-1]
    reports[lone, 0] = finish(settings, lone, 0, 0.41)
    few = PARTS["table3"].experiments[0]
    reports[few, 0] = finish(settings, few, 0, 0.9)
    pool = PARTS["stem_pool"].experiments[1]
    assert pool.as_long_as is not None
    reports[pool.trial, 0] = finish(settings, pool.trial, 0, 0.2, rate=5.0)
    finish(replace(settings, steps=7), replace(pool, preset="paper", as_long_as=None))
    out, told = folder / "out", io.StringIO()
    with contextlib.redirect_stdout(told):
        assert table4.main([*flags_of(settings, out), "--seeds=2", "--write_only"]) == 0
    return Written((out / "RESULTS.md").read_text(), reports, out, told.getvalue())


def test_reports_of_other_settings_are_told(written):
    (line,) = (line for line in written.told.splitlines() if "in no table" in line)
    assert line.endswith(": bravais_10pct-supervised-paper-stem_pool_False-seed0")


def test_the_tables_say_what_the_reports_say(written):
    text, reports, *_ = written
    rows = tables(text)["Bravais lattice, split at random"]
    assert len(rows) == 9
    for experiment, row in zip(rows_of("bravais"), rows, strict=True):
        found = [reports[experiment, seed]["test"] for seed in range(2)]
        values = [100 * test["top1"] for test in found]
        told = f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        assert (row["top-1, %"], row["seeds"]) == (told, "2")
        keys = ("prior_top1", "top5", "prior_top5", "ece")
        mean = {key: 100 * statistics.mean(test[key] for test in found) for key in keys}
        assert row["prior, %"] == f"{mean['prior_top1']:.1f}"
        assert row["top-5 / prior, %"] == f"{mean['top5']:.1f} / {mean['prior_top5']:.1f}"
        assert row["calibration error, %"] == f"{mean['ece']:.1f}"
    papers = [61, 70, 68, 74, 76, 80, 82, 85, 88]
    assert [float(row["paper, %"]) for row in rows] == papers


def test_one_seed_has_its_interval_and_what_was_not_run_says_so(written):
    text, reports, *_ = written
    *missing, last = tables(text)["Space group, split at random"]
    assert last["top-1, %"] == "41.0 [39.0, 44.0]"
    assert last["paper, %"] == "80.6 (top-5: 90.3)"
    extinction = reports[rows_of("sg")[-1], 0]["test"]["extinction_group_top1"]
    assert last["extinction group / prior, %"].startswith(f"{100 * extinction:.1f} / ")
    assert {row["top-1, %"] for row in missing} == {"not run"}
    published = tables(text)["The most frequent space groups, 90 % of the labels"]
    assert [row["published, %"].split()[-1] for row in published] == [
        "96.3",
        "71.0",
        "80.2",
        "80.0",
    ]
    assert published[-1]["top-1, %"] == last["top-1, %"]


def test_parts_without_a_run_of_their_own_are_told_in_a_list(written):
    text = written.text
    titles = [part.title for part in PARTS.values()]
    listed = re.findall("^- (.*)$", text.partition("## Not run")[2], re.MULTILINE)
    assert {"Split by formula", "Presets, 10 % of the labels"} <= set(listed)
    assert set(titles) == {title for title in titles if title in tables(text)} | set(listed)
    assert not set(tables(text)) & set(listed)


def test_a_table_has_the_same_run_in_other_conditions_beside(settings, tmp_path):
    at_random = rows_of("sg")[-1]
    by_formula = rows_of("sg", FORMULA)[-1]
    finish(settings, at_random, 0, 0.41)
    finish(settings, by_formula, 0, 0.31)
    assert table4.main([*flags_of(settings, tmp_path), "--write_only"]) == 0
    *missing, last = tables((tmp_path / "RESULTS.md").read_text())["Split by formula"]
    assert {row["top-1, %"] for row in missing} == {"not run"}
    assert (last["top-1, %"], last["at random, %"]) == ("31.0 [29.0, 34.0]", "41.0 [39.0, 44.0]")


def test_gains_are_taken_seed_by_seed_beside_the_papers(written):
    text = written.text
    rows = tables(text)["Gain of the SGAN: Bravais lattice, split at random"]
    # 30, 34, 38, … and per seed supervised +1, SGAN -1
    assert [row["gain, points"] for row in rows] == ["+3.0 ± 1.4"] * 4
    assert [row["paper's gain"] for row in rows] == ["+9", "+6", "+4", "+3"]
    curve, spread = {0.05: 0.305, 0.1: 0.385}, 0.01 * math.sqrt(2)
    value, *ends = (labels_needed(curve, 0.335 + more).low for more in (0, -spread, spread))
    least, most = (f"{100 * end:.3g} %" for end in ends)
    assert rows[0]["supervised needs"] == f"{100 * value:.3g} % [{least}, {most}]"
    least, most = (f"{end / 0.05:.1f}" for end in ends)
    assert rows[0]["times"] == f"{value / 0.05:.1f} [{least}, {most}]"
    assert rows[0]["times in the paper"] == "2.5"


def lattice_gains(settings: Settings, out: Path) -> list[dict[str, str]]:
    assert table4.main([*flags_of(settings, out), "--seeds=3", "--write_only"]) == 0
    found = tables((out / "RESULTS.md").read_text())
    return found["Gain of the SGAN: Bravais lattice, split at random"]


def test_the_gain_of_one_seed_has_the_intervals_of_both_in_quadrature(settings, tmp_path):
    supervised, sgan, *_ = rows_of("bravais")
    finish(settings, supervised, 0, 0.5)
    finish(settings, sgan, 0, 0.6)
    row = lattice_gains(settings, tmp_path)[0]
    # each from 2 points below to 3 above, so both ways by the root of 2² + 3²
    assert row["gain, points"] == "+10.0 [+6.4, +13.6]"


def test_only_seeds_that_both_methods_have_are_compared(settings, tmp_path):
    fewest, sgan, fewer, more_sgan, *_ = rows_of("bravais")
    for seed, top1 in enumerate((0.3, 0.4, 0.9)):
        finish(settings, fewest, seed, top1)
    for seed in (0, 1):
        finish(settings, sgan, seed, 0.5)
        finish(settings, fewer, seed, 0.5 + 0.2 * seed)
    finish(settings, fewer, 2, 0.1)
    finish(settings, more_sgan, 4, 0.5)
    row, apart, *_ = lattice_gains(settings, tmp_path)
    assert (row["supervised"], row["SGAN"], row["seeds"]) == ("35.0 ± 7.1", "50.0 ± 0.0", "2")
    assert row["gain, points"] == "+15.0 ± 7.1"
    curve = {0.05: 0.35, 0.1: 0.6}
    spread = 0.05 * math.sqrt(2)
    needed = [labels_needed(curve, top1).low for top1 in (0.5, 0.5 - spread, 0.5 + spread)]
    value, least, most = (f"{100 * share:.3g} %" for share in needed)
    assert row["supervised needs"] == f"{value} [{least}, {most}]"
    assert apart["supervised"].startswith("43.3 ± ")
    assert apart["SGAN"] == "50.0 [48.0, 53.0]"
    assert (apart["seeds"], apart["gain, points"], apart["supervised needs"]) == ("0", "", "")


def test_a_share_that_lacks_a_seed_is_no_point_of_the_curve(settings, tmp_path):
    fewest, sgan, fewer, *_ = rows_of("bravais")
    for seed in (0, 1):
        finish(settings, fewest, seed, 0.3)
        finish(settings, sgan, seed, 0.5)
    finish(settings, fewer, 0, 0.9)
    assert lattice_gains(settings, tmp_path)[0]["supervised needs"] == "> 5 %"


def test_the_page_tells_runs_and_commands_without_places(written):
    text, reports, *_ = written
    runs = tables(text)["Finished runs"]
    names = {f"{experiment.name}-seed{seed}" for experiment, seed in reports}
    assert {row["run"] for row in runs} == names
    assert str(written.folder.parent) not in text
    for name in names:
        (command,) = re.findall(rf"^python -m sgan_jax\.main .*/{name}$", text, re.MULTILINE)
        assert "--config.data.sources=amcsd,none.tar.gz" in command
        assert "--config.num_steps=" in command
    assert tables(text)["Data"][0]["runs"] == str(len(reports))


def test_the_page_can_be_written_anew_from_the_reports_beside_it(written, tmp_path):
    text, reports, out, _ = written
    kept = out / table4.REPORTS
    assert len(list(kept.glob("*/report.json"))) == len(reports)
    assert not any(str(out.parent) in path.read_text() for path in kept.glob("*/report.json"))
    moved = Settings("amcsd,another/place/none.tar.gz", "elsewhere", kept, steps=60)
    assert table4.main([*flags_of(moved, tmp_path), "--seeds=2", "--write_only"]) == 0
    assert (tmp_path / "RESULTS.md").read_text() == text


def test_the_page_tells_which_reports_are_not_those_of_the_runs(settings, tmp_path):
    finish(settings, SUPERVISED)
    lost = finish(settings, rows_of("bravais")[0])
    path = settings.run(rows_of("bravais")[0], 0).folder / "report.json"
    path.write_text(json.dumps({"rebuilt": "from a page", **lost}))
    assert table4.main([*flags_of(settings, tmp_path), "--write_only"]) == 0
    assert " runs. 1 of the reports were lost" in (tmp_path / "RESULTS.md").read_text()


@pytest.mark.parametrize("block", ["test", "dataset", "environment", "throughput"])
def test_a_report_that_lacks_something_is_none(settings, block):
    content = finish(settings, SUPERVISED)
    assert settings.run(SUPERVISED, 0).report() is not None
    path = settings.run(SUPERVISED, 0).folder / "report.json"
    path.write_text(json.dumps(content | {block: {}}))
    assert settings.run(SUPERVISED, 0).report() is None


def test_the_pictures_are_there_and_linked(written):
    text, _, out, _ = written
    links = re.findall(r"\((docs/results/.*)\)", text)
    assert {Path(link).name for link in links} == {
        "accuracy_by_labels.png",
        "label_efficiency.png",
        *(f"{what}_{task}.png" for what in ("confusion", "classes") for task in ("bravais", "sg")),
    }
    for link in links:
        assert imread(out / link).std() > 0.01


def test_a_table_tells_passes_and_the_diversity_of_what_was_generated(settings, tmp_path):
    _, sgan, *_ = rows_of("bravais")
    contents = [finish(settings, sgan, seed) for seed in (0, 1)]
    assert table4.main([*flags_of(settings, tmp_path), "--write_only"]) == 0
    row = tables((tmp_path / "RESULTS.md").read_text())["Bravais lattice, split at random"][1]
    made = [content["diversity"] for content in contents]
    columns = ("generated", "untrained", "real")
    told = [statistics.mean(one[which] for one in made) for which in columns]
    known = " / ".join(f"{mean:.2f}" for mean in told)
    assert row["diversity, generated / untrained / real"] == known
    outputs = [content["discriminator"] for content in contents]
    told = [statistics.mean(one[which] for one in outputs) for which in ("real", "generated")]
    assert row["D, real / generated"] == f"{told[0]:.2f} / {told[1]:.2f}"
    labelled = contents[0]["dataset"]["n_labelled"]
    assert row["passes"] == f"{60 * 32 / labelled:,.0f}"


def test_older_reports_do_not_tell_of_an_untrained_generator(settings, tmp_path):
    _, sgan, *_ = rows_of("bravais")
    content = finish(settings, sgan)
    content["diversity"].pop("untrained")
    content.pop("discriminator")
    (settings.run(sgan, 0).folder / "report.json").write_text(json.dumps(content))
    assert table4.main([*flags_of(settings, tmp_path), "--write_only"]) == 0
    row = tables((tmp_path / "RESULTS.md").read_text())["Bravais lattice, split at random"][1]
    made = content["diversity"]
    known = f"{made['generated']:.2f} / ? / {made['real']:.2f}"
    assert row["diversity, generated / untrained / real"] == known
    assert "D, real / generated" not in row


def test_a_page_of_other_runs_stays_where_there_is_none_of_these(settings, tmp_path, capsys):
    page = tmp_path / "RESULTS.md"
    page.write_text("of others")
    finish(replace(settings, steps=61), SUPERVISED)
    pool = PARTS["stem_pool"].experiments[1]
    finish(settings, pool.trial)  # of any steps, but of no table
    with pytest.raises(SystemExit):
        table4.main([*flags_of(settings, tmp_path), "--write_only"])
    assert not (tmp_path / table4.PICTURES).exists()
    assert f"error: --runs={settings.runs} has no finished run of these" in capsys.readouterr().err
    assert page.read_text() == "of others"
    with pytest.raises(SystemExit):
        table4.main(flags_of(settings, tmp_path))
    err = capsys.readouterr().err
    assert "none.tar.gz" in err
    assert err.count("\n") == 1
    assert page.read_text() == "of others"
    assert not list(settings.runs.glob("*.log"))
