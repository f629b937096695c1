"""The matrix of the paper's Table 4: what is run, what is not run again, and what is written."""

import contextlib
import io
import json
import math
import operator
import os
import re
import signal
import statistics
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from table4_reports import finish, settings_in

from benchmarks import table4, table4_cells, table4_columns, table4_runs
from benchmarks.table4_cells import labels_needed
from benchmarks.table4_matrix import (
    CONTRAST,
    FORMULA,
    PAPERS,
    PARTS,
    TASKS,
    Experiment,
    in_order,
    rows_of,
)
from benchmarks.table4_settings import Run, Settings
from data_gen.errors import InputError
from sgan_jax.config import validate
from sgan_jax.workdir import flatten

EVERY = tuple(PARTS)
SUPERVISED = Experiment("bravais_10pct", "supervised")
WITHOUT_POOL = replace(SUPERVISED, changes=("model.stem_pool=False",), as_long_as=SUPERVISED)


@pytest.fixture
def settings(tmp_path):
    return settings_in(tmp_path)


def flags_of(settings: Settings, out: Path) -> list[str]:
    return [
        f"--sources={settings.sources}",
        f"--data_dir={settings.data_dir}",
        f"--runs={settings.runs}",
        f"--steps={settings.steps}",
        f"--out={out}",
    ]


# ---------------------------------------------------------------- matrix


def test_every_run_is_wanted_once_and_all_with_one_seed_before_the_next(settings):
    wanted = in_order(EVERY, 2)
    names = [settings.run(*one).name for one in wanted]
    assert len(set(names)) == len(names)
    seeds = [seed for _, seed in wanted]
    assert seeds == sorted(seeds)
    assert [experiment for experiment, _ in wanted[:9]] == list(rows_of("bravais"))
    for place, (experiment, _) in enumerate(wanted):
        if experiment.as_long_as:
            before = wanted[:place]
            assert (experiment.as_long_as, 0) in before
            trials = [(experiment.as_long_as.trial, 0), (experiment.trial, 0)]
            assert before[before.index(trials[0]) :][:2] == trials


def test_every_config_of_the_matrix_is_valid_and_says_what_its_cell_says(settings):
    for experiment, seed in in_order(EVERY, 1):
        config = settings.run(experiment, seed).config
        validate(config)
        assert (config.method, config.preset) == (experiment.method, experiment.preset)
        assert config.data.sources == settings.sources
        for change in experiment.changes:
            field, _, value = change.partition("=")
            assert str(operator.attrgetter(field)(config)) == value


def test_the_losses_are_told_apart(settings):
    cells = table4_cells.read(settings)
    told = [
        tuple(table4_columns.row(cells[experiment], cells, ("task", "labels", "losses")))
        for experiment in PARTS["losses"].experiments
    ]
    further = ("", ", game", ", game, contrast")
    rows = {
        (task, share, f"cross-entropy{more}")
        for task in TASKS.values()
        for share in ("5 %", "10 %", "25 %", "50 %")
        for more in further
    }
    rows |= {("Bravais lattice", share, "cross-entropy, contrast") for share in ("5 %", "10 %")}
    assert set(told) == rows
    assert len(told) == len(rows)


def test_only_what_the_terms_name_sets_the_methods_apart(settings):
    of_an_sgan = {"method", "loss.contrast"}
    for terms, wanted in ((PAPERS, {"method"}), (CONTRAST, of_an_sgan), (FORMULA, {"method"})):
        for task in TASKS:
            *paired, _ = rows_of(task, terms)
            for supervised, sgan in zip(paired[::2], paired[1::2], strict=True):
                one, other = (
                    flatten(settings.run(experiment, 0).config.to_dict())
                    for experiment in (supervised, sgan)
                )
                assert {name for name in one if one[name] != other[name]} == wanted


def test_further_structures_join_the_runs_that_want_them(settings):
    more = replace(settings, unlabelled_sources="/far/away/more.tar.gz")
    plain = Experiment("bravais_10pct", "sgan")
    run = more.run(replace(plain, more_unlabelled=True), 0)
    assert run.config.data.unlabelled_sources == "/far/away/more.tar.gz"
    assert more.run(plain, 0).config.data.unlabelled_sources == ""
    assert run.name == "bravais_10pct-sgan-tuned-more_unlabelled-seed0"
    assert {e.more_unlabelled for e in PARTS["more_unlabelled"].experiments} == {True}


def test_a_run_is_finished_with_all_its_steps_and_the_same_config(settings):
    finish(settings, SUPERVISED)
    assert settings.run(SUPERVISED, 0).report() is not None
    assert settings.run(SUPERVISED, 1).report() is None
    harmless = replace(settings, fields=("--config.log_every=7",), data_dir="elsewhere")
    assert harmless.run(SUPERVISED, 0).report() is not None
    assert replace(settings, steps=61).run(SUPERVISED, 0).report() is None
    assert replace(settings, fields=("--config.batch_size=8",)).run(SUPERVISED, 0).report() is None
    path = settings.run(SUPERVISED, 0).folder / "report.json"
    path.write_text(path.read_text()[:-50])
    assert settings.run(SUPERVISED, 0).report() is None


def without(name: str) -> Callable[[dict], dict]:
    return lambda content: {key: content[key] for key in content if key != name}


def instead(name: str, value: object) -> Callable[[dict], dict]:
    return lambda content: content | {name: value}


DAMAGES = (
    lambda content: [content],
    lambda _: None,
    lambda _: "report",
    instead("config", [1, 2]),
    instead("config", "none"),
    lambda content: content | {"config": content["config"] | {"data": []}},
    *(instead(name, None) for name in ("config", "test", "per_class")),
    *(without(name) for name in ("config", "steps", "test", "per_class", "dataset")),
)


def test_runs_with_damaged_reports_are_told_as_not_finished(settings, tmp_path, capsys):
    for seed, damage in enumerate(DAMAGES):
        content = finish(settings, SUPERVISED, seed)
        path = settings.run(SUPERVISED, seed).folder / "report.json"
        path.write_text(json.dumps(damage(content)))
    finish(settings, SUPERVISED, len(DAMAGES))
    assert list(settings.reports(SUPERVISED)) == [len(DAMAGES)]
    assert table4.main([*flags_of(settings, tmp_path), "--write_only"]) == 0
    told = capsys.readouterr().out.rpartition("not finished: ")[2]
    assert len(told.split(", ")) == len(DAMAGES)


def test_equal_time_gives_steps_in_proportion_to_the_speeds(settings):
    finish(settings, SUPERVISED, rate=1.0)  # at another time
    finish(settings, SUPERVISED.trial, rate=90.0)
    assert not settings.run(WITHOUT_POOL, 0).ready
    finish(settings, WITHOUT_POOL.trial, rate=30.0)
    run = settings.run(WITHOUT_POOL, 1)
    assert run.ready
    assert run.config.num_steps == 20
    assert run.config.seed == 1


def test_time_left_follows_from_the_speeds_of_what_is_finished(settings):
    sgan = replace(SUPERVISED, method="sgan")
    runs = [settings.run(one, 0) for one in (SUPERVISED, sgan)]
    runs += [settings.run(SUPERVISED, 1)]
    assert "unknown" in table4_runs.time_left(runs)
    finish(settings, SUPERVISED, rate=8.0)
    # 60 steps of 32 patterns, and 60 of twice as many
    assert table4_runs.time_left(runs) == "about 0:12:00"


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


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The tables of a page by title, each row by column."""
    found = {}
    for title, body in re.findall(r"^## (.*)\n\n((?:\|.*\n)+)", text, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip("|").split(" |")] for line in body.splitlines()
        ]
        header = lines[0]
        assert {len(line) for line in lines[2:]} <= {len(header)}
        found[title] = [dict(zip(header, line, strict=True)) for line in lines[2:]]
    return found


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
    needed = table4_cells.labels_needed({0.05: 0.305, 0.1: 0.385}, 0.335).low
    assert rows[0]["supervised needs"] == f"{100 * needed:.3g} %"
    assert rows[0]["times"] == f"{needed / 0.05:.1f}"
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
    needed = labels_needed({0.05: 0.35, 0.1: 0.6}, 0.5).low
    assert row["supervised needs"] == f"{100 * needed:.3g} %"
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
    told = [statistics.mean(one[which] for one in made) for which in ("generated", "real")]
    assert row["diversity, generated / real"] == f"{told[0]:.2f} / {told[1]:.2f}"
    labelled = contents[0]["dataset"]["n_labelled"]
    assert row["passes"] == f"{60 * 32 / labelled:,.0f}"


def test_a_page_of_other_runs_stays_where_there_is_none_of_these(settings, tmp_path, capsys):
    page = tmp_path / "RESULTS.md"
    page.write_text("of others")
    finish(replace(settings, steps=61), SUPERVISED)
    with pytest.raises(SystemExit):
        table4.main([*flags_of(settings, tmp_path), "--write_only"])
    assert f"error: --runs={settings.runs} has no finished run of these" in capsys.readouterr().err
    assert page.read_text() == "of others"
    with pytest.raises(SystemExit):
        table4.main(flags_of(settings, tmp_path))
    err = capsys.readouterr().err
    assert "none.tar.gz" in err
    assert err.count("\n") == 1
    assert page.read_text() == "of others"
    assert not list(settings.runs.glob("*.log"))


# ---------------------------------------------------------------- running


def test_a_run_that_fails_is_told_and_finished_ones_are_not_run_again(settings, tmp_path, capfd):
    useless = tmp_path / "useless.tar.gz"
    with tarfile.open(useless, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("empty.cif"))
    settings = replace(settings, sources=str(useless), data_dir=str(tmp_path / "data"))
    wanted = in_order(("stem_pool",), 1)
    kept = [one for one in wanted if one[0].method == "supervised" and not one[0].as_long_as]
    for one in kept:
        finish(settings, *one)
    before = {path: path.stat().st_mtime_ns for path in settings.runs.glob("*/report.json")}
    finish(settings, WITHOUT_POOL)  # now that its steps are known
    sgan = replace(SUPERVISED, method="sgan")
    finish(settings, replace(WITHOUT_POOL, method="sgan").trial)
    assert table4.main([*flags_of(settings, tmp_path / "out"), "--only=stem_pool"]) == 2
    out, err = capfd.readouterr()
    name = settings.run(sgan, 0).name
    log = settings.run(sgan, 0).log
    assert f"run 5 of 8: {name}; time left: about" in out
    assert f"{name} failed with exit code 2; the end of {log}:" in err
    assert "error: " in log.read_text()
    assert log.read_text().splitlines()[-1] in err
    assert "was left out" in err
    assert "error: 3 runs failed" in err
    for path, when in before.items():
        assert path.stat().st_mtime_ns == when
    trial = settings.run(sgan.trial, 0).log
    assert set(settings.runs.glob("*.log")) == {log, trial}
    rows = tables((tmp_path / "out" / "RESULTS.md").read_text())
    told = [row["top-1, %"] for row in rows["With and without the stem pool, at equal time"]]
    assert told == ["50.0 [48.0, 53.0]", "50.0 [48.0, 53.0]", "not run", "not run"]


class Stub(Run):
    """A run with another command."""

    @property
    def command(self):
        return (sys.executable, "-c", *self.fields)


WAITS = """
import signal, sys, time
def end(*_):
    print("saved", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""


def test_ctrl_c_lets_the_run_save_first(tmp_path):
    run = Stub("stub", SUPERVISED, (WAITS,), tmp_path / "stub", ready=True)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt():
        while not run.log.exists() or "ready" not in run.log.read_text():
            time.sleep(0.02)
        signal.pthread_kill(main, signal.SIGINT)

    # Workers that run tests side by side ignore what a terminal would send.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            table4_runs.launch(run)
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert run.log.read_text().split() == ["ready", "saved"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds=0"], "--seeds=0: give at least 1"),
        (["--only=table5"], "invalid choice"),
        (["--only=more_unlabelled"], "wants --unlabelled_sources="),
        (["--unknown"], "unrecognized arguments: --unknown"),
        (["--config.colour=red"], "no field 'colour'"),
        (["--config.classes=all230"], "the matrix decides config.classes"),
        (["--config.seed=3"], "the matrix decides config.seed"),
        (["--config.batch_size=8"], "the presets differ by config.batch_size"),
        (["--only=bravais", "--config.batch_size=many"], "batch_size=many"),
        (["--only=bravais", "--config.model.dropout=2"], "config.model.dropout=2.0"),
        (["--only=bravais", "--sources=nowhere.tar.gz"], "nowhere.tar.gz"),
    ],
)
def test_bad_options_end_in_one_line_before_anything_is_run(flags, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        table4.main([f"--runs={tmp_path / 'runs'}", f"--out={tmp_path}", *flags])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    settings = Settings("amcsd", "data", tmp_path / "file")
    with pytest.raises(InputError, match="--runs="):
        table4_runs.train_all(settings, in_order(("bravais",), 1), lambda: None)
    with pytest.raises(SystemExit):
        table4.main([f"--runs={tmp_path / 'runs'}", f"--out={tmp_path / 'file'}", "--only=bravais"])
    assert "error: --out=" in capsys.readouterr().err


def test_reports_are_found_with_any_seed(settings):
    finish(settings, SUPERVISED, seed=3)
    (settings.runs / f"{SUPERVISED.name}-seedling").mkdir()
    assert list(settings.reports(SUPERVISED)) == [3]
