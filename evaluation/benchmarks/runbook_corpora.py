"""Readers of the runbook corpora: a tarball of Markdown files, and the alerts that link to them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from evaluation.benchmarks.readers import read_rows
from features.errors import NotEnoughData, SourceUnreadable
from features.runbook_sources.base import MAX_FILE_BYTES
from features.runbook_sources.markdown import parse_runbook
from features.runbooks import Runbook, RunbookSection

_ALERTS = "-alerts.jsonl.gz"
_TARBALL = ".tar.gz"
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_NEUTRAL = PurePosixPath("untitled.md")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert's text, and the path of the runbook that its authors linked."""

    title: str
    description: str
    runbook: str


@dataclass(frozen=True, slots=True)
class RunbookCorpus:
    """Runbooks whose id is their path, stripped of what a matcher must not see, and the alerts that link to one.

    The file that an alert links to may be missing or hold no text: then no method can find it.

    ``bodies`` holds the text of each runbook: its headings but the first, and what stands below them.
    """

    name: str
    runbooks: tuple[Runbook, ...]
    bodies: tuple[str, ...]
    alerts: tuple[Alert, ...]


def corpus_names(folder: Path) -> list[str]:
    """Names of the corpora of a folder: those that have both a tarball and alerts.

    Parameters
    ----------
    folder : Path
        Holds ``NAME.tar.gz`` and ``NAME-alerts.jsonl.gz``.
    """
    names = (path.name.removesuffix(_TARBALL) for path in folder.glob(f"*{_TARBALL}"))
    return sorted(name for name in names if (folder / f"{name}{_ALERTS}").exists())


def read_corpus(folder: Path, name: str) -> RunbookCorpus:
    """Read one corpus. Neither path, front matter nor first heading of a runbook can be matched by what comes back.

    Raises
    ------
    SourceUnreadable
        If the tarball or the alerts cannot be read.
    NotEnoughData
        If no alert links to a runbook that is there.
    """
    runbooks = []
    for path, text in _markdown_files(folder / f"{name}{_TARBALL}"):
        try:
            runbooks.append(replace(_without_title(text), id=path))
        except ValueError:  # a file without text is no runbook, as for an import
            continue
    alerts = tuple(
        Alert(row.get("title") or "", row.get("description") or "", row["runbook"].removeprefix("./"))
        for row in read_rows(folder / f"{name}{_ALERTS}")
        if row.get("runbook") is not None
    )
    known = {runbook.id for runbook in runbooks}
    if not any(alert.runbook in known for alert in alerts):
        raise NotEnoughData(f"No alert in {folder / (name + _ALERTS)} links to a Markdown file of {name}{_TARBALL}.")
    return RunbookCorpus(name, tuple(runbooks), tuple(_body(runbook.sections) for runbook in runbooks), alerts)


def is_verbatim(alert: Alert, body: str) -> bool:
    """Whether the alert's title stands word for word in a body; case and blanks aside.

    Examples
    --------
    >>> is_verbatim(Alert("Queue is full.", "", "q.md"), "When the\\nqueue is full. Restart it.")
    True
    """
    title = _plain(alert.title)
    return bool(title) and title in _plain(body)


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", text).strip().lower()


def _markdown_files(path: Path) -> Iterator[tuple[str, str]]:
    """Path and text of each Markdown file of a tarball; nothing is unpacked to disk."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isfile() and name.endswith(".md") and member.size <= MAX_FILE_BYTES:
                    file = archive.extractfile(member)
                    if file is not None:
                        yield name, file.read().decode("utf-8-sig", "replace")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise SourceUnreadable(f"The tarball {path} cannot be read ({error}); it has to be a .tar.gz.") from None


def _without_title(text: str) -> Runbook:
    """Read Markdown without its front matter and its first heading."""
    runbook = parse_runbook(_FRONT_MATTER.sub("", text.replace("\r\n", "\n"), count=1), _NEUTRAL)
    if runbook.title != _NEUTRAL.stem:
        return replace(runbook, title="")
    # The first heading was not taken for a title: it heads the first section that has one.
    sections = list(runbook.sections)
    first = next((i for i, section in enumerate(sections) if section.heading), None)
    if first is not None:
        sections[first] = replace(sections[first], heading="", anchor="")
    return replace(runbook, title="", sections=tuple(sections))


def _body(sections: Sequence[RunbookSection]) -> str:
    return "\n".join(f"{section.heading}\n{section.text}" for section in sections)
