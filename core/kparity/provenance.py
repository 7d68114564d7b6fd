"""Where the code comes from: the git state of every distribution that runs from a repository."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from kparity.environment import GitState


def git_state(file: Path) -> GitState | None:
    """The state of the repository that tracks `file`; None where none does, or git is not there."""
    where = file.parent
    if not _git(where, "ls-files", "--error-unmatch", "--", file.name):
        return None  # such as a virtual environment inside a repository
    commit = _git(where, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(where, "status", "--porcelain", "--untracked-files=no")
    return GitState(commit, bool(changes))


def git_states(files: Mapping[str, Path]) -> dict[str, GitState]:
    """The states of several distributions, by name; those that come from no repository are left out."""
    found = {name: git_state(file) for name, file in files.items()}
    return {name: state for name, state in found.items() if state is not None}


def _git(where: Path, *arguments: str) -> str:
    """What git prints; empty where it fails or is missing."""
    try:
        done = subprocess.run(
            ["git", "-C", str(where), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
