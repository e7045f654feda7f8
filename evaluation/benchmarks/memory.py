"""Memory that something takes, measured in a process of its own, whose memory nothing else has left its mark on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_own_process(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something in a new process, which inherits nothing; a function of a module, for it is sent there by name."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(do, *args, **kwargs).result()


def anonymous_bytes() -> int:
    """Memory of this process that no file backs."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in status if line.startswith("RssAnon:"))
