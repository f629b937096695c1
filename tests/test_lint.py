"""The tree itself: style, types, no address or path of one machine, a lock file that fits."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

REGISTRY_ADDRESS = re.compile(
    r"pythonhosted\.org|pypi\.org|--(extra-)?index-url|--find-[l]inks", re.I
)
MACHINE_PATH = re.compile(r"(?<![\w.~}/])/(?:root|home|work|opt|mnt|Users)/[\w.]")
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?P<more> \\)?$")


def check(*command: str) -> None:
    """Fails the test with the command's own report."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"{command[0]}:\n{done.stdout}{done.stderr}", pytrace=False)


def committed_texts() -> Iterator[tuple[str, str]]:
    """(path, text) of each file that git holds or would take; binary files are passed over."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        pytest.skip(f"not a git checkout: {listing.stderr.strip()}")
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode(errors="replace")


def locked_versions() -> dict[str, str]:
    """Version by canonical name, each line of the lock having been found well-formed."""
    versions: dict[str, str] = {}
    more = False
    for number, line in enumerate((ROOT / "requirements.lock").read_text().splitlines(), 1):
        match = (HASH if more else PIN).match(line)
        assert match, f"requirements.lock:{number}: {line}"
        if not more:
            name = canonicalize_name(match["name"])
            assert name not in versions, f"{name} is pinned twice"
            versions[name] = match["version"]
        more = not more or match["more"] is not None
    assert not more, "the last pin has no hash"
    return versions


def declared_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]


def test_style() -> None:
    check("ruff", "check", "--quiet", ".")


def test_format() -> None:
    check("ruff", "format", "--check", ".")


def test_types() -> None:
    check("basedpyright", "--pythonpath", sys.executable)


@pytest.mark.parametrize("pattern", [REGISTRY_ADDRESS, MACHINE_PATH], ids=["registry", "path"])
def test_no_address_of_one_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name}: {match[0]}"
        for name, text in committed_texts()
        for match in pattern.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize("parts", [("home", "me", "data"), ("root", ".venv"), ("Users", "me")])
def test_machine_paths_are_recognised(parts: tuple[str, ...]) -> None:
    path = "/".join(parts)
    assert MACHINE_PATH.search(f'open("/{path}")')
    assert not MACHINE_PATH.search(f"see docs/{path}")


def test_lock_holds_every_dependency_within_its_range() -> None:
    versions = locked_versions()
    for requirement in declared_requirements():
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock"
        assert version in requirement.specifier, f"{requirement} but {version} is locked"
