"""Prints ``deploy/requirements.txt``: all that the serving image installs, pinned as in ``constraints.txt``.

Base dependencies and the extra ``postgres``, with everything that they need on Linux, as the environment that runs this
has it installed::

    python deploy/requirements.py > deploy/requirements.txt
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEADER = "# Made by deploy/requirements.py of pyproject.toml and constraints.txt; not to be edited."


def main() -> None:
    """Print the file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    pins = dict(pinned((ROOT / "constraints.txt").read_text(encoding="utf-8")))
    print(HEADER, *(pins[name] for name in sorted(closure(wanted))), sep="\n")  # noqa: T201


def pinned(constraints: str) -> Iterator[tuple[str, str]]:
    """The lines of a constraints file by canonical name."""
    for line in constraints.splitlines():
        if line and not line.startswith("#"):
            yield canonicalize_name(Requirement(line).name), line


def closure(requirements: list[str]) -> set[str]:
    """Canonical names of requirements and of what they need in turn."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        requirement = waiting.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key not in seen:
            seen.add(key)
            needs = map(Requirement, distribution(requirement.name).requires or [])
            waiting += [need for need in needs if _applies(need, requirement.extras)]
    return {name for name, _ in seen}


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


if __name__ == "__main__":
    main()
