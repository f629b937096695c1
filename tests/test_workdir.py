import json
import multiprocessing
import os

import pytest

from configs import base
from data_gen.errors import InputError
from sgan_jax import workdir


def test_a_new_folder_is_bound_to_its_config(tmp_path):
    config = base.get_config()
    workdir.check(tmp_path, config, "data-1")
    assert not any(tmp_path.iterdir())
    workdir.bind(tmp_path, config, "data-1")
    content = json.loads((tmp_path / workdir.CONFIG_FILE).read_text())
    assert content["config"] == config.to_dict()
    assert content["dataset_fingerprint"] == "data-1"
    workdir.check(tmp_path, config, "data-1")


def test_another_config_is_refused_and_nothing_is_changed(tmp_path):
    config = base.get_config()
    workdir.bind(tmp_path, config, "data-1")
    before = (tmp_path / workdir.CONFIG_FILE).read_text()
    config.seed = 7
    config.optimizer.adam_b1 = 0.5
    with pytest.raises(InputError, match=r"another config: optimizer.adam_b1 .*, seed .*now 7"):
        workdir.check(tmp_path, config, "data-1")
    assert (tmp_path / workdir.CONFIG_FILE).read_text() == before


def test_fields_that_do_not_change_the_result_may_change(tmp_path):
    config = base.get_config()
    workdir.bind(tmp_path, config, "data-1")
    config.log_every = 7
    config.data.workers = 1
    workdir.check(tmp_path, config, "data-1")


def test_another_data_set_is_refused(tmp_path):
    workdir.bind(tmp_path, base.get_config(), "data-1")
    with pytest.raises(InputError, match="data set has changed"):
        workdir.check(tmp_path, base.get_config(), "data-2")


@pytest.mark.parametrize("text", ["{", "[]", '{"config": {}}', ""])
def test_foreign_config_file_is_refused(tmp_path, text):
    (tmp_path / workdir.CONFIG_FILE).write_text(text)
    with pytest.raises(InputError, match="is not the config of a run"):
        workdir.check(tmp_path, base.get_config(), "data-1")


def test_checkpoints_without_config_are_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="checkpoints but no"):
        workdir.check(tmp_path, base.get_config(), "data-1")


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
