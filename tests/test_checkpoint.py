import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax.checkpoint import FOLDER, open_checkpoints
from sgan_jax.state import SganState


def make_state(step: int) -> SganState:
    weights = jax.random.normal(jax.random.key(step), (20_000,))
    return SganState(
        step=jnp.int32(step),
        params={"w": weights},
        ema_params={"w": weights / 2},
        opt_state=(),
        generator=None,
    )


def save(workdir, *steps: int) -> None:
    with open_checkpoints(workdir, keep=2) as checkpoints:
        for step in steps:
            checkpoints.save(make_state(step), {"seconds": 1.5 * step})


def test_last_state_comes_back_bit_for_bit(tmp_path):
    save(tmp_path, 10, 20)
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest_step == 20
        state, progress = checkpoints.restore(make_state(0))
    jax.tree.map(np.testing.assert_array_equal, state, make_state(20))
    assert progress == {"seconds": 30.0}


def test_old_checkpoints_are_pruned(tmp_path):
    save(tmp_path, 1, 2, 3, 4)
    assert sorted(os.listdir(tmp_path / FOLDER)) == ["3", "4"]


def test_saved_state_is_the_one_that_was_given(tmp_path):
    state = make_state(1)
    add = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)
    with open_checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state, {})
        for _ in range(5):
            state = add(state)
    with open_checkpoints(tmp_path, keep=1) as checkpoints:
        saved, _ = checkpoints.restore(make_state(0))
    np.testing.assert_array_equal(saved.params["w"], make_state(1).params["w"])


def test_interrupted_save_is_not_taken_for_whole(tmp_path):
    save(tmp_path, 10)
    complete = tmp_path / FOLDER / "10"
    shutil.copytree(complete, complete.with_name("20.orbax-checkpoint-tmp-123"))
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest_step == 10


def test_no_checkpoint(tmp_path):
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest_step is None
        with pytest.raises(InputError, match="no checkpoint"):
            checkpoints.restore(make_state(0))


def test_damaged_checkpoint(tmp_path):
    save(tmp_path, 10, 20)
    metadata = tmp_path / FOLDER / "20" / "state" / "_METADATA"
    os.truncate(metadata, metadata.stat().st_size // 2)
    with (
        open_checkpoints(tmp_path, keep=2) as checkpoints,
        pytest.raises(InputError, match=rf"{FOLDER}/20 is damaged .*move it away"),
    ):
        checkpoints.restore(make_state(0))
    shutil.rmtree(tmp_path / FOLDER / "20")
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(make_state(0))[0].step == 10


def test_foreign_checkpoint(tmp_path):
    (tmp_path / FOLDER / "7").mkdir(parents=True)
    (tmp_path / FOLDER / "7" / "weights.bin").write_text("x")
    with (
        open_checkpoints(tmp_path, keep=2) as checkpoints,
        pytest.raises(InputError, match="damaged or of another network"),
    ):
        checkpoints.restore(make_state(0))


def test_checkpoint_of_another_network(tmp_path):
    save(tmp_path, 10)
    with (
        open_checkpoints(tmp_path, keep=2) as checkpoints,
        pytest.raises(InputError, match="damaged or of another network"),
    ):
        checkpoints.restore(make_state(0).replace(params={"w": jnp.ones(3), "v": jnp.ones(3)}))


FULL_DISK = """
import resource, sys
from data_gen.errors import InputError
from tests.test_checkpoint import Path, save
workdir = Path(sys.argv[1])
save(workdir, 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save(workdir, 20)
except InputError as error:
    print(error)
"""


def test_full_disk_is_an_error_and_the_last_checkpoint_stays(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert f"cannot be written to {tmp_path / FOLDER}" in done.stdout
    assert "goes on from step 10" in done.stdout
    with open_checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(make_state(0))[0].step == 10
