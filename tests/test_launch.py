"""launch.sh: usage, the choice of a Python, and an environment made once and repaired when due.

The environments here are real but tiny: a project of one module and one pinned, hashed package,
both built by the test, so that nothing is fetched.
"""

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCH = Path(__file__).resolve().parents[1] / "launch.sh"

BACKEND = """\
import pathlib, zipfile


def write_wheel(folder, name, files):
    info = f"{name}-1.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/RECORD": "",
    }
    path = pathlib.Path(folder) / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in files.items():
            wheel.writestr(zipfile.ZipInfo(member), text)
    return path.name


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, "project", {"project.pth": str(pathlib.Path.cwd())})
"""
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with launch.sh and a project small enough to install in seconds."""
    root = tmp_path / "a project"
    (root / "sgan_jax").mkdir(parents=True)
    shutil.copy(LAUNCH, root)
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "sgan_jax" / "main.py").write_text("import pinned, sys\nprint(sys.argv[1:])\n")
    (root / "requirements.lock").write_text(lock_line(root))
    return root


def lock_line(root: Path) -> str:
    """The requirement line, with hash, of a one-module wheel written beside `root`."""
    write_wheel = runpy.run_path(str(root / "backend.py"))["write_wheel"]
    wheel = root.parent / write_wheel(root.parent, "pinned", {"pinned.py": ""})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"pinned @ {wheel.as_uri()} --hash=sha256:{digest}\n"


def launch(root: Path, *arguments: str, python: str = sys.executable) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [root / LAUNCH.name, *arguments],
        env=os.environ | {"PYTHON": python},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_help_names_the_commands() -> None:
    code, out, _ = finish(launch(LAUNCH.parent, "--help"))
    assert code == 0
    assert "--config=configs/quickstart.py" in out
    assert "./launch.sh test" in out


@pytest.mark.parametrize("arguments", [(), ("tests",)])
def test_without_a_command_it_explains_itself(arguments: tuple[str, ...]) -> None:
    code, out, err = finish(launch(LAUNCH.parent, *arguments))
    assert code == 2
    assert out == ""
    assert err.startswith("usage:")


@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_unsuitable_python_is_refused(project: Path, python: str) -> None:
    code, _, err = finish(launch(project, "env", python=python))
    assert code == 1
    assert err.startswith("error: no Python 3.11, 3.12 or 3.13 among: " + python)
    assert not (project / ".venv").exists()


def test_environment_is_made_once_and_repaired(project: Path) -> None:
    lock = project / "requirements.lock"
    right, stamp = lock.read_text(), project / ".venv" / "packages"
    wrong = right.replace("sha256:", "sha256:0000")[:-5] + "\n"

    lock.write_text(wrong)
    code, _, err = finish(launch(project, "--config=x.py"))
    assert code == 1
    assert "error: the packages of requirements.lock were not installed" in err
    assert not stamp.exists()

    lock.write_text(right)
    code, out, err = finish(launch(project, "--config=x.py", "--config.seed=1 2"))
    assert (code, out) == (0, "['--config=x.py', '--config.seed=1 2']\n")
    assert "making the environment" in err

    made = stamp.stat().st_mtime_ns
    code, out, err = finish(launch(project, "--config=y.py", python=""))
    assert (code, out, err) == (0, "['--config=y.py']\n", "")

    (project / "pyproject.toml").write_text(PYPROJECT + "# another version\n")
    code, out, err = finish(launch(project, "env"))
    assert (code, out) == (0, "")
    assert "making the environment" not in err
    assert stamp.stat().st_mtime_ns == made

    lock.write_text(wrong)
    code, _, _ = finish(launch(project, "env"))
    assert code == 1, "a changed lock is installed anew"
    assert not stamp.exists()


def test_two_launches_at_once_make_one_environment(project: Path) -> None:
    if shutil.which("flock") is None:
        pytest.skip("no flock on this machine: launches are not kept apart")
    results = [finish(p) for p in [launch(project, "--config=x.py") for _ in range(2)]]
    assert [(code, out) for code, out, _ in results] == [(0, "['--config=x.py']\n")] * 2
    assert sorted("making the environment" in err for _, _, err in results) == [False, True]
