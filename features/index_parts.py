"""The parts of a case index as one: changed together, written to a folder together, read back together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from features.case_entries import CaseEntries
from features.dense import DenseIndex, DenseLimits, Exclusively, FrozenVectors, Staged, Vectors
from features.dense_kinds import Renewal, empty_dense, load_dense
from features.errors import IndexDamaged
from features.files import link_file
from features.forward import ForwardIndex
from features.fulltext import FullTextDocument, FullTextIndex
from features.lexical import DocumentTerms, document_terms

if TYPE_CHECKING:
    from features.history import StoredCase
    from features.text import ModelText

_FULLTEXT, _DENSE = "fulltext", "dense"  # folders
_FORWARD, _COLUMNS, _STRINGS = "forward.safetensors", "entries.safetensors", "entries.json"


@dataclass(eq=False)
class CasePage:
    """Cases on their way into an index, analysed before anything is locked.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n_cases, dimension)
    """

    cases: Sequence[StoredCase]
    texts: Sequence[ModelText]
    vectors: Vectors
    entries: CaseEntries = field(default_factory=CaseEntries, init=False)
    documents: list[DocumentTerms] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.entries.extend(self.cases, self.texts)
        self.documents = [document_terms(text.subject, text.body) for text in self.texts]

    @property
    def row_ids(self) -> NDArray[np.int64]:
        """Rows of the cases, shape (n_cases,)."""
        return np.array([stored.row_id for stored in self.cases], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class IndexParts:
    """Vectors, terms, facts and the inverted index of the same cases; ``folder`` is theirs alone."""

    dense: DenseIndex
    forward: ForwardIndex
    entries: CaseEntries
    fulltext: FullTextIndex
    folder: Path

    @classmethod
    def create(cls, dimension: int, folder: Path) -> IndexParts:
        """Make empty parts in a new folder."""
        _make_folders(folder)
        fulltext = FullTextIndex(folder / _FULLTEXT)
        return cls(empty_dense(dimension), ForwardIndex(), CaseEntries(), fulltext, folder)

    @classmethod
    def load(cls, snapshot: Path, folder: Path) -> IndexParts:
        """Read a snapshot's parts; the files that a search reads are linked out of it into a new folder.

        Raises
        ------
        IndexDamaged
            If a part cannot be read.
        """
        _make_folders(folder)
        try:
            for path in (snapshot / _FULLTEXT).iterdir():
                link_file(path, folder / _FULLTEXT / path.name)
            columns = safetensors.numpy.load_file(snapshot / _COLUMNS)
            strings = orjson.loads((snapshot / _STRINGS).read_bytes())
            return cls(
                load_dense(snapshot, folder / _DENSE),
                ForwardIndex(safetensors.numpy.load_file(snapshot / _FORWARD)),
                CaseEntries.from_parts(columns, strings),
                FullTextIndex(folder / _FULLTEXT),
                folder,
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise IndexDamaged(f"The snapshot {snapshot} cannot be read ({error!r}); rebuild the index.") from None

    def stage(self, removed: Sequence[int], page: CasePage) -> Staged:
        """Do what takes time, unseen by searches until :meth:`publish`; returns what became of the page's vectors.

        The inverted index comes last: what it has committed would get into a snapshot without its vectors.
        """
        staged = self.dense.stage(page.row_ids, page.vectors)
        try:
            self.fulltext.remove(removed)
            self.fulltext.put(fulltext_documents(page.entries, page.documents))
            self.fulltext.commit()
        except BaseException:
            self.fulltext.rollback()
            raise
        return staged

    def publish(self, removed: Sequence[int], page: CasePage, staged: Staged) -> None:
        """Bring the other parts up to date; no search may run meanwhile."""
        self._publish_vectors(removed, page, staged)
        self._publish_rest(removed, page)

    def settle(self, exclusively: Exclusively) -> None:
        """Bring what was published to where searches find it fast, which they find as it is; they go on meanwhile."""
        self.dense.settle(exclusively)

    def catch_up(self, origin: IndexParts, removed: Sequence[int], page: CasePage) -> None:
        """Take in what the parts that these were made of took in meanwhile; vectors may be theirs as well."""
        staged = self.stage(removed, page)
        if self.dense is not origin.dense:
            self._publish_vectors(removed, page, staged)
            self.dense.settle(nullcontext)
        self._publish_rest(removed, page)

    def _publish_vectors(self, removed: Sequence[int], page: CasePage, staged: Staged) -> None:
        rows = page.row_ids
        self.dense.remove(np.concatenate([np.array(removed, dtype=np.int64), rows]))
        self.dense.add(rows, page.vectors, staged)

    def _publish_rest(self, removed: Sequence[int], page: CasePage) -> None:
        self.entries.drop(removed)
        self.entries.absorb(page.entries)
        self.forward.extend(page.documents)
        self.fulltext.refresh()

    def live(self, folder: Path, limits: DenseLimits) -> LiveParts:
        """Copy what is live, as it is now, to make new parts of in a new folder; changes must wait, searches need not.

        Vectors of an index that has nothing dead and is of the right kind are shared.
        """
        with _removed_on_failure(folder):
            _make_folders(folder)
            live = self.entries.live_slots
            return LiveParts(
                CaseEntries.from_parts(*self.entries.take(live)),
                ForwardIndex(self.forward.take(live)),
                Renewal.begin(self.dense, limits, folder / _DENSE),
                folder,
            )

    def freeze(self, folder: Path, *, is_clean: bool) -> FrozenParts:
        """Copy everything as it is now; live slots only.

        Parameters
        ----------
        folder : Path
            A new one, for the files that the copy needs until it is written.
        is_clean : bool
            Whether the files that searches read hold nothing of what was erased. They are then linked into ``folder``;
            otherwise they are made anew when the copy is written.
        """
        with _removed_on_failure(folder):
            _make_folders(folder)
            live = self.entries.live_slots
            columns, strings = self.entries.take(live)
            if is_clean:
                self.fulltext.link_into(folder / _FULLTEXT)
            dense = self.dense.freeze(folder / _DENSE, is_clean=is_clean)
            return FrozenParts(dense, self.forward.take(live), columns, strings, folder, is_clean)

    def remove(self) -> None:
        """Stop the inverted index's threads and remove the folder; vectors that other parts share stay readable."""
        try:
            self.fulltext.close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class LiveParts:
    """What was live at a moment, while the index goes on."""

    entries: CaseEntries
    forward: ForwardIndex
    vectors: Renewal
    folder: Path

    def renewed(self) -> IndexParts:
        """Make parts without what dead slots, deleted documents and removed vectors held; slow.

        The folder is removed where that fails.
        """
        with _removed_on_failure(self.folder):
            fulltext = _fulltext_of(self.entries, self.forward, self.folder / _FULLTEXT)
            return IndexParts(self.vectors.finish(), self.forward, self.entries, fulltext, self.folder)


@dataclass(frozen=True, eq=False)
class FrozenParts:
    """Parts as they were at a moment, to be written while the index goes on."""

    dense: FrozenVectors
    forward: dict[str, NDArray[Any]]
    columns: dict[str, NDArray[Any]]
    strings: dict[str, Any]
    folder: Path
    has_fulltext: bool

    def write(self, folder: Path) -> None:
        """Put the parts into an empty folder of the same file system."""
        self.dense.write(folder)
        safetensors.numpy.save_file(self.forward, folder / _FORWARD)
        safetensors.numpy.save_file(self.columns, folder / _COLUMNS)
        (folder / _STRINGS).write_bytes(orjson.dumps(self.strings))
        if not self.has_fulltext:
            self._make_fulltext()
        (self.folder / _FULLTEXT).rename(folder / _FULLTEXT)

    def remove(self) -> None:
        """Remove the folder and what was not written of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_fulltext(self) -> None:
        entries = CaseEntries.from_parts(self.columns, orjson.loads(orjson.dumps(self.strings)))
        made_in = self.folder / f"{_FULLTEXT}-made"
        made_in.mkdir()
        made = _fulltext_of(entries, ForwardIndex(self.forward), made_in)
        made.link_into(self.folder / _FULLTEXT)
        made.close()


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Leave nothing of a folder that could not be filled: what it holds may be of cases that are erased later."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _make_folders(folder: Path) -> None:
    for name in (_FULLTEXT, _DENSE):
        (folder / name).mkdir(parents=True)


def _fulltext_of(entries: CaseEntries, forward: ForwardIndex, folder: Path) -> FullTextIndex:
    """Make the inverted index of parts without dead slots, in an empty folder."""
    fulltext = FullTextIndex(folder)
    fulltext.put(fulltext_documents(entries, map(forward.document, range(len(forward)))))
    fulltext.commit()
    fulltext.refresh()
    return fulltext


def fulltext_documents(entries: CaseEntries, documents: Iterable[DocumentTerms]) -> Iterator[FullTextDocument]:
    """What the inverted index holds of each live case, given their terms in the order of their slots."""
    slots = entries.live_slots
    created = entries.created(slots).tolist()
    cases = entries.entries(entries.rows(slots).tolist())
    for entry, at, terms in zip(cases, created, documents, strict=True):
        labels = {
            name: getattr(entry, name) for name in ("product", "customer", "category", "access_group", "language")
        }
        yield FullTextDocument(entry.row_id, terms, at, entry.is_resolved, labels)
