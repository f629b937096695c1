import subprocess
import sys
from pathlib import Path

import numpy as np

from sgan_jax.tensorboard import FOLDER, event_writer, read_history


def write(workdir, start, steps, offset=0.0):
    with event_writer(workdir, start) as events:
        for step in steps:
            events.scalars(step, {"loss/supervised": step + offset, "accuracy/test": 0.5})


def test_history_comes_back_whole(tmp_path):
    write(tmp_path, 0, range(1, 2001))
    history = read_history(tmp_path)
    assert set(history) == {"loss/supervised", "accuracy/test"}
    steps, values = history["loss/supervised"]
    np.testing.assert_array_equal(steps, np.arange(1, 2001))
    np.testing.assert_array_equal(values, np.arange(1, 2001))


def test_no_history_is_empty(tmp_path):
    assert read_history(tmp_path) == {}


def test_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path):
    write(tmp_path, 0, range(1, 10))
    write(tmp_path, 5, range(6, 13), offset=100.0)
    steps, values = read_history(tmp_path)["loss/supervised"]
    np.testing.assert_array_equal(steps, np.arange(1, 13))
    np.testing.assert_array_equal(values, [1, 2, 3, 4, 5, *range(106, 113)])


def test_run_cut_off_before_its_first_checkpoint_is_replaced(tmp_path):
    write(tmp_path, 0, range(1, 10))
    (file,) = (tmp_path / FOLDER).iterdir()
    file.rename(file.with_name("events.out.tfevents.1000000000.host"))  # it is not of this second
    write(tmp_path, 0, range(1, 4), offset=100.0)
    steps, values = read_history(tmp_path)["loss/supervised"]
    np.testing.assert_array_equal(steps, [1, 2, 3])
    np.testing.assert_array_equal(values, [101, 102, 103])


def test_event_file_cut_off_in_mid_record(tmp_path):
    write(tmp_path, 0, range(1, 10))
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    write(tmp_path, 5, range(6, 9))
    np.testing.assert_array_equal(read_history(tmp_path)["loss/supervised"][0], np.arange(1, 9))


def test_images_are_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pixels = np.zeros((4, 6, 3), np.uint8)
    with event_writer(tmp_path, 0) as events:
        events.images(3, {"confusion_matrix": pixels})
    events = EventAccumulator(str(tmp_path / FOLDER))
    events.Reload()
    (image,) = events.Images("confusion_matrix")
    assert (image.step, image.height, image.width) == (3, 4, 6)


FULL_DISK = """
import resource, sys
from tests.test_tensorboard import Path, write
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write(Path(sys.argv[1]), 0, range(1, 2001))
except OSError as error:
    print(error)
"""


def test_full_disk_is_an_error_and_no_endless_wait(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "File too large" in done.stdout
