"""What the index knows of each case besides its text, in columns: for filters, and for what follows a search.

Every version of a case gets a slot; slots are numbered as they come and shared with the forward index. A slot dies when
its case is changed or erased; compaction leaves the dead ones behind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from features.case_filter import NO_TIME, CaseFilter, microseconds
from features.growing import GrowingArray
from features.history_rows import digests
from features.past_record import PastRecord, Who
from features.past_record_columns import CountedColumns
from features.ticket import SEVERITIES, FixOutcome, LinkType, Severity

if TYPE_CHECKING:
    from features.history import StoredCase, StoredVersions
    from features.text import ModelText

Slots = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NOTHING = -1  # code of a label, severity or time that is not there
_OUTCOMES = tuple(FixOutcome)
_NO_TARGETS: Mapping[str, str] = {}
_WHO = ("product", "customer", "reporter")
_COUNTED = ("severity", "created", "resolved", "is_resolved", *_WHO)
_LABELS = ("system", "product", "customer", "category", "access_group", "language", "reporter")
_COLUMNS: Mapping[str, type[np.generic]] = {
    "row_id": np.int64,
    "change": np.int64,
    "digest": np.int64,  # of the content, as the history has it
    "created": np.int64,  # microseconds since the epoch, so that comparing is exact
    "resolved": np.int64,
    "is_live": np.bool_,
    "is_resolved": np.bool_,
    "severity": np.int8,
    "outcome": np.int8,
    "subject_length": np.int32,
    "text_length": np.int32,
    **dict.fromkeys(_LABELS, np.int32),
}


class CaseEntry(NamedTuple):
    """A case as the index knows it. Tuples are made several times as fast as dataclasses.

    Attributes
    ----------
    created_at, resolved_at : float
        Seconds since the epoch; nan where unknown.
    duplicate_of : tuple of int
        Rows of the cases that it was linked to as a duplicate.
    subject_length, text_length : int
        Characters of the subject and of the whole model text.
    """

    row_id: int
    change: int
    id: str
    system: str
    created_at: float
    resolved_at: float
    is_resolved: bool
    product: str | None
    customer: str | None
    category: str | None
    targets: Mapping[str, str]
    severity: Severity | None
    outcome: FixOutcome
    access_group: str | None
    language: str | None
    duplicate_of: tuple[int, ...]
    subject_length: int
    text_length: int


class CaseBasics(NamedTuple):
    """What ranking asks of each of 200 cases; fields as those of :class:`CaseEntry`."""

    row_id: int
    created_at: float
    product: str | None
    customer: str | None
    text_length: int


Facts = TypeVar("Facts", CaseEntry, CaseBasics)


@dataclass(eq=False)
class _Names:
    """Labels by number, one table for all columns."""

    labels: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def code(self, label: str | None) -> int:
        if label is None:
            return _NOTHING
        if label not in self.codes:
            self.codes[label] = len(self.labels)
            self.labels.append(label)
        return self.codes[label]

    def label(self, code: int) -> str | None:
        return None if code == _NOTHING else self.labels[code]


class CaseEntries:
    """Columns by slot. One thread may change them at a time, while none reads."""

    def __init__(self) -> None:
        self._columns: dict[str, GrowingArray[Any]] = {name: GrowingArray(dtype) for name, dtype in _COLUMNS.items()}
        self._names = _Names()
        self._ids: list[str] = []
        self._duplicate_of: dict[int, tuple[str, ...]] = {}
        self._targets: dict[int, Mapping[str, str]] = {}
        self._record = PastRecord()
        self._slot_of: dict[int, int] = {}
        self._row_of: dict[tuple[str, str], int] = {}
        self._systems: set[str] = set()
        self._customers: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._slot_of)

    @property
    def n_slots(self) -> int:
        """Number of slots, dead ones included."""
        return len(self._ids)

    @property
    def customers(self) -> frozenset[str]:
        """Names of the customers of all slots; the same object until there are others."""
        return self._customers

    @property
    def row_ids(self) -> Slots:
        """Rows of the live cases, in the order of their slots; shape (n,)."""
        return self.rows(self.live_slots)

    @property
    def live_slots(self) -> Slots:
        """Slots of the live cases, ascending; shape (n,)."""
        return np.flatnonzero(self._columns["is_live"].values)

    def rows(self, slots: Slots) -> Slots:
        """Rows of slots."""
        rows: Slots = self._columns["row_id"].values[slots]
        return rows

    def slots(self, row_ids: Slots) -> Slots:
        """Slots of rows; -1 for a row that is not held."""
        return np.array([self._slot_of.get(row, -1) for row in row_ids.tolist()], dtype=np.int64)

    def created(self, slots: Slots) -> Slots:
        """Times of creation of slots, in microseconds since the epoch."""
        created: Slots = self._columns["created"].values[slots]
        return created

    def agree(self, versions: StoredVersions) -> Mask:
        """Tell which of a history's cases are held just so: row, change, content, system and id; shape (n,)."""
        slots = self.slots(versions.row_ids)
        names = zip(versions.systems, versions.ids, strict=True)
        rows = np.array([self._row_of.get(name, _NOTHING) for name in names], dtype=np.int64)
        agree: Mask = (slots >= 0) & (rows == versions.row_ids)
        for name, values in (("change", versions.changes), ("digest", versions.digests)):
            agree[agree] = self._columns[name].values[slots[agree]] == values[agree]
        return agree

    def changes(self) -> dict[int, int]:
        """The change number of each live row."""
        slots = self.live_slots
        return dict(zip(self.rows(slots).tolist(), self._columns["change"].values[slots].tolist(), strict=True))

    def row_of(self, id: str, system: str = "default") -> int | None:  # noqa: A002
        """Row of a case by the id that its source uses."""
        return self._row_of.get((system, id))

    def extend(self, cases: Sequence[StoredCase], texts: Sequence[ModelText]) -> None:
        """Append cases, in the place of older versions of theirs."""
        self.drop([stored.row_id for stored in cases])
        start = self.n_slots
        rows = [self._values(stored, text) for stored, text in zip(cases, texts, strict=True)]
        for name, column in self._columns.items():
            column.extend([row[name] for row in rows])
        for slot, stored in enumerate(cases, start):
            self._ids.append(stored.case.id)
            self._slot_of[stored.row_id] = slot
            self._row_of[stored.case.system, stored.case.id] = stored.row_id
            self._systems.add(stored.case.system)
            targets = tuple(link.id for link in stored.case.links if link.type is LinkType.DUPLICATE_OF)
            if targets:
                self._duplicate_of[slot] = targets
            if stored.case.outcome.targets:
                self._targets[slot] = dict(stored.case.outcome.targets)
        self._take_up(start)

    def absorb(self, others: CaseEntries) -> None:
        """Append cases that were analysed apart, in the place of older versions; none of the others may be dead.

        A fraction of the time of :meth:`extend`, for searches wait meanwhile.
        """
        rows = others.rows(others.live_slots).tolist()
        self.drop(rows)
        start = self.n_slots
        codes = np.array([*map(self._names.code, others._names.labels), _NOTHING], dtype=np.int32)
        for name, column in self._columns.items():
            values = others._columns[name].values
            column.extend(codes[values] if name in _LABELS else values)
        self._ids.extend(others._ids)
        self._slot_of.update(zip(rows, range(start, start + len(rows)), strict=True))
        self._row_of.update(others._row_of)
        self._systems |= others._systems
        self._duplicate_of.update((start + slot, targets) for slot, targets in others._duplicate_of.items())
        self._targets.update((start + slot, targets) for slot, targets in others._targets.items())
        self._take_up(start)

    def drop(self, row_ids: Sequence[int]) -> Slots:
        """Let the slots of rows die and forget what they held; returns them. Unknown rows are passed over."""
        slots = [slot for row in row_ids if (slot := self._slot_of.pop(row, -1)) >= 0]
        for counted in self._counted(np.array(slots, dtype=np.int64)).each():
            self._record.remove(counted)
        for slot in slots:
            system = self._names.label(self._columns["system"].item(slot))
            self._row_of.pop((str(system), self._ids[slot]), None)
            self._duplicate_of.pop(slot, None)
            self._targets.pop(slot, None)
            self._ids[slot] = ""
        for name in _LABELS:
            self._columns[name].values[slots] = _NOTHING
        self._columns["is_live"].values[slots] = False
        return np.array(slots, dtype=np.int64)

    def mask(self, where: CaseFilter) -> Mask:
        """Tell which slots are live and pass a filter; shape (n_slots,)."""
        columns = {name: column.values for name, column in self._columns.items()}
        mask: Mask = columns["is_live"].copy()
        for name, label in where.labels.items():
            mask &= columns[name] == self._names.codes.get(label, -2)
        since, end = where.time_range
        if since is not None or end is not None:
            mask &= columns["created"] != NO_TIME
        if since is not None:
            mask &= columns["created"] >= since
        if end is not None:
            mask &= columns["created"] < end
        if where.access_groups is not None:
            codes = [self._names.codes[group] for group in where.access_groups if group in self._names.codes]
            mask &= np.isin(columns["access_group"], [_NOTHING, *codes])
        if where.is_resolved is not None:
            mask &= columns["is_resolved"] == where.is_resolved
        mask[self.slots(self.excluded_rows(where))] = False
        return mask

    def excluded_rows(self, where: CaseFilter) -> Slots:
        """Rows of a filter's excluded ids, in whichever system they are."""
        if not where.exclude_ids:
            return np.empty(0, dtype=np.int64)
        found = (self._row_of.get((system, id_)) for system in self._systems for id_ in where.exclude_ids)
        return np.array([row for row in found if row is not None], dtype=np.int64)

    def entry(self, row_id: int) -> CaseEntry | None:
        """One case; None where the row is not held."""
        return next(iter(self.entries([row_id])), None)

    def entries(self, row_ids: Sequence[int]) -> list[CaseEntry]:
        """Several cases, in the order of their rows; rows that are not held are left out."""
        return self._read(CaseEntry, row_ids)

    def basics(self, row_ids: Sequence[int]) -> list[CaseBasics]:
        """The same with less of each, in less time."""
        return self._read(CaseBasics, row_ids)

    def _read(self, facts: type[Facts], row_ids: Sequence[int]) -> list[Facts]:
        held = [slot for row in row_ids if (slot := self._slot_of.get(row, -1)) >= 0]
        slots = np.array(held, dtype=np.int64)
        return list(map(facts, *(self._facts(name, held, slots) for name in facts._fields)))

    def duplicates(self, row_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Rows that cases were linked to as duplicates, those that these were linked to, and so on; by row."""
        found: dict[int, tuple[int, ...]] = {}
        waiting = list(row_ids)
        for row in waiting:  # which grows meanwhile: the given rows first, in their order
            if row not in found and (slot := self._slot_of.get(row, -1)) >= 0:
                found[row] = self._rows_of_duplicates(slot)
                waiting += found[row]
        return found

    def record(self, who: Who, *, at: float, own: Slots) -> NDArray[np.float64]:
        """The past record of a ticket's reporter, customer and product, without the ticket's own rows, if it has any.

        Returns
        -------
        ndarray of float64, shape (len(RECORD_NAMES),)
        """
        slots = self.slots(own)
        slots = slots[slots >= 0]
        return self._record.features(who, at=at, without=list(self._counted(slots).each()) if len(slots) else ())

    def take(self, slots: Slots) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Copy slots, in their order, as the columns and the strings that :meth:`from_parts` takes.

        Only labels that are in use come along.
        """
        columns = {name: column.values[slots] for name, column in self._columns.items()}
        names = _Names()
        for name in _LABELS:
            codes, inverse = np.unique(columns[name], return_inverse=True)
            columns[name] = np.array([names.code(self._names.label(code)) for code in codes], np.int32)[inverse]
        old = slots.tolist()
        duplicate_of = {new: self._duplicate_of[slot] for new, slot in enumerate(old) if slot in self._duplicate_of}
        return columns, {
            "labels": names.labels,
            "ids": [self._ids[slot] for slot in old],
            "duplicate_of": [[slot, *targets] for slot, targets in duplicate_of.items()],
            "targets": [[new, dict(self._targets[slot])] for new, slot in enumerate(old) if slot in self._targets],
        }

    @classmethod
    def from_parts(cls, columns: Mapping[str, NDArray[Any]], strings: Mapping[str, Any]) -> CaseEntries:
        """Restore what :meth:`take` gave; every slot lives."""
        entries = cls()
        entries._columns = {name: GrowingArray(dtype, columns[name]) for name, dtype in _COLUMNS.items()}
        entries._ids = list(strings["ids"])
        entries._names = _Names(list(strings["labels"]), {label: i for i, label in enumerate(strings["labels"])})
        entries._duplicate_of = {slot: tuple(targets) for slot, *targets in strings["duplicate_of"]}
        entries._targets = dict(strings["targets"])
        rows = columns["row_id"].tolist()
        entries._slot_of = dict(zip(rows, range(len(rows)), strict=True))
        systems = entries._labels("system", np.arange(len(rows)))
        entries._row_of = dict(zip(zip(systems, entries._ids, strict=True), rows, strict=True))
        entries._systems = set(systems)
        entries._record = entries._counted(np.arange(len(rows))).record()
        entries._meet_customers(0)
        return entries

    def _take_up(self, start: int) -> None:
        """Take the slots from one on into what is known of all."""
        for counted in self._counted(np.arange(start, self.n_slots)).each():
            self._record.add(counted)
        self._meet_customers(start)

    def _meet_customers(self, start: int) -> None:
        codes = np.unique(self._columns["customer"].values[start:]).tolist()
        new = {label for code in codes if (label := self._names.label(code)) is not None} - self._customers
        if new:
            self._customers |= new

    def _facts(self, name: str, held: list[int], slots: Slots) -> list[Any]:
        """One attribute of the entries of slots, which are given as numbers and as an array."""
        if name == "id":
            return [self._ids[slot] for slot in held]
        if name == "targets":
            return [self._targets.get(slot, _NO_TARGETS) for slot in held]
        if name == "duplicate_of":
            return [self._rows_of_duplicates(slot) for slot in held]
        if name in _LABELS:
            return self._labels(name, slots)
        found: list[Any] = self._columns[name.removesuffix("_at")].values[slots].tolist()
        if name in ("created_at", "resolved_at"):
            return [_seconds(value) for value in found]
        if name == "severity":
            return [None if code == _NOTHING else SEVERITIES[code] for code in found]
        return [_OUTCOMES[code] for code in found] if name == "outcome" else found

    def _labels(self, name: str, slots: Slots) -> list[Any]:
        labels = self._names.labels
        return [None if code == _NOTHING else labels[code] for code in self._columns[name].values[slots].tolist()]

    def _rows_of_duplicates(self, slot: int) -> tuple[int, ...]:
        targets = self._duplicate_of.get(slot)
        if targets is None:
            return ()
        system = str(self._names.label(self._columns["system"].item(slot)))
        rows = (self._row_of.get((system, target)) for target in targets)
        return tuple(row for row in rows if row is not None)

    def _counted(self, slots: Slots) -> CountedColumns:
        """Slots as they count in the past record; see :meth:`features.past_record.Counted.of`."""
        columns = {name: self._columns[name].values[slots] for name in _COUNTED}
        is_known = (columns["resolved"] != NO_TIME) | ~columns["is_resolved"]
        at = np.where(is_known, columns["resolved"], columns["created"])
        counts = (columns["severity"] != _NOTHING) & (at != NO_TIME)
        return CountedColumns(
            level=columns["severity"][counts].astype(np.int64),
            at=np.maximum(at, columns["created"])[counts] / 1e6,
            **{name: columns[name][counts].astype(np.int64) for name in _WHO},
            labels=self._names.labels,
        )

    def _values(self, stored: StoredCase, text: ModelText) -> dict[str, int | bool]:
        ticket, outcome = stored.case.ticket, stored.case.outcome
        return {
            "row_id": stored.row_id,
            "change": stored.change,
            "digest": digests([stored.content_hash]).item(),
            "created": microseconds(ticket.created_at),
            "resolved": microseconds(outcome.resolved_at),
            "is_live": True,
            "is_resolved": outcome.is_resolved,
            "severity": _NOTHING if outcome.severity is None else SEVERITIES.index(outcome.severity),
            "outcome": _OUTCOMES.index(outcome.outcome),
            "subject_length": len(text.subject),
            "text_length": len(text.text),
            "system": self._names.code(stored.case.system),
            "product": self._names.code(ticket.product),
            "customer": self._names.code(ticket.customer),
            "category": self._names.code(outcome.category),
            "access_group": self._names.code(ticket.access_group),
            "language": self._names.code(ticket.language),
            "reporter": self._names.code(ticket.reporter),
        }


def _seconds(value: int) -> float:
    return math.nan if value == NO_TIME else value / 1e6
