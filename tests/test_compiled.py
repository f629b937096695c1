import shutil
import subprocess
import sys
from pathlib import Path

import data_gen.kernels
from data_gen.kernels import batch

PROBE = """
from kernels.caller import twice
print(twice(3), sum(twice.stats.cache_hits.values()))
"""
CALLEE = "from kernels.compiled import kernel\n\n\n@kernel\ndef inner(x):\n    return {} * x\n"
CALLER = """
from kernels.callee import inner
from kernels.compiled import kernel


@kernel
def twice(x):
    return inner(x)
"""


def test_a_change_in_another_file_makes_compiled_code_stale(tmp_path):
    """A copy of the decorator in a folder of two files, one calling the other's function."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    shutil.copy(Path(data_gen.kernels.__file__).parent / "compiled.py", folder)
    (folder / "__init__.py").touch()
    (folder / "caller.py").write_text(CALLER)

    def run(factor):
        (folder / "callee.py").write_text(CALLEE.format(factor))
        command = [sys.executable, "-B", "-c", PROBE]  # the file changes twice in a second
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run(2) == ["6", "0"]
    assert run(2) == ["6", "1"]
    assert run(5) == ["15", "0"]


def test_the_drivers_hold_no_interpreter_lock():
    assert batch.fill_patterns.targetoptions["nogil"]
    assert batch.stick_lists.targetoptions["nogil"]
