"""Runbooks in the history: the library that was imported last, whole."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select

from features.history_writes import lock, pages, take_numbers
from features.runbooks import Runbook, RunbookSection
from features.schema import RUNBOOKS, runbook_sections, runbooks


@dataclass(frozen=True, slots=True)
class RunbookChanges:
    """How many runbooks an import added, updated, removed and found unchanged; and the ids of those that it kept,
    though it did not find them.
    """

    added: int
    updated: int
    removed: int
    unchanged: int
    kept: tuple[str, ...] = ()


def read_all(connection: Connection) -> list[Runbook]:
    """Every runbook, by id."""
    sections: defaultdict[str, list[RunbookSection]] = defaultdict(list)
    order = (runbook_sections.c.runbook_id, runbook_sections.c.position)
    for row in connection.execute(select(runbook_sections).order_by(*order)):
        sections[row.runbook_id].append(RunbookSection(row.heading, row.text, row.anchor))
    return [
        Runbook(
            id=row.id,
            title=row.title,
            url=row.url,
            services=tuple(row.services),
            owner=row.owner,
            severity=row.severity,
            last_reviewed=row.last_reviewed,
            tags=tuple(row.tags),
            links=tuple(row.links),
            sections=tuple(sections[row.id]),
        )
        for row in connection.execute(select(runbooks).order_by(runbooks.c.id))
    ]


def replace_all(connection: Connection, new: Sequence[Runbook], is_kept: Callable[[str], bool]) -> RunbookChanges:
    """Make the history hold exactly these, and stored ones whose id is to be kept, inside a transaction that writes.

    An id is given once.
    """
    lock(connection)
    stored = {
        row.id: bytes(row.content_hash) for row in connection.execute(select(runbooks.c.id, runbooks.c.content_hash))
    }
    hashes = {runbook.id: _content_hash(runbook) for runbook in new}
    writes = [runbook for runbook in new if stored.get(runbook.id) != hashes[runbook.id]]
    missing = stored.keys() - hashes.keys()
    kept = {each for each in missing if is_kept(each)}
    removed = missing - kept
    gone = [*removed, *(runbook.id for runbook in writes if runbook.id in stored)]
    for page in pages(gone):
        connection.execute(delete(runbooks).where(runbooks.c.id.in_(page)))
    if writes:
        connection.execute(insert(runbooks), [_values(each) | {"content_hash": hashes[each.id]} for each in writes])
    sections = [row for each in writes for row in _section_values(each)]
    if sections:
        connection.execute(insert(runbook_sections), sections)
    if gone or writes:
        take_numbers(connection, RUNBOOKS, 1)
    updated = len(gone) - len(removed)
    unchanged = len(hashes) - len(writes)
    return RunbookChanges(len(writes) - updated, updated, len(removed), unchanged, tuple(sorted(kept)))


def _content_hash(runbook: Runbook) -> bytes:
    return hashlib.blake2b(orjson.dumps(dataclasses.astuple(runbook)), digest_size=16).digest()


def _values(runbook: Runbook) -> dict[str, Any]:
    return {
        "id": runbook.id,
        "title": runbook.title,
        "url": runbook.url,
        "services": list(runbook.services),
        "owner": runbook.owner,
        "severity": runbook.severity,
        "last_reviewed": runbook.last_reviewed,
        "tags": list(runbook.tags),
        "links": list(runbook.links),
    }


def _section_values(runbook: Runbook) -> list[dict[str, Any]]:
    return [
        {
            "runbook_id": runbook.id,
            "position": position,
            "heading": section.heading,
            "text": section.text,
            "anchor": section.anchor,
        }
        for position, section in enumerate(runbook.sections)
    ]
