"""Runbooks in the history, by library: each library as it was imported last, whole."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select

from features.history_writes import lock, pages, take_numbers
from features.runbooks import Runbook, RunbookSection
from features.schema import RUNBOOKS, runbook_sections, runbooks


@dataclass(frozen=True, slots=True)
class RunbookChanges:
    """What an import made of the runbooks of its library.

    Attributes
    ----------
    added, updated, unchanged : int
        How many of those that it brought are new, changed, and as they were.
    removed : tuple of str
        Ids of the library that it brought no more.
    kept : tuple of str
        Ids that it did not bring and that stay all the same.
    taken : mapping of str to str
        Ids that are another library's already, with its name: those runbooks are left as they are.
    """

    added: int
    updated: int
    unchanged: int
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    taken: Mapping[str, str] = field(default_factory=dict)


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


def read_libraries(connection: Connection) -> dict[str, str]:
    """The library of every runbook, by id."""
    return {row.id: row.library for row in connection.execute(select(runbooks.c.id, runbooks.c.library))}


def replace_library(
    connection: Connection, library: str, new: Sequence[Runbook], is_kept: Callable[[str], bool]
) -> RunbookChanges:
    """Make a library hold exactly these, and stored ones whose id is to be kept, inside a transaction that writes.

    An id is given once. What has an id of another library is left out; where that is all, nothing is changed.
    """
    lock(connection)
    libraries = read_libraries(connection)
    stored = {
        row.id: bytes(row.content_hash)
        for row in connection.execute(
            select(runbooks.c.id, runbooks.c.content_hash).where(runbooks.c.library == library)
        )
    }
    taken = {each.id: libraries[each.id] for each in new if libraries.get(each.id, library) != library}
    hashes = {runbook.id: _content_hash(runbook) for runbook in new if runbook.id not in taken}
    if new and not hashes:
        return RunbookChanges(added=0, updated=0, unchanged=0, kept=tuple(sorted(stored)), taken=taken)
    writes = [each for each in new if each.id in hashes and stored.get(each.id) != hashes[each.id]]
    missing = stored.keys() - hashes.keys()
    kept = {each for each in missing if is_kept(each)}
    removed = missing - kept
    updated = [runbook.id for runbook in writes if runbook.id in stored]
    for page in pages([*removed, *updated]):
        connection.execute(delete(runbooks).where(runbooks.c.id.in_(page)))
    if writes:
        of_library = {"library": library}
        connection.execute(
            insert(runbooks), [_values(each) | of_library | {"content_hash": hashes[each.id]} for each in writes]
        )
    sections = [row for each in writes for row in _section_values(each)]
    if sections:
        connection.execute(insert(runbook_sections), sections)
    if removed or writes:
        take_numbers(connection, RUNBOOKS, 1)
    return RunbookChanges(
        added=len(writes) - len(updated),
        updated=len(updated),
        unchanged=len(hashes) - len(writes),
        removed=tuple(sorted(removed)),
        kept=tuple(sorted(kept)),
        taken=taken,
    )


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
