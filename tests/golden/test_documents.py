"""The documents are true where a program can tell: commands, options, make targets, links, the printed suggestion."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from cli.main import cli
from training.params import TrainingParams

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data_samples" / "README.md", *ROOT.glob("docs/*.md")]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
_BLOCK = re.compile(r"```(?:sh|console|bash)\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`((?:precedent|make) [^`\n]+)`")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)")


def commands(document: Path) -> Iterator[str]:
    text = document.read_text(encoding="utf-8")
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"\b(precedent|make) .*", line)
            if found and not line.lstrip().startswith("#"):
                yield found.group()
    yield from (" ".join(found.split()) for found in _INLINE.findall(text))


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist_with_their_options(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in commands(ROOT / name):
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, line
        else:
            _check_command(words[1:], line)


def _check_command(words: list[str], line: str) -> None:
    command: click.Command = cli
    context = click.Context(cli)
    words = [word for word in words if word not in {"|", ">", "&&"}]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        # `promote`, `rollback` in one breath, or `report|index`: each is looked at where it stands alone.
        found = command.get_command(context, words[0].rstrip(",."))
        if found is None:
            assert "|" in words[0] or words[0].isupper() or words[0] == "...", line
            return
        command, words = found, words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    assert given <= options | {"--help", "--version"}, line


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for target in _LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("name", [*NAMES, "CHANGELOG.md"])
def test_modules_that_are_to_be_run_are_there(name: str) -> None:
    for module in re.findall(r"\bpython -m ([a-z_.]+)", (ROOT / name).read_text(encoding="utf-8")):
        assert find_spec(module) is not None, module


def test_the_documented_parameters_are_all_there_are_with_their_defaults() -> None:
    section = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").partition("\n## Parameters\n")[2]
    documented = tomllib.loads(section.partition("```toml\n")[2].partition("```")[0])
    assert documented.keys() == TrainingParams.model_fields.keys()
    assert TrainingParams.model_validate(documented) == TrainingParams()


def test_the_printed_suggestion_is_of_the_form_that_is_printed() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    for heading in ("Category ", "Severity ", "Similar cases", "What resolved them", "Runbooks", "release "):
        assert re.search(rf"^{heading}", shown.group(1), re.MULTILINE), heading
