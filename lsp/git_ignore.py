"""Asks git whether it ignores a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PATIENCE_S = 5.0


class GitUnsure(Exception):
    """Git is needed for the answer and did not give one."""


def is_ignored_by_git(path: str) -> bool:
    """Whether git ignores the file at `path`; False outside a repository.

    Raises GitUnsure when the file lies in a repository and git does not answer.
    """
    folder = next((each for each in Path(path).parents if each.is_dir()), None)
    if folder is None or not any((each / ".git").exists() for each in [folder, *folder.parents]):
        return False
    command = [
        *("git", "-c", "core.fsmonitor=false"),  # a repository may name a program to run there
        *("-C", str(folder), "check-ignore", "--quiet", "--", path),
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S
        )
    except FileNotFoundError as error:
        raise GitUnsure("git is not installed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitUnsure("git does not answer") from error
    if done.returncode not in (0, 1):
        raise GitUnsure("run `git status` in its folder to see why")
    return done.returncode == 0
