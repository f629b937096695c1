"""How much memory a process may still take."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_CONTROL_GROUPS = Path("/proc/self/cgroup")
_LIMIT_FILES = {  # by hierarchy: version 2, and the memory controller of version 1
    "": (Path("/sys/fs/cgroup"), "memory.max"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
}


def available_memory() -> int:
    """Bytes that can be taken without swapping, within the limits of a container or batch job."""
    return min([psutil.virtual_memory().available, *_limits()])


def _limits() -> Iterator[int]:
    """Memory limits of the control groups that this process is in; none outside Linux."""
    if not _CONTROL_GROUPS.exists():
        return
    for line in _CONTROL_GROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in _LIMIT_FILES:
            continue
        root, name = _LIMIT_FILES[controllers]
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            text = (folder / name).read_text().strip() if (folder / name).is_file() else ""
            if text.isdigit():  # else "max"
                yield int(text)
