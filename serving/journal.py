"""The journal: what was suggested, and what people made of it. Masked text only, in the history's own database.

Each row has its entry in the audit chain, in the same transaction: there are both or neither.

Suggestions are written by one thread, many in one transaction, because each transaction waits for the disk.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import BindParameter, Connection, bindparam, exists, func, insert, select

from features.audit_chain import ChainEnd, Event, Kind
from features.audit_content import feedback_hash, new_salt, suggestion_hash
from features.errors import HistoryUnavailable, UnknownRequest
from features.history import History
from features.history_erasure import without_case
from features.history_writes import pages
from features.idempotency import Once, recall, remember
from features.schema import journal_feedback, journal_suggestions, tickets
from features.ticket import Ticket
from features.vectors import text_sha256
from serving.schemas import Suggestion
from serving.suggester import new_request_id

logger = logging.getLogger("precedent.journal")

# A ticket may take a megabyte: a locked database has the journal hold back a quarter of a gigabyte at the most.
_MAX_WAITING = 256
_MAX_TOGETHER = 100

# Put together once, as in features.history_reads.
_IDS: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_TAKEN = select(journal_suggestions.c.request_id).where(journal_suggestions.c.request_id.in_(_IDS))
_KNOWN = select(tickets.c.id).where(tickets.c.id.in_(_IDS))
_KEEP = insert(journal_suggestions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionEntry:
    """A suggestion to keep.

    Attributes
    ----------
    ticket : Ticket
        Masked.
    text : str
        The ticket's model text; only its hash is kept, by which an erased ticket's entries are found.
    """

    at: datetime
    key_id: str | None
    ticket: Ticket
    text: str
    suggestion: Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackEntry:
    """What an agent made of a suggestion. ``value`` is masked and ``by`` a pseudonym.

    ``is_dated`` where ``at`` is when the agent said so, as the caller tells, and not when it came.
    """

    at: datetime
    key_id: str | None
    request_id: str
    kind: str
    target: str
    ref_id: str | None
    value: str | None
    by: str | None
    is_dated: bool = False


class Journal:
    """Keeps suggestions and feedback. Between :meth:`start` and :meth:`stop` it owns a thread."""

    def __init__(self, history: History, system: str) -> None:
        self._history = history
        self._system = system
        self._queue: queue.Queue[tuple[SuggestionEntry, Future[str]] | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        self._thread.join()

    def record(self, entry: SuggestionEntry) -> Future[str]:
        """Keep a suggestion, soon.

        Returns
        -------
        Future of str
            The request id under which it is kept: the suggestion's, or another where that one is taken. Fails with
            :class:`HistoryUnavailable` where it cannot be written.
        """
        future: Future[str] = Future()
        try:
            self._queue.put_nowait((entry, future))
        except queue.Full:
            future.set_exception(HistoryUnavailable("The journal is behind; try again in a moment."))
        return future

    def add_feedback(self, entry: FeedbackEntry, *, once: Once | None = None) -> None:
        """Keep feedback; what repeats the newest of the same request on the same thing is not kept twice.

        Parameters
        ----------
        entry : FeedbackEntry
        once : Once, optional
            Names the feedback: where it was kept before, it is not kept again.

        Raises
        ------
        KeyReused
            If other feedback was kept under the name.
        UnknownRequest
            If the journal holds no suggestion of this request.
        HistoryUnavailable
            If the history's database does not answer.
        """
        said = {
            "request_id": entry.request_id,
            "key_id": entry.key_id,
            "kind": entry.kind,
            "target": entry.target,
            "ref_id": entry.ref_id,
            "value": entry.value,
            "by_whom": entry.by,
        }
        with self._history.writing() as connection:
            if once is not None:
                if recall(connection, once) is not None:
                    return
                remember(connection, once, None)
            chain = ChainEnd(connection)
            known = exists().where(journal_suggestions.c.request_id == entry.request_id)
            if not connection.scalar(select(known)):
                raise UnknownRequest(
                    f"The journal holds no suggestion {entry.request_id!r}; send the request_id of an answer of "
                    "/v1/suggest.",
                    field="request_id",
                )
            if not _is_kept(connection, entry, said):
                at = entry.at if entry.is_dated else _not_before_others(connection, entry)
                row = {**said, "at": at, "salt": new_salt()}
                payload = {"kind": entry.kind, "target": entry.target, "content": feedback_hash(row)}
                # An agent may have said it long before it came.
                entered_at = datetime.now(UTC) if entry.is_dated else entry.at
                (seq,) = chain.append([Event(Kind.FEEDBACK, entered_at, entry.key_id, payload)])
                connection.execute(insert(journal_feedback).values(**row, audit_seq=seq))

    def _run(self) -> None:
        for batch in self._batches():
            try:
                request_ids = self._write([entry for entry, _ in batch])
            except Exception as error:  # whatever it is, the callers wait for word of it
                logger.exception("journal not written", extra={"fields": {"suggestions": len(batch)}})
                for _, future in batch:
                    future.set_exception(error)
            else:
                for (_, future), request_id in zip(batch, request_ids, strict=True):
                    future.set_result(request_id)

    def _batches(self) -> Iterator[list[tuple[SuggestionEntry, Future[str]]]]:
        while (item := self._queue.get()) is not None:
            batch = [item]
            while len(batch) < _MAX_TOGETHER and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    yield batch
                    return
                batch.append(following)
            yield batch

    def _write(self, entries: Sequence[SuggestionEntry]) -> list[str]:
        with self._history.writing() as connection:
            # Held from here on, so that no case is erased between the look for it and the end.
            chain = ChainEnd(connection)
            entries = list(_with_free_ids(connection, entries))
            answers = [entry.suggestion.model_dump(mode="json") for entry in entries]
            # A case may be erased between the answer and this transaction: it must not come back by way of the journal.
            known = _known_cases(connection, {case_id for answer in answers for case_id in _shown(answer)})
            for position, answer in enumerate(answers):
                for case_id in set(_shown(answer)) - known:
                    answers[position] = without_case(answers[position], case_id)
            rows = [self._values(entry, answer) for entry, answer in zip(entries, answers, strict=True)]
            seqs = chain.append([_event(row) for row in rows])
            numbered = [{**row, "audit_seq": seq} for row, seq in zip(rows, seqs, strict=True)]
            connection.execute(_KEEP, numbered)
        return [entry.suggestion.request_id for entry in entries]

    def _values(self, entry: SuggestionEntry, answer: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "request_id": entry.suggestion.request_id,
            "at": entry.at,
            "key_id": entry.key_id,
            "release": entry.suggestion.release,
            "ticket_id": entry.ticket.id,
            "ticket_system": self._system,
            "change_watermark": entry.suggestion.index_watermark,
            "model_text_sha": text_sha256(entry.text),
            "ticket": orjson.loads(orjson.dumps(entry.ticket, default=dict)),
            "answer": answer,
            "salt": new_salt(),
        }


def _event(row: Mapping[str, Any]) -> Event:
    payload = {"release": row["release"], "watermark": row["change_watermark"], "content": suggestion_hash(row)}
    return Event(Kind.SUGGESTION, row["at"], row["key_id"], payload)


def _is_kept(connection: Connection, entry: FeedbackEntry, said: Mapping[str, Any]) -> bool:
    """Whether the same was said at the same time; or where the time is not told, whether it was said last."""
    columns = journal_feedback.c
    same_thing = [columns[name].is_not_distinct_from(said[name]) for name in ("request_id", "target", "ref_id")]
    same = select(*(columns[name] for name in said)).where(*same_thing)
    if entry.is_dated:
        found = connection.execute(same.where(columns.at == entry.at)).all()
    else:
        found = connection.execute(same.order_by(columns.at.desc(), columns.id.desc()).limit(1)).all()
    return any(row._mapping == said for row in found)


def _not_before_others(connection: Connection, entry: FeedbackEntry) -> datetime:
    """When feedback came; never before what was said of the same thing earlier, for a clock may have gone back."""
    columns = journal_feedback.c
    # The same case or runbook was perhaps suggested in several answers.
    names = ("request_id", "target") if entry.ref_id is None else ("ref_id", "target")
    same = [columns[name] == getattr(entry, name) for name in names]
    latest: datetime | None = connection.scalar(select(func.max(columns.at)).where(*same))
    return entry.at if latest is None else max(entry.at, latest)


def _with_free_ids(connection: Connection, entries: Sequence[SuggestionEntry]) -> Iterator[SuggestionEntry]:
    """Give entries whose request id is taken (a client may send its own, twice) another one: nothing is overwritten."""
    wanted = [entry.suggestion.request_id for entry in entries]
    taken = set(connection.scalars(_TAKEN, {"ids": wanted}))
    for entry in entries:
        if entry.suggestion.request_id in taken:
            renamed = entry.suggestion.model_copy(update={"request_id": new_request_id()})
            entry = replace(entry, suggestion=renamed)
        taken.add(entry.suggestion.request_id)
        yield entry


def _known_cases(connection: Connection, case_ids: set[str]) -> set[str]:
    """Those of the ids that the history holds, of whichever system: answers show the cases of all."""
    known: set[str] = set()
    for page in pages(case_ids):
        known |= set(connection.scalars(_KNOWN, {"ids": page}))
    return known


def _shown(answer: Mapping[str, Any]) -> Iterator[str]:
    for case in (*answer["similar_cases"], *answer["related_open"]):
        yield case["id"]
    for resolution in answer["resolutions"]:
        yield from resolution["case_ids"]
