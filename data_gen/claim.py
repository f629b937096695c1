"""One folder, one process at a time, and nothing left of it if the work fails."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from data_gen.errors import InputError

_LOCK_FILE = ".lock"


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Makes a folder and holds it for this process; waits while another process holds it.

    The claim ends with the process however that ends. On leaving, folders that were made for it
    and are still empty are removed.

    Raises:
        InputError: The folder cannot be made or written to, at first or in the course of the work.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    handle = None
    try:
        handle = _lock(folder / _LOCK_FILE)
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror or error}; "
            "make room there or choose another data directory"
        ) from error
    finally:
        if handle is not None:
            (folder / _LOCK_FILE).unlink(missing_ok=True)
            os.close(handle)
        _remove_empty(made)


def _lock(path: Path) -> int:
    """Opens and locks a file, anew if its last holder removed it in the meantime."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process to leave {path.parent}", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
