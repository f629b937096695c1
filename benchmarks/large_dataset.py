"""A data set of any size, from the files of a small one."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

_INFO_FILE = "dataset_info.json"
_SHARD_NUMBER = "-{index:05d}-of-{count:05d}"


def copies(source: Path, destination: Path, times: int) -> None:
    """Makes a data set that holds all examples of another several times, ids included.

    Args:
        source: Folder of a data set.
        destination: Folder of the new one, which must not exist.
        times: How often each example is in it.

    Raises:
        OSError: There is no room, or the destination exists.
    """
    info = _info(source)
    (split,) = info["splits"]
    shards = _shards(source)
    destination.mkdir(parents=True)
    for path in (*source.glob("*.json"), *source.glob("*.txt")):
        shutil.copy(path, destination)
    count = times * len(shards)
    for index in range(count):
        shard = shards[index % len(shards)]
        stem = shard.name.partition(f".{info['fileFormat']}-")[0]
        number = _SHARD_NUMBER.format(index=index, count=count)
        shutil.copy(shard, destination / f"{stem}.{info['fileFormat']}{number}")
    split["shardLengths"] *= times
    split["numBytes"] = str(times * int(split["numBytes"]))
    (destination / _INFO_FILE).write_text(json.dumps(info))


def size(folder: Path) -> int:
    """Bytes in the files of a data set's examples."""
    return sum(shard.stat().st_size for shard in _shards(folder))


def forget(folder: Path) -> None:
    """Makes the system read a data set's examples from the disk again, where it can be told so."""
    if not hasattr(os, "posix_fadvise"):
        return
    for shard in _shards(folder):
        with shard.open("rb+") as file:
            os.fsync(file)  # what is not yet written stays in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*.{_info(folder)['fileFormat']}-*-of-*"))


def _info(folder: Path) -> dict[str, Any]:
    return json.loads((folder / _INFO_FILE).read_text())
