"""The two sides of the speed comparison, made of one history: our workspace, and the plain service's folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.benchmarks.readers import DuplicatePair, read_issues
from evaluation.ranking_data import duplicate_clusters
from features.history import History
from features.intake import open_intake
from features.settings import load_settings
from features.sources import open_source
from features.sources.base import Row
from features.sources.mapping import load_mapping
from features.ticket import Case, Link, LinkType

SAMPLES = Path(__file__).parents[2] / "data_samples"
HISTORY_SHARE = 0.8
PLAIN, OURS = "plain", "ours"


@dataclass(frozen=True, slots=True)
class Sides:
    """What both services know, and what they are asked.

    Attributes
    ----------
    history, asked : tuple of Case
        The oldest tickets, and those after them, in order of time.
    same : mapping of str to frozenset of str
        For asked tickets that have some: ids of the history's tickets that were said to be the same problem.
    """

    history: tuple[Case, ...]
    asked: tuple[Case, ...]
    same: Mapping[str, frozenset[str]]


def read_sides(data: Path | None) -> Sides:
    """Tickets of a folder of the ``jira`` layout, or of the samples; the newest fifth is asked about."""
    if data is None:
        source = open_source("jsonl", SAMPLES / "tickets.jsonl", load_mapping(SAMPLES / "mapping.toml"))
        cases = sorted((row.case for row in source.rows() if isinstance(row, Row)), key=_created)
        pairs: Sequence[DuplicatePair] = ()
    else:
        issues = read_issues(data)
        # Their product is their project, and so is their category: with it nothing would be left to be told.
        cases = [replace(case, ticket=replace(case.ticket, product=None)) for case in issues.cases]
        pairs = issues.pairs
    n_history = round(HISTORY_SHARE * len(cases))
    history, asked = cases[:n_history], cases[n_history:]
    known = {case.id for case in history}
    links = {
        pair.query: Link(LinkType.DUPLICATE_OF, pair.target) for pair in pairs if {pair.query, pair.target} <= known
    }
    return Sides(
        history=tuple(replace(case, links=(links[case.id],)) if case.id in links else case for case in history),
        asked=tuple(asked),
        same=_same(asked, known, pairs),
    )


def _same(asked: Sequence[Case], known: Set[str], pairs: Sequence[DuplicatePair]) -> dict[str, frozenset[str]]:
    ids = sorted({id_ for pair in pairs for id_ in (pair.query, pair.target)})
    number = {id_: row for row, id_ in enumerate(ids)}
    clusters = duplicate_clusters((number[pair.query], number[pair.target]) for pair in pairs)
    found = {
        case.id: frozenset(ids[row] for row in clusters[number[case.id]]) & known for case in asked if case.id in number
    }
    return {id_: same for id_, same in found.items() if same}


def make_sides(sides: Sides, folder: Path) -> None:
    """Train and promote in ``folder/ours``, and fit the plain service in ``folder/plain``, unless they are there."""
    if not (folder / OURS / "releases" / "CURRENT").exists():
        _make_ours(sides.history, folder / OURS)
    if not (folder / PLAIN / "cases.json").exists():
        _make_plain(sides.history, folder / PLAIN)


def _make_ours(cases: tuple[Case, ...], workspace: Path) -> None:
    workspace.mkdir(parents=True, exist_ok=True)
    settings = load_settings(workspace, {})
    intake = open_intake(settings)
    with closing(History.open(settings.history_url)) as history:
        history.upsert([intake.prepare(case) for case in cases], masking_rules=intake.masking_rules)
    for verb in ("train", "promote"):
        _run("cli.main", verb, "--workspace", str(workspace))


def _make_plain(cases: tuple[Case, ...], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "tickets.jsonl").open("w", encoding="utf-8") as file:
        for case in cases:
            ticket = {
                "id": case.id,
                "text": f"{case.ticket.subject}\n\n{case.ticket.description}",
                "category": case.outcome.category,
                "severity": case.outcome.severity,
                "resolution": case.outcome.resolution,
            }
            file.write(f"{json.dumps(ticket)}\n")
    _run("evaluation.benchmarks.plain.prepare", str(folder))


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _created(case: Case) -> tuple[float, str]:
    created = case.ticket.created_at
    return (created.timestamp() if created else 0.0, case.id)
