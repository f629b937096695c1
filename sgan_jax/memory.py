"""How much memory a process may still take."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_CONTROL_GROUPS = Path("/proc/self/cgroup")
# Limit and use, by hierarchy: version 2, and the memory controller of version 1.
_FILES = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
}


def available_memory() -> int:
    """Bytes that can be taken without swapping, within the limits of a container or batch job."""
    return min([psutil.virtual_memory().available, *_limits()])


def _limits() -> Iterator[int]:
    """What is left in the control groups that this process is in; nothing outside Linux."""
    if not _CONTROL_GROUPS.exists():
        return
    for line in _CONTROL_GROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in _FILES:
            continue
        root, limit, use = _FILES[controllers]
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            most = _number(folder / limit)
            if most is not None:
                # Files that the system keeps in memory count as used, and give way.
                yield max(most - (_number(folder / use) or 0) + _cached(folder), 0)


def _number(path: Path) -> int | None:
    text = path.read_text().strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None  # or it says "max"


def _cached(folder: Path) -> int:
    path = folder / "memory.stat"
    lines = path.read_text().splitlines() if path.is_file() else []
    fields = dict(line.split(maxsplit=1) for line in lines)
    return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
