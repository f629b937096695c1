"""The packages that are compared, and the virtual environments they live in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from data_gen.errors import InputError

PEERS_FOLDER = Path(__file__).parent / "peers"
DEFAULT_FOLDER = Path(__file__).parent / ".environments"


@dataclass(frozen=True)
class Package:
    """A package and where it runs.

    Attributes:
        label: Its name in the tables.
        script: File in `PEERS_FOLDER`.
        environment: Name of its own environment and of its requirements file; empty for the
            environment of this process.
        pythons: Minor versions of Python 3 that it runs on, the best first.
    """

    label: str
    script: str
    environment: str = ""
    pythons: tuple[int, ...] = ()

    def python(self, folder: Path) -> Path | None:
        """Returns the interpreter of its environment, None if that is not installed."""
        if not self.environment:
            return Path(sys.executable)
        path = folder / self.environment / "bin" / "python"
        return path if (path.parent.parent / _DONE).exists() else None


OURS = Package("ours", "run_ours.py")
CCTBX = Package("cctbx", "run_cctbx.py", "cctbx", (11, 12, 13))
GEMMI = Package("gemmi, Python loop", "run_gemmi.py")
BRAGGCALCULATOR = Package("braggcalculator", "run_braggcalculator.py", "braggcalculator", (12, 13))
PYMATGEN = Package("pymatgen", "run_pymatgen.py")
PYMATGEN_2024 = Package("pymatgen", "run_pymatgen.py", "pymatgen_2024", (11, 12))
OURS_TRAINING = Package("ours", "run_ours_training.py")
TORCH = Package("PyTorch", "run_torch.py", "torch", (11, 12, 13))

_DONE = "complete"  # file that says that everything was installed


def make_environments(folder: Path, packages: Iterable[Package]) -> None:
    """Makes the environments that are missing.

    Args:
        folder: Where they are.
        packages: What needs them; a package without an environment of its own needs none.

    Raises:
        InputError: No suitable Python is found, or something cannot be installed.
    """
    for package in packages:
        if package.python(folder) is not None:
            continue
        target = folder / package.environment
        print(f"installing {package.environment} into {target}", file=sys.stderr)
        shutil.rmtree(target, ignore_errors=True)
        requirements = PEERS_FOLDER / f"{package.environment}.txt"
        _run([_interpreter(package), "-m", "venv", str(target)])
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, "--requirement", str(requirements)])
        (target / _DONE).touch()


def run_script(
    package: Package,
    folder: Path,
    arguments: Iterable[object],
    settings: Mapping[str, str] | None = None,
) -> None:
    """Runs a package's script in its environment.

    Args:
        package: Whose environment is there.
        folder: Of the environments.
        arguments: Of the script.
        settings: Environment variables besides those of this process.

    Raises:
        InputError: It failed.
    """
    script = PEERS_FOLDER / package.script
    command = [str(package.python(folder)), str(script), *map(str, arguments)]
    root = str(Path(__file__).resolve().parents[1])
    variables = os.environ | (settings or {}) | {"PYTHONPATH": root}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{script.name} failed: {reason}")


def _interpreter(package: Package) -> str:
    """Returns the first interpreter that has one of the package's versions of Python."""
    if sys.version_info.minor in package.pythons:
        return sys.executable
    for minor in package.pythons:
        name = f"python3.{minor}"
        if shutil.which(name) and _works(name):
            return name
    wanted = " or ".join(f"python3.{minor}" for minor in package.pythons)
    raise InputError(f"{package.environment} needs {wanted}: put it on the PATH")


def _works(name: str) -> bool:
    """Returns whether a command of that name runs; a version manager's stand-in may not."""
    return subprocess.run([name, "--version"], capture_output=True).returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{' '.join(command)} failed: {reason}")
