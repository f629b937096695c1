import errno
import json
import multiprocessing
import os

import pytest

from configs import base
from data_gen.errors import InputError
from sgan_jax import workdir


def identity_of(config=None, fingerprint="data-1"):
    return workdir.identity(config or base.get_config(), fingerprint)


def test_a_new_folder_is_bound_to_its_run(tmp_path):
    workdir.check(tmp_path, identity_of())
    assert not any(tmp_path.iterdir())
    workdir.bind(tmp_path, identity_of())
    content = json.loads((tmp_path / workdir.CONFIG_FILE).read_text())
    assert content["config"] == base.get_config().to_dict()
    assert content["dataset_fingerprint"] == "data-1"
    workdir.check(tmp_path, identity_of())
    assert workdir.read(tmp_path) == identity_of()


def test_another_config_is_refused_and_nothing_is_changed(tmp_path):
    workdir.bind(tmp_path, identity_of())
    before = (tmp_path / workdir.CONFIG_FILE).read_text()
    config = base.get_config()
    config.seed = 7
    config.optimizer.adam_b1 = 0.5
    words = r"another config: optimizer.adam_b1 .*, seed \(there 0, now 7\)"
    with pytest.raises(InputError, match=words):
        workdir.check(tmp_path, identity_of(config))
    assert (tmp_path / workdir.CONFIG_FILE).read_text() == before


def test_fields_that_do_not_change_the_result_may_change(tmp_path):
    workdir.bind(tmp_path, identity_of())
    config = base.get_config()
    config.log_every = 7
    config.data.workers = 1
    workdir.check(tmp_path, identity_of(config))


def test_what_only_an_sgan_has_binds_an_sgan_alone(tmp_path):
    for method in ("supervised", "sgan"):
        folder = tmp_path / method
        folder.mkdir()
        workdir.bind(folder, identity_of(base.get_config(method)))
        config = base.get_config(method)
        config.loss.contrast = 0.7
        if method == "supervised":
            workdir.check(folder, identity_of(config))
        else:
            with pytest.raises(InputError, match=r"another config: loss\.contrast"):
                workdir.check(folder, identity_of(config))


def test_what_only_a_game_has_binds_a_game_alone(tmp_path):
    for rate in (0.0, 1e-5):
        folder = tmp_path / str(rate)
        folder.mkdir()
        config = base.get_config("sgan")
        config.optimizer.update(unsupervised_learning_rate=rate, generator_learning_rate=rate)
        workdir.bind(folder, identity_of(config))
        config.loss.feature_matching = True
        if rate:
            with pytest.raises(InputError, match=r"another config: loss\.feature_matching"):
                workdir.check(folder, identity_of(config))
        else:
            workdir.check(folder, identity_of(config))
            config.optimizer.generator_learning_rate = 1e-5
            with pytest.raises(InputError, match=r"optimizer\.generator_learning_rate"):
                workdir.check(folder, identity_of(config))


def test_what_a_newer_version_brings_was_off_before(tmp_path):
    config = base.get_config()
    before = identity_of(config)
    del before.config["data"]["labelled_sources"]
    workdir.bind(tmp_path, before)
    workdir.check(tmp_path, identity_of(config))
    config.data.labelled_sources = "more.zip"
    with pytest.raises(InputError, match=r"data\.labelled_sources \(there None, now 'more\.zip'\)"):
        workdir.check(tmp_path, identity_of(config))


def test_what_a_run_starts_from_is_known_by_content(tmp_path):
    config = base.get_config()
    config.pretrained = "runs/model"
    workdir.bind(tmp_path, workdir.identity(config, "data-1", {"sha256": "a" * 64}))
    config.pretrained = "elsewhere/model"
    workdir.check(tmp_path, workdir.identity(config, "data-1", {"sha256": "a" * 64}))
    for other, told in (({"sha256": "b" * 64}, "b" * 12), (None, "random ones")):
        words = rf"started from other weights \(there a{{12}}, now {told}\)"
        with pytest.raises(InputError, match=words):
            workdir.check(tmp_path, workdir.identity(config, "data-1", other))


def test_runs_that_know_of_no_weights_started_from_random_ones(tmp_path):
    workdir.bind(tmp_path, identity_of())
    path = tmp_path / workdir.CONFIG_FILE
    content = json.loads(path.read_text())
    del content["pretrained"], content["config"]["pretrained"]
    path.write_text(json.dumps(content))
    workdir.check(tmp_path, identity_of())
    with pytest.raises(InputError, match="there random ones, now bbb"):
        workdir.check(tmp_path, workdir.identity(base.get_config(), "data-1", {"sha256": "b" * 64}))


def test_another_data_set_is_refused(tmp_path):
    workdir.bind(tmp_path, identity_of())
    with pytest.raises(InputError, match=r"another data set \(there data-1, now data-2\)"):
        workdir.check(tmp_path, identity_of(fingerprint="data-2"))


@pytest.mark.parametrize("text", ["{", "[]", '{"config": {}}', "", '{"config": 1}'])
def test_foreign_config_file_is_refused(tmp_path, text):
    (tmp_path / workdir.CONFIG_FILE).write_text(text)
    with pytest.raises(InputError, match="is not the config of a run"):
        workdir.check(tmp_path, identity_of())


def test_folder_without_a_run_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"no network in .*; train first"):
        workdir.read(tmp_path)


def test_checkpoints_without_config_are_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="checkpoints but no"):
        workdir.check(tmp_path, identity_of())


def test_second_run_is_refused_until_the_first_ends(tmp_path):
    folder = tmp_path / "deep" / "run"
    with workdir.lock(folder), pytest.raises(InputError, match="another run"), workdir.lock(folder):
        pass
    with workdir.lock(folder):
        pass


def _hold_and_die(folder):
    with workdir.lock(folder):
        os.kill(os.getpid(), 9)


def test_a_folder_made_for_nothing_is_taken_away(tmp_path):
    with pytest.raises(InputError, match="no data"), workdir.lock(tmp_path / "run"):
        raise InputError("no data")
    assert not (tmp_path / "run").exists()
    with workdir.lock(tmp_path / "run"):
        (tmp_path / "run" / "config.json").write_text("{}")
    assert (tmp_path / "run" / "config.json").exists()


def test_files_that_cannot_be_written_are_an_error_of_one_line(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(InputError, match=r"cannot read or write .* No space"),
        workdir.lock(tmp_path),
    ):
        raise full


def test_lock_of_a_killed_run_is_gone(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -9
    with workdir.lock(tmp_path):
        pass


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        workdir.lock(tmp_path / "file" / "x"),
    ):
        pass


def test_atomic_write_leaves_only_the_file(tmp_path):
    workdir.write_atomically(tmp_path / "a.json", "one")
    workdir.write_atomically(tmp_path / "a.json", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "two"
