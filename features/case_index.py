"""The index of every case: vectors, terms and facts, searched together and kept current by change number.

It is derived from the history and can be thrown away (DESIGN, decision 1): a snapshot makes its start fast, a replay of
later changes makes it current.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseBasics, CaseEntry
from features.case_filter import CaseFilter
from features.case_search import POOL, Candidate, CaseQuery, Nearest, Scope, find_candidates
from features.dense import DenseLimits, Ids, Vectors
from features.dense_kinds import has_right_kind, is_worn
from features.encoder import Encoder
from features.errors import EncoderMismatch, IndexDamaged
from features.forward import LexicalQuery
from features.index_check import IndexReport, check_index, differences
from features.index_parts import CasePage, IndexParts
from features.index_stats import IndexStats, index_stats
from features.lexical import ANALYZER_VERSION, Hashes, LexicalStatistics
from features.past_record import Who
from features.rwlock import ReadWriteLock
from features.snapshot import MadeWith, WorkFolder, check_snapshot, snapshots, write_snapshot
from features.text import RULES_VERSION, ModelText, model_text
from features.ticket import Ticket
from features.vectors import embed_cases

if TYPE_CHECKING:
    from features.history import Change, History

__all__ = [
    "POOL",
    "Candidate",
    "CaseEntry",
    "CaseFilter",
    "CaseIndex",
    "CaseQuery",
    "DenseLimits",
    "IndexReport",
    "IndexStats",
    "Nearest",
]

_LIMITS = DenseLimits()
_CHECKED_AFTER = 10_000  # changes, while an index is built
PAGE = 1_000  # changes applied at a time; the inverted index commits once a page

logger = logging.getLogger(__name__)


class CaseIndex:
    """Cases of a history, searchable. Made by :meth:`create` or :meth:`open`; end it with :meth:`close`.

    Searches and changes may come from any thread. A search sees the parts of the index in one state; changes wait for
    each other, and hold up searches only for moments while they are being published, not while cases are embedded or
    analysed.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        statistics: LexicalStatistics,
        work: WorkFolder,
        load: Callable[[Path], IndexParts],
        watermark: int = 0,
        *,
        limits: DenseLimits,
    ) -> None:
        self._folder = folder
        self._encoder = encoder
        self._statistics = statistics
        self._limits = limits
        self._work = work
        self._numbers = itertools.count()
        self._parts = load(self._new_work_path())
        self._watermark = watermark
        self._n_erased = 0
        self._n_cleared = 0  # of those erased, how many are in no dead slot any more
        self._n_saved = 0  # of those erased, how many the latest snapshot knows of
        self._meanwhile: list[tuple[list[int], CasePage]] | None = None  # taken in since a compaction began
        self._is_compared = False  # with the history that it follows
        self._snapshot: Path | None = None  # the one on disk, as long as it says what the index says
        self._lock = ReadWriteLock()  # of the parts: searches read, publishing writes
        self._writer = threading.RLock()  # who may change the index
        self._upkeep = threading.RLock()  # who may compact it or write it to disk; asked for before the writer's

    @classmethod
    def create(
        cls, folder: Path, encoder: Encoder, statistics: LexicalStatistics, limits: DenseLimits = _LIMITS
    ) -> CaseIndex:
        """Make an empty index that keeps its snapshots in ``folder``; older snapshots stay until it writes one."""
        return cls(
            folder,
            encoder,
            statistics,
            WorkFolder(folder),
            lambda path: IndexParts.create(encoder.dimension, path),
            limits=limits,
        )

    @classmethod
    def open(
        cls, folder: Path, encoder: Encoder, statistics: LexicalStatistics, limits: DenseLimits = _LIMITS
    ) -> CaseIndex:
        """Open the latest snapshot in ``folder`` that is sound and was made with this encoder and these rules.

        Where there is none, the index is empty and :meth:`replay` fills it; a damaged snapshot is logged.
        """
        tried: set[str] = set()
        # Listed anew each time: another process may replace a snapshot by a later one while this one reads it.
        while path := next((path for path in snapshots(folder) if path.name not in tried), None):
            tried.add(path.name)
            try:
                index = cls._load(folder, path, encoder, statistics, limits)
            except IndexDamaged as error:
                logger.warning("passed over an index snapshot: %s", error.message)
                continue
            if index is not None:
                return index
        return cls.create(folder, encoder, statistics, limits)

    @classmethod
    def _load(
        cls, folder: Path, path: Path, encoder: Encoder, statistics: LexicalStatistics, limits: DenseLimits
    ) -> CaseIndex | None:
        manifest = check_snapshot(path)
        if manifest.made_with != _made_with(encoder):
            logger.info("passed over the snapshot %s: made with %s", path.name, manifest.made_with)
            return None
        work = WorkFolder(folder)
        try:
            index = cls(
                folder,
                encoder,
                statistics,
                work,
                lambda target: IndexParts.load(path, target),
                manifest.watermark,
                limits=limits,
            )
        except BaseException:
            work.close()
            raise
        index._snapshot = path
        return index

    def __len__(self) -> int:
        with self._lock.read():
            return len(self._parts.entries)

    @property
    def watermark(self) -> int:
        """Highest change number of the history that the index has."""
        return self._watermark

    @property
    def folder(self) -> Path:
        """Where the snapshots are."""
        return self._folder

    @property
    def fingerprint(self) -> str:
        """The encoder's, of whose vectors alone it is."""
        return self._encoder.fingerprint

    @property
    def n_erased(self) -> int:
        """Number of erasures taken in since this object was made, of cases that it never held too."""
        return self._n_erased

    @property
    def has_erased_on_disk(self) -> bool:
        """Whether a case was erased since the latest snapshot, which may hold it."""
        return self._n_saved < self._n_erased

    def apply(self, changes: Sequence[Change], vectors: Vectors, texts: Sequence[ModelText] | None = None) -> None:
        """Take in changes: new cases, new versions, erasures. Applying the same ones again changes nothing.

        Parameters
        ----------
        changes : sequence of Change
            What follows the watermark, in order and without a gap (:meth:`History.changes_since`).
        vectors : ndarray of float32, shape (n_cases, dimension)
            Of those changes that have a case, in their order.
        texts : sequence of ModelText, length n_cases, optional
            Of the same cases; made where they are not given.

        Raises
        ------
        EncoderMismatch
            If there are not as many vectors as cases, or they have another dimension.
        ValueError
            If there are not as many texts as cases.
        """
        stored = [change.case for change in changes if change.case is not None]
        if vectors.shape != (len(stored), self._encoder.dimension):
            raise EncoderMismatch(
                f"Vectors of shape {vectors.shape} do not fit {len(stored)} cases in an index of dimension "
                f"{self._encoder.dimension}; embed the cases with the encoder that the index was made with."
            )
        if texts is not None and len(texts) != len(stored):
            raise ValueError(f"There are {len(texts)} texts of {len(stored)} cases.")
        if not changes:
            return
        last = {change.row_id: change.case for change in changes}
        kept = [number for number, case in enumerate(stored) if last[case.row_id] is case]
        page = CasePage(
            [stored[number] for number in kept],
            [texts[number] if texts is not None else model_text(stored[number].case.ticket) for number in kept],
            vectors[kept],
        )
        removed = [row for row, case in last.items() if case is None]
        with self._writer:
            staged = self._parts.stage(removed, page)
            with self._lock.write():
                self._parts.publish(removed, page, staged)
                self._watermark = max(self._watermark, changes[-1].change)
            self._snapshot = None
            self._n_erased += len(removed)
            if self._meanwhile is not None:
                self._meanwhile.append((removed, page))
            self._parts.settle(self._lock.write)

    def build(self, history: History, progress: Callable[[int], None] | None = None) -> int:
        """Replay a history that may be long, as :meth:`replay` does; not for one that is followed.

        Vectors that outgrow their kind of index on the way get another one at once, and not with the next snapshot: as
        they are all in memory until then, millions would not fit. As long as they are few enough to be compared one by
        one, what was taken in page by page is in the end put together: searching one segment of the inverted index
        takes half the time of searching nine, and for a moment there is room for a copy.
        """
        n_done, end = 0, history.last_change()
        while n_new := self.replay(history, progress, at_most=_CHECKED_AFTER):
            n_done += n_new
            self.renew_outgrown()
            if self._watermark >= end:
                break
        if n_done >= _CHECKED_AFTER and self._parts.dense.kind == "exact":
            self.compact()
        return n_done

    def renew_outgrown(self) -> None:
        """Compact the index where its vectors are too many, or too few, for their kind."""
        if not has_right_kind(self._parts.dense, self._limits):
            self.compact()

    def replay(
        self, history: History, progress: Callable[[int], None] | None = None, *, at_most: int | None = None
    ) -> int:
        """Take in what has happened in the history since the watermark; returns the number of changes.

        What is written meanwhile is for the next time: a history that is written to without a pause has no end.

        The first time, every case is compared with the history, which may have been restored since the snapshot and
        have grown again; where one differs, all are taken in anew.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of changes just done.
        at_most : int, optional
            Number of changes after which it stops, in whole pages.
        """
        n_done = 0
        with self._writer:
            if (foreign := self._why_foreign(history)) is not None:
                logger.warning("the index is not of this history as it is now (a restore?): rebuilding. %s", foreign)
                self._swap(IndexParts.create(self._encoder.dimension, self._new_work_path()), watermark=0).remove()
            self._is_compared = True
            end = history.last_change()
            while self._watermark < end and (at_most is None or n_done < at_most):
                changes = history.changes_since(self._watermark, PAGE)
                if not changes:
                    break
                cases = [change.case for change in changes if change.case is not None]
                texts = [model_text(stored.case.ticket) for stored in cases]
                self.apply(changes, embed_cases(history, self._encoder, cases, texts=texts), texts)
                n_done += len(changes)
                if progress is not None:
                    progress(len(changes))
        return n_done

    def _why_foreign(self, history: History) -> str | None:
        """What the index has and the history never had before the watermark, as after a restore; None for nothing.

        The cases are compared once; later on, a history is noticed that is behind.
        """
        if self._watermark > (last := history.last_change()):
            return f"The index is at change {self._watermark} and the history at {last}."
        if self._is_compared or self._watermark == 0:
            return None
        return next(differences(self._parts.entries, self._watermark, history), None)

    def search(self, query: CaseQuery, where: CaseFilter, limit: int = 200) -> list[Candidate]:
        """Find candidates: the nearest by vectors and the best by terms, with all signals of each.

        Returns
        -------
        list of Candidate
            At most ``limit``, best first by a fixed fusion that a ranker is expected to improve on.
        """
        self._check(query.vector)
        terms = LexicalQuery.of(self._statistics.query_terms(query.text), self._statistics)
        with self._lock.read():
            return find_candidates(self._parts, query, terms, where, limit)

    def without_boilerplate(self, text: ModelText) -> ModelText:
        """What is searched for of a text: all but what many tickets of the release's history have."""
        return self._statistics.boilerplate.without(text)

    def nearest(self, vector: Vectors, k: int, where: CaseFilter) -> tuple[Ids, Vectors]:
        """Find the k nearest cases by vectors.

        Returns
        -------
        row_ids : ndarray of int64, shape (n,), n <= k
        cosines : ndarray of float32, shape (n,), descending
        """
        self._check(vector)
        with self._lock.read():
            return Scope.of(self._parts.entries, where).nearest(self._parts.dense, vector, k)

    def entry(self, row_id: int) -> CaseEntry | None:
        """What the index knows of a case; None where it has none of that row."""
        with self._lock.read():
            return self._parts.entries.entry(row_id)

    def entries(self, row_ids: Sequence[int]) -> list[CaseEntry]:
        """Several cases at a time, in the order of their rows; rows that are not held are left out."""
        with self._lock.read():
            return self._parts.entries.entries(row_ids)

    def basics(self, row_ids: Sequence[int]) -> list[CaseBasics]:
        """What ranking asks of several cases, in the order of their rows; rows that are not held are left out."""
        with self._lock.read():
            return self._parts.entries.basics(row_ids)

    def duplicates(self, row_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Rows that cases were linked to as duplicates, those that these were linked to, and so on; by row.

        No access group keeps a case out of it: it is for joining cases, and not to be shown.
        """
        with self._lock.read():
            return self._parts.entries.duplicates(row_ids)

    def terms(self, row_ids: Sequence[int]) -> dict[int, Hashes]:
        """Hashed terms of the whole texts of cases, by row and sorted; rows that are not held are left out."""
        with self._lock.read():
            slots = self._parts.entries.slots(np.array(row_ids, dtype=np.int64)).tolist()
            return {row: self._parts.forward.terms(slot) for row, slot in zip(row_ids, slots, strict=True) if slot >= 0}

    def resemblance(self, row_id: int, others: Sequence[int]) -> NDArray[np.float64]:
        """Compare the words of a case with those of others; see :meth:`ForwardIndex.resemblance`.

        Returns
        -------
        ndarray of float64, shape (n_others,), 0 to 1
            0 for a row that is not held.
        """
        with self._lock.read():
            own, *slots = self._parts.entries.slots(np.array([row_id, *others], dtype=np.int64))
            found = np.array(slots, dtype=np.int64)
            result = np.zeros(len(found))
            if own >= 0:
                result[found >= 0] = self._parts.forward.resemblance(int(own), found[found >= 0])
        return result

    def record(self, ticket: Ticket, *, at: float) -> NDArray[np.float64]:
        """The past record of a ticket's reporter, customer and product, without the ticket itself.

        Returns
        -------
        ndarray of float64, shape (len(RECORD_NAMES),)
        """
        own = CaseFilter(exclude_ids=frozenset({ticket.id}) if ticket.id is not None else frozenset())
        with self._lock.read():
            entries = self._parts.entries
            return entries.record(Who.of(ticket), at=at, own=entries.excluded_rows(own))

    def customers(self) -> frozenset[str]:
        """Names of the customers of its cases, and until it is compacted of cases that are gone."""
        with self._lock.read():
            return self._parts.entries.customers

    def row_of(self, id: str, *, system: str = "default") -> int | None:  # noqa: A002
        """Row of a case by the id that its source uses."""
        with self._lock.read():
            return self._parts.entries.row_of(id, system)

    def snapshot(self) -> Path:
        """Write the index to disk, unless its latest snapshot is current, and remove older snapshots.

        What was erased is in none of its files, whenever it was erased, and vectors that have outgrown their kind of
        index get another one. Changes go on meanwhile.
        """
        with self._upkeep:
            if self._n_cleared < self._n_erased or is_worn(self._parts.dense, self._limits):
                self.compact()
            with self._writer:
                if self._snapshot is not None and self._snapshot.is_dir():
                    return self._snapshot
                # Not so where a case was erased while the index was compacted; its memory is freed the next time.
                is_clean = self._n_cleared == self._n_erased
                frozen, parts = self._parts.freeze(self._new_work_path(), is_clean=is_clean), self._parts
                watermark, n_cases, n_erased = self._watermark, len(self._parts.entries), self._n_erased
            try:
                path = write_snapshot(
                    self._folder,
                    watermark=watermark,
                    n_cases=n_cases,
                    made_with=_made_with(self._encoder),
                    fill=frozen.write,
                )
            finally:
                frozen.remove()
            with self._writer:
                self._n_saved = n_erased
                if (watermark, parts) == (self._watermark, self._parts):
                    self._snapshot = path
            return path

    def compact(self) -> None:
        """Give back what older versions of cases and erased ones hold, in memory and on disk.

        Done on a copy: changes and searches go on, and what comes in meanwhile is taken in before the copy is used.
        """
        with self._upkeep:
            with self._writer:
                old, n_erased = self._parts, self._n_erased
                live = old.live(self._new_work_path(), self._limits)
                self._meanwhile = []
            try:
                fresh = live.renewed()
                try:
                    is_used = self._catch_up_and_swap(old, fresh, n_erased)
                except BaseException:
                    fresh.remove()
                    raise
            finally:
                with self._writer:
                    self._meanwhile = None
            (old if is_used else fresh).remove()

    def _catch_up_and_swap(self, old: IndexParts, fresh: IndexParts, n_erased: int) -> bool:
        """Bring compacted parts up to date and use them; False where the index was rebuilt meanwhile."""
        while True:
            with self._writer:
                missed, self._meanwhile = self._meanwhile or [], []
                if self._parts is not old:
                    return False
                if len(missed) <= 1:  # the last page is taken in while changes wait, so that there is a last one
                    for removed, page in missed:
                        fresh.catch_up(old, removed, page)
                    self._swap(fresh, self._watermark)
                    self._n_cleared = n_erased
                    return True
            for removed, page in missed:
                fresh.catch_up(old, removed, page)

    def verify(self, history: History) -> IndexReport:
        """Hold the index against the history and its own parts, and its snapshots against their hashes."""
        with self._writer:
            return check_index(self._parts, self._watermark, self._folder, history, self._encoder)

    def stats(self) -> IndexStats:
        """Counts, sizes and recall; changes wait meanwhile."""
        with self._writer:
            return index_stats(self._parts, self._watermark, self._folder)

    def close(self) -> None:
        """Stop the index and remove its private folder; snapshots stay."""
        with self._upkeep, self._writer, self._lock.write():
            self._parts.remove()
            self._work.close()

    def _swap(self, parts: IndexParts, watermark: int) -> IndexParts:
        """Use other parts; returns those used before, which no search reads any more."""
        with self._lock.write():
            old, self._parts, self._watermark = self._parts, parts, watermark
        self._snapshot = None
        return old

    def _new_work_path(self) -> Path:
        return self._work.path / str(next(self._numbers))

    def _check(self, vector: Vectors) -> None:
        if vector.shape != (self._encoder.dimension,):
            raise EncoderMismatch(
                f"A query vector of shape {vector.shape} does not fit an index of dimension "
                f"{self._encoder.dimension}; embed it with the encoder that the index was made with."
            )


def _made_with(encoder: Encoder) -> MadeWith:
    return MadeWith(
        encoder=encoder.fingerprint,
        dimension=encoder.dimension,
        text_rules=RULES_VERSION,
        analyzer=ANALYZER_VERSION,
    )
