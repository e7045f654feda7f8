"""What the code imports is declared, at the level where it is imported; what is declared is pinned for CI."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("features", "serving", "evaluation", "training", "cli")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def imported(folder: str) -> dict[str, set[str]]:
    """The top-level modules imported in a folder from outside this project and Python, with the files that do."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                modules = [node.module]
            else:
                continue
            for module in {name.partition(".")[0] for name in modules}:
                ours = module in PACKAGES or module in ("tests", "conftest")
                if not ours and module not in sys.stdlib_module_names:
                    found.setdefault(module, set()).add(str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_every_import_is_declared(folder: str):
    requirements = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["postgres"]]
    if folder != "serving":
        requirements += PROJECT["optional-dependencies"]["train"]
    if folder == "evaluation":
        requirements += PROJECT["optional-dependencies"]["bench"]
    if folder == "tests":
        requirements += PROJECT["optional-dependencies"]["dev"]
    declared = {normal(requirement) for requirement in requirements}
    distributions = packages_distributions()
    missing = {
        module: sorted(files)
        for module, files in imported(folder).items()
        if not {normal(name) for name in distributions.get(module, [module])} & declared
    }
    assert missing == {}


def test_every_declared_package_is_pinned_for_ci():
    pinned = {normal(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = {normal(requirement) for group in groups for requirement in group} - {"precedent"}
    assert declared - pinned == set()
