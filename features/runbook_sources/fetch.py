"""Libraries at a URL: a git repository is cloned, a zip archive is downloaded; both within bounds."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, responses
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from features.errors import SourceUnreadable

MAX_ZIP_BYTES = 1_000_000_000
MAX_SECONDS = 600.0
_STALL_SECONDS = 30.0
_BLOCK_BYTES = 1 << 20
_GIT_SCHEMES = ("https", "http", "ssh", "git", "file")
_SSH = re.compile(r"[\w.-]+@[\w.-]+:[^:].*")
# As copied from a browser: a folder of a branch.
_FOLDER = re.compile(r"(https://[^/]+/.+?)/(?:-/)?tree/([^/]+)/(.+?)/*")


def is_url(source: str) -> bool:
    """Whether a library is named by its URL (``https://…``, ``user@host:path``), not by its path."""
    return "://" in source or _SSH.fullmatch(source) is not None


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A folder or zip archive with what stands at a URL, gone after use.

    Parameters
    ----------
    url : str
        Of a git repository; of a folder in one, as GitHub and GitLab show it (``…/tree/main/runbooks``); or of a zip
        archive, with a path that ends in ``.zip``.

    Raises
    ------
    SourceUnreadable
        If it cannot be fetched. The message names no user, password or query of the URL.
    """
    with tempfile.TemporaryDirectory(prefix="precedent-runbooks-") as folder:
        yield _fetch(url, Path(folder))


def shown(url: str) -> str:
    """The URL without what may be secret in it.

    >>> shown("https://me:token@git.example/runbooks.git?key=1")
    'https://git.example/runbooks.git'
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url.rpartition("@")[2]
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _fetch(url: str, folder: Path) -> Path:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SourceUnreadable(f"{shown(url)} is no URL; give that of a git repository or a zip archive.") from None
    if parts.path.lower().endswith(".zip"):
        if parts.scheme not in ("https", "http") or "@" in parts.netloc:
            raise SourceUnreadable(
                f"{shown(url)} is not downloaded: only https:// and http:// without user and password are; download "
                "the archive and give its path."
            )
        return _download(url, folder / "library.zip")
    if parts.scheme not in _GIT_SCHEMES and not _SSH.fullmatch(url):
        raise SourceUnreadable(
            f"{shown(url)} is not fetched: git repositories are at https://, ssh://, git://, file:// or user@host:path."
        )
    match = _FOLDER.fullmatch(url)
    if match is None:
        return _clone(url, folder / "checkout")
    checkout = _clone(match.group(1), folder / "checkout", branch=unquote(match.group(2)))
    inside = (checkout / unquote(match.group(3))).resolve()
    if not inside.is_relative_to(checkout.resolve()) or not inside.is_dir():
        raise SourceUnreadable(f"{shown(url)} is no folder of the repository; check the URL.")
    return inside


def _clone(url: str, target: Path, branch: str | None = None) -> Path:
    git = shutil.which("git")
    if git is None:
        raise SourceUnreadable(
            f"{shown(url)} cannot be cloned, since git is not installed; install it, or give a folder or zip archive."
        )
    only = ["--branch", branch] if branch else []
    command = [git, "-c", "protocol.ext.allow=never", "clone", "--quiet", "--depth", "1"]
    # A session of its own has no terminal to ask for a password on.
    process = subprocess.Popen(  # noqa: S603
        [*command, "--single-branch", "--no-tags", *only, "--", url, str(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            _, errors = process.communicate(timeout=MAX_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise SourceUnreadable(
                f"{shown(url)} was not cloned within {MAX_SECONDS:.0f} seconds; clone it and give the folder."
            ) from None
    if process.returncode:
        raise SourceUnreadable(
            f"{shown(url)} cannot be cloned ({_reason(errors, url)}); check that `git clone` can read it."
        )
    return target


def _reason(errors: bytes, url: str) -> str:
    """The last thing that git said, without secrets."""
    text = errors.decode("utf-8", "replace").replace(url, shown(url))
    lines = [line.removeprefix("fatal: ").strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"//[^/\s@]*@", "//", lines[-1]).rstrip(".") if lines else "git gives no reason"


def _download(url: str, target: Path) -> Path:
    # By hand, since the usual opener also reads file:// and ftp://, to which a redirect may lead.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(url, timeout=_STALL_SECONDS) as answer, target.open("wb") as file:
            _copy(answer, file)
    except urllib.error.HTTPError as error:
        error.close()
        raise _not_downloaded(url, f"{error.code} {responses.get(error.code, '')}".rstrip()) from None
    except HTTPException as error:
        # Its text may quote the address with its query.
        raise _not_downloaded(url, type(error).__name__) from None
    except (OSError, ValueError) as error:
        raise _not_downloaded(url, getattr(error, "reason", None) or error) from None
    return target


def _not_downloaded(url: str, reason: object) -> SourceUnreadable:
    return SourceUnreadable(f"{shown(url)} cannot be downloaded ({reason}); download the archive and give its path.")


def _copy(answer: IO[bytes], file: IO[bytes]) -> None:
    end = time.monotonic() + MAX_SECONDS
    n_bytes = 0
    while block := answer.read(_BLOCK_BYTES):
        n_bytes += len(block)
        if n_bytes > MAX_ZIP_BYTES:
            raise ValueError(f"it has more than {MAX_ZIP_BYTES} bytes")
        if time.monotonic() > end:
            raise ValueError(f"it takes more than {MAX_SECONDS:.0f} seconds")
        file.write(block)
