"""The matrix of the paper's Table 4: what is run, what is not run again, and what is written."""

import json
import operator
import os
import signal
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from table4_reports import finish, flags_of, settings_in, tables

from benchmarks import table4, table4_cells, table4_columns, table4_runs
from benchmarks.table4_matrix import (
    CONTRAST,
    FORMULA,
    LONGER,
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


# ---------------------------------------------------------------- matrix


def test_every_run_is_wanted_once_and_all_with_one_seed_before_the_next(settings):
    wanted = in_order(EVERY, 2)
    names = [settings.run(*one).name for one in wanted]
    assert len(set(names)) == len(names)
    seeds = [seed for _, seed in wanted]
    assert seeds == sorted(seeds)
    first = [experiment for experiment, _ in wanted[:9]]
    assert set(first) == set(rows_of("bravais"))
    assert [experiment.method for experiment in first] == ["supervised"] * 5 + ["sgan"] * 4
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
    columns = ("task", "labels", "losses", "rates of the game")
    told = [
        tuple(table4_columns.row(cells[experiment], cells, columns))
        for experiment in PARTS["losses"].experiments
    ]
    usual = "5e-06, 1e-06"
    further = (("", ""), (", game", usual), (", game, contrast", usual))
    rows = {
        (task, share, f"cross-entropy{more}", rates)
        for task in TASKS.values()
        for share in ("5 %", "10 %", "25 %", "50 %")
        for more, rates in further
    }
    rows |= {
        ("Bravais lattice", share, f"cross-entropy, {more}", rates)
        for share in ("5 %", "10 %")
        for more, rates in (("contrast", ""), ("game", "0.0001, 0.0001"))
    }
    assert set(told) == rows
    assert len(told) == len(rows)


def test_only_what_the_terms_name_sets_the_methods_apart(settings):
    of_an_sgan = {"method", "loss.contrast"}
    differing = {
        PAPERS: {"method"},
        CONTRAST: of_an_sgan,
        FORMULA: {"method"},
        LONGER: of_an_sgan,
    }
    for terms, wanted in differing.items():
        for task in TASKS:
            *paired, _ = rows_of(task, terms)
            for supervised, sgan in zip(paired[::2], paired[1::2], strict=True):
                one, other = (
                    flatten(settings.run(experiment, 0).config.to_dict())
                    for experiment in (supervised, sgan)
                )
                assert {name for name in one if one[name] != other[name]} == wanted


def test_what_takes_longer_takes_times_the_steps_that_it_would_have(settings):
    longer = next(iter(rows_of("bravais", LONGER)))
    assert settings.run(longer, 0).config.num_steps == 4 * 60
    unsaid = replace(settings, steps=None)
    plain = unsaid.run(replace(longer, times=1), 0)
    assert unsaid.run(longer, 0).config.num_steps == 4 * plain.config.num_steps
    assert unsaid.run(longer, 0).name == plain.name.replace("-seed", "-4_times_the_steps-seed")


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
    whole = path.read_text()
    older = json.loads(whole)
    del older["pretrained"], older["config"]["pretrained"]
    path.write_text(json.dumps(older))
    assert settings.run(SUPERVISED, 0).report() is not None
    path.write_text(json.dumps(older | {"pretrained": {"sha256": "0123"}}))
    assert settings.run(SUPERVISED, 0).report() is None
    path.write_text(whole[:-50])
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
        (["--steps=0"], "--steps=0: give at least 1"),
        (["--config.data.labelled_sources=x"], "the matrix decides config.data.labelled_sources"),
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
