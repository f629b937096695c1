import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_gen.errors import InputError
from sgan_jax.checkpoint import FOLDER, Checkpoints, has_checkpoint, open_checkpoints
from sgan_jax.state import SganState
from sgan_jax.workdir import Identity

RUN = Identity({"seed": 0, "log_every": 50}, "data-1")


def make_state(step: int) -> SganState:
    weights = jax.random.normal(jax.random.key(step), (20_000,))
    return SganState(
        step=jnp.int32(step),
        params={"w": weights},
        ema_params={"w": weights / 2},
        opt_state=(),
        generator=None,
    )


def opened(workdir, keep=2, identity=RUN):
    return open_checkpoints(workdir, keep, identity)


def save(workdir, *steps: int, keep=2, top1=None) -> None:
    """Saves a state at each step; `top1` maps steps to their validation accuracies."""
    with opened(workdir, keep) as checkpoints:
        for step in steps:
            checkpoints.save(make_state(step), {"seconds": 1.5 * step}, (top1 or {}).get(step))


def restore(checkpoints: Checkpoints, step: int) -> SganState:
    return checkpoints.restore(make_state(0), step)


def test_state_comes_back_bit_for_bit(tmp_path):
    save(tmp_path, 10, 20)
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == [10, 20]
        state = restore(checkpoints, 20)
        assert checkpoints.progress(20) == {"seconds": 30.0}
    jax.tree.map(np.testing.assert_array_equal, state, make_state(20))


def test_old_checkpoints_are_pruned(tmp_path):
    save(tmp_path, 1, 2, 3, 4)
    assert sorted(os.listdir(tmp_path / FOLDER)) == ["3", "4"]


def test_best_is_kept_and_chosen_the_latest_of_equals(tmp_path):
    save(tmp_path, 1, 2, 3, 4, 5, 6, top1={1: 0.3, 2: 0.5, 3: 0.5, 4: 0.2, 5: 0.4, 6: 0.1})
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == [3, 5, 6]
        assert checkpoints.chosen == (3, "the best on the validation set", 0.5)
    save(tmp_path, 7, 8, 9, top1={7: 0.6})
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == [7, 8, 9]
        assert checkpoints.chosen.step == 7


def test_without_a_validation_set_the_last_is_chosen(tmp_path):
    save(tmp_path, 1, 2, 3)
    with opened(tmp_path) as checkpoints:
        step, reason, top1 = checkpoints.chosen
    assert (step, top1) == (3, None)
    assert reason.startswith("the last")


def test_state_saved_because_of_an_interruption_is_never_the_best(tmp_path):
    save(tmp_path, 10, 13, keep=1, top1={10: 0.1})
    with opened(tmp_path, keep=1) as checkpoints:
        assert checkpoints.steps == [10, 13]
        assert checkpoints.chosen.step == 10


def test_saved_state_is_the_one_that_was_given(tmp_path):
    state = make_state(1)
    add = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)
    with opened(tmp_path) as checkpoints:
        checkpoints.save(state, {}, None)
        for _ in range(5):
            state = add(state)
    with opened(tmp_path) as checkpoints:
        saved = restore(checkpoints, 1)
    np.testing.assert_array_equal(saved.params["w"], make_state(1).params["w"])


def test_interrupted_save_is_not_taken_for_whole_and_taken_away(tmp_path):
    save(tmp_path, 10)
    complete = tmp_path / FOLDER / "10"
    for name in ("20.orbax-checkpoint-tmp", "30.orbax-checkpoint-tmp-123"):
        shutil.copytree(complete, complete.with_name(name))
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == [10]
        checkpoints.save(make_state(20), {}, None)
    assert sorted(os.listdir(tmp_path / FOLDER)) == ["10", "20"]


def test_only_a_whole_checkpoint_is_one(tmp_path):
    assert not has_checkpoint(tmp_path)
    folder = tmp_path / FOLDER
    (folder / "10.orbax-checkpoint-tmp").mkdir(parents=True)
    (folder / "7").write_text("no folder")
    assert not has_checkpoint(tmp_path)
    save(tmp_path, 20)
    assert has_checkpoint(tmp_path)


def test_no_checkpoint(tmp_path):
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == []
        with pytest.raises(InputError, match=r"no checkpoint .* yet; train first"):
            _ = checkpoints.chosen


def largest_file(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


# Reads that a failed one leaves behind, on threads of Orbax's, may find their event loop closed.
leaves_reads_behind = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
)


@leaves_reads_behind
@pytest.mark.parametrize("damage", [cut, flip_a_bit, Path.unlink])
def test_damaged_numbers_are_refused(tmp_path, damage):
    save(tmp_path, 10, 20)
    damage(largest_file(tmp_path / FOLDER / "20" / "state"))
    with opened(tmp_path) as checkpoints:
        with pytest.raises(InputError, match=rf"{FOLDER}/20 is damaged .*move it away"):
            restore(checkpoints, 20)
        assert restore(checkpoints, 10).step == 10


@leaves_reads_behind
@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_damaged_text_is_refused(tmp_path, damage):
    save(tmp_path, 10, 20)
    damage(largest_file(tmp_path / FOLDER / "20" / "about"))
    with opened(tmp_path) as checkpoints, pytest.raises(InputError, match="is damaged"):
        restore(checkpoints, 20)


def test_damaged_accuracy_is_refused(tmp_path):
    save(tmp_path, 10, top1={10: 0.5})
    cut(tmp_path / FOLDER / "10" / "metrics" / "metrics")
    with pytest.raises(InputError, match=f"{FOLDER} cannot be used"), opened(tmp_path):
        pass


def test_renamed_checkpoint_is_refused(tmp_path):
    save(tmp_path, 10)
    (tmp_path / FOLDER / "10").rename(tmp_path / FOLDER / "20")
    with opened(tmp_path) as checkpoints, pytest.raises(InputError, match="not those that were"):
        restore(checkpoints, 20)


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / FOLDER / "7").mkdir(parents=True)
    (tmp_path / FOLDER / "7" / "weights.bin").write_text("x")
    with opened(tmp_path) as checkpoints, pytest.raises(InputError, match="of another network"):
        restore(checkpoints, 7)


@pytest.mark.parametrize("weights", [{"w": jnp.ones(3)}, {"w": jnp.ones(20_000), "v": jnp.ones(3)}])
def test_checkpoint_of_another_network_is_refused(tmp_path, weights):
    save(tmp_path, 10)
    like = make_state(0).replace(params=weights)
    with opened(tmp_path) as checkpoints, pytest.raises(InputError, match="of another network"):
        checkpoints.restore(like, 10)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"config": {"seed": 3, "log_every": 50}},
            r"checkpoints/10 .* config: seed \(there 0, now 3",
        ),
        (
            {"dataset_fingerprint": "data-2"},
            r"checkpoints/10 .* data set \(there data-1, now data-2",
        ),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path, changes, words):
    save(tmp_path, 10)
    other = replace(RUN, **changes)
    with opened(tmp_path, 2, other) as checkpoints, pytest.raises(InputError, match=words):
        restore(checkpoints, 10)


def test_fields_without_effect_may_differ(tmp_path):
    save(tmp_path, 10)
    with opened(tmp_path, identity=replace(RUN, config={"seed": 0, "log_every": 1})) as checkpoints:
        assert restore(checkpoints, 10).step == 10


FULL_DISK = """
import resource, sys
from data_gen.errors import InputError
from tests.test_checkpoint import Path, save
workdir = Path(sys.argv[1])
save(workdir, 10, keep=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save(workdir, 20, 30, keep=1)
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
    with opened(tmp_path) as checkpoints:
        assert checkpoints.steps == [10]
        assert restore(checkpoints, 10).step == 10
