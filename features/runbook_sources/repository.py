"""Where the files of a git checkout are to be read in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_SECONDS = 10
_REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/]*@)?([^/:]+)(?::\d+)?/|(?:[^@/]+@)?([^/:]+):(?!//))(.+?)(?:\.git)?/*"
)


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Address of a folder of a checkout, and of the checkout's root."""

    folder: str
    root: str


def web_address(folder: Path) -> WebAddress | None:
    """Address of a folder on GitHub or GitLab; None where it is no checkout of one, or git is not there.

    It is made of the remote ``origin`` and the branch, or of the commit where no branch is checked out.
    """
    remote = _git(folder, "config", "--get", "remote.origin.url")
    branch = _git(folder, "symbolic-ref", "--short", "HEAD") or _git(folder, "rev-parse", "HEAD")
    prefix = _git(folder, "rev-parse", "--show-prefix")
    if not remote or not branch or prefix is None:
        return None
    root = blob_address(remote, branch)
    return None if root is None else WebAddress(f"{root}/{quote(prefix)}".rstrip("/"), root)


def blob_address(remote: str, branch: str) -> str | None:
    """Where a remote on GitHub or GitLab shows its files; never with the user or password of the remote.

    Examples
    --------
    >>> blob_address("git@github.com:acme/runbooks.git", "main")
    'https://github.com/acme/runbooks/blob/main'
    >>> blob_address("https://me:token@gitlab.acme.example/ops/runbooks.git", "main")
    'https://gitlab.acme.example/ops/runbooks/-/blob/main'
    """
    match = _REMOTE.fullmatch(remote)
    if match is None:
        return None
    host, path = (match.group(1) or match.group(2)).lower(), match.group(3).strip("/")
    labels = host.split(".")
    if "github" in labels:
        return f"https://{host}/{quote(path)}/blob/{quote(branch)}"
    return f"https://{host}/{quote(path)}/-/blob/{quote(branch)}" if "gitlab" in labels else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it has no answer."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603
            [git, "-C", str(folder), *arguments], capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
