"""One process at a time in a folder, and nothing left of a failure."""

import subprocess
import sys

import pytest

from data_gen.claim import claim
from data_gen.errors import InputError

HOLDER = """
import sys
from pathlib import Path
from data_gen.claim import claim
with claim(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.readline()
    (Path(sys.argv[1]) / "result").write_text("done")
"""


def test_made_folders_go_if_they_stay_empty(tmp_path):
    with claim(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_result_and_older_folders_stay(tmp_path):
    (tmp_path / "old").mkdir()
    with claim(tmp_path / "old" / "new"):
        (tmp_path / "old" / "new" / "result").write_text("done")
    assert [path.name for path in (tmp_path / "old" / "new").iterdir()] == ["result"]
    with claim(tmp_path / "old" / "empty"):
        pass
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]


def test_full_disk_in_the_course_of_the_work_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="No space left"), claim(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def start_holder(folder) -> subprocess.Popen:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_second_process_waits_for_the_first(tmp_path):
    first = start_holder(tmp_path / "a")
    assert first.stdout is not None
    assert first.stdout.readline() == "holds\n"
    second = start_holder(tmp_path / "a")
    assert second.stderr is not None
    assert second.stderr.readline().startswith("waiting for another process")
    first.communicate("go\n", timeout=30)
    assert second.communicate("go\n", timeout=30)[0] == "holds\n"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["result"]


def test_claim_ends_with_a_killed_process(tmp_path):
    first = start_holder(tmp_path / "a")
    assert first.stdout is not None
    assert first.stdout.readline() == "holds\n"
    first.kill()
    first.communicate()
    with claim(tmp_path / "a"):
        pass
    assert list((tmp_path / "a").iterdir()) == []
