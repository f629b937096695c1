"""How the hot functions are compiled: with numba, cached on disk, without the interpreter lock."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import (
    CacheImpl,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

_folders = {Path(__file__).resolve().parent}


def stamp_whole_folder(file: str) -> None:
    """Makes compiled functions stale as soon as any file beside `file` changes."""
    _folders.add(Path(file).resolve().parent)


@cache
def _digest_of(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(folder.glob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


class _WholeFolder:
    """Makes compiled code of a folder stale as soon as any of its files changes.

    numba looks at a function's own file alone, but functions here call those of other files.
    """

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:  # noqa: ANN401
        folder = Path(py_file).resolve().parent
        if folder not in _folders:
            return None
        locator = super().from_function(py_func, py_file)  # pyright: ignore[reportAttributeAccessIssue]
        if locator is not None:
            locator.stamped_folder = folder
        return locator

    stamped_folder: Path

    def get_source_stamp(self) -> bytes:
        return _digest_of(self.stamped_folder)


class _UserProvided(_WholeFolder, UserProvidedCacheLocator):
    pass


class _InTree(_WholeFolder, InTreeCacheLocator):
    pass


class _UserWide(_WholeFolder, UserWideCacheLocator):
    pass


CacheImpl._locator_classes = [_UserProvided, _InTree, _UserWide, *CacheImpl._locator_classes]

kernel = njit(
    nogil=True,
    cache=True,
    error_model="numpy",  # Python's check for division by zero would forbid vector instructions
    fastmath={"reassoc", "contract", "nsz"},  # sums may be reordered; comparisons keep their sense
)
"""Decorator of compiled functions."""
