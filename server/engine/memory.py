"""How much memory may still be taken, and giving back what was let go."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
# as in malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def available_bytes(device: torch.device) -> int:
    """What may be taken on `device` without pushing out anybody; a container's limit counts."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    own = OWN_GROUPS.read_text(encoding="utf-8") if OWN_GROUPS.is_file() else ""
    return min([psutil.virtual_memory().available, *group_left(own, GROUPS)])


def group_left(own: str, groups: Path) -> Iterator[int]:
    """What each control group that has a limit leaves; `own` is /proc/self/cgroup."""
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top = groups / controllers
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else ("memory.max", "memory.current")
        )
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                with suppress(OSError, ValueError):  # the topmost has no limit, or it says `max`
                    limit, used = (int((folder / name).read_text("utf-8")) for name in names)
                    yield limit - used + _file_cache(folder)


@contextmanager
def in_own_mappings() -> Generator[None]:
    """What is allocated inside goes back to the system the moment it is freed.

    GNU's C library would put it on the heap of the thread that reads it, and keeps the end of that.
    Afterwards its limits are those that it chooses itself once a large block was freed.
    """
    _c_library("mallopt", MMAP_THRESHOLD, 2**18)
    try:
        yield
    finally:
        _c_library("mallopt", MMAP_THRESHOLD, 2**25)
        _c_library("mallopt", TRIM_THRESHOLD, 2**26)


def give_back() -> None:
    """Hand memory that nothing uses any more back to the system."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _c_library("malloc_trim", 0)


def _c_library(function: str, *arguments: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than GNU's
            getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)


def _file_cache(group: Path) -> int:
    """Counted as used, but given up when somebody needs it."""
    stat = (group / "memory.stat").read_text("utf-8").splitlines()
    rows = dict(line.split(" ", 1) for line in stat)
    return int(rows.get("total_inactive_file") or rows.get("inactive_file", "0"))
