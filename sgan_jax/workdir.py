"""The folder of one run: it belongs to one config and one data set, and one process at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from data_gen.errors import InputError

CONFIG_FILE = "config.json"

_HARMLESS = {
    "log_every",
    "eval_every",
    "checkpoint_every",
    "checkpoints_to_keep",
    "data.dir",
    "data.workers",
}
"""Fields that do not change what is trained, so that a run may go on with other values."""


@contextlib.contextmanager
def lock(workdir: Path) -> Iterator[None]:
    """Holds a run's folder, which is made if need be, for this process alone.

    The lock is the operating system's: it ends with the process, however that ends. A folder that
    was made for nothing, since the run failed before it left anything there, is taken away again.

    Raises:
        InputError: The folder cannot be written, or another run is in it.
    """
    path = workdir / "lock"
    made = not workdir.exists()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise InputError(
            f"workdir {workdir} cannot be written ({error.strerror}); name another by --workdir=DIR"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run is working in {workdir}; wait for it or name another --workdir=DIR"
            ) from error
        try:
            yield
        finally:
            if made and list(workdir.iterdir()) == [path]:
                path.unlink()
                workdir.rmdir()


def check(workdir: Path, config: ConfigDict, fingerprint: str) -> None:
    """Checks that a folder is free or bound to this config and data set.

    Args:
        workdir: The run's folder, locked.
        config: The run's config.
        fingerprint: Identity of the data set.

    Raises:
        InputError: The folder belongs to another config or data set, or holds something else.
    """
    path = workdir / CONFIG_FILE
    if path.exists():
        _check_same(workdir, _read(path), _fields(config), fingerprint)
    elif (workdir / "checkpoints").exists():
        raise InputError(f"{workdir} has checkpoints but no {CONFIG_FILE}; name another workdir")


def bind(workdir: Path, config: ConfigDict, fingerprint: str) -> None:
    """Binds a folder, locked and checked, to a config and a data set.

    This comes after the data have been read, so that a config whose data cannot be used does not
    bar the folder to the config that is put right.
    """
    content = {"config": _fields(config), "dataset_fingerprint": fingerprint}
    write_atomically(workdir / CONFIG_FILE, json.dumps(content, indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader finds the old one or the new one, whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _check_same(
    workdir: Path, bound: dict[str, Any], config_fields: dict[str, Any], fingerprint: str
) -> None:
    old, new = _flatten(bound["config"]), _flatten(config_fields)
    changed = sorted(
        f"{name} (there {old.get(name)!r}, now {new.get(name)!r})"
        for name in (old.keys() | new.keys()) - _HARMLESS
        if old.get(name) != new.get(name)
    )
    if changed:
        raise InputError(
            f"{workdir} belongs to another config: {', '.join(changed)}; "
            "name another --workdir=DIR or use the same values"
        )
    if bound["dataset_fingerprint"] != fingerprint:
        raise InputError(
            f"the data set has changed since the run in {workdir} began (its sources or the code "
            "that simulates them); restore them or name another --workdir=DIR"
        )


def _fields(config: ConfigDict) -> dict[str, Any]:
    """A config's fields as JSON gives them back."""
    return json.loads(config.to_json())


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
        return {name: content[name] for name in ("config", "dataset_fingerprint")}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the config of a run; name another --workdir=DIR"
        ) from error


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in tree.items():
        flat |= (
            _flatten(value, f"{prefix}{name}.")
            if isinstance(value, dict)
            else {prefix + name: value}
        )
    return flat
