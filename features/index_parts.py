"""The parts of a case index as one: changed together, written to a folder together, read back together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from features.case_entries import CaseEntries
from features.dense import DenseIndex
from features.errors import IndexDamaged
from features.forward import ForwardIndex
from features.fulltext import FullTextDocument, FullTextIndex, link_file
from features.lexical import DocumentTerms, document_terms

if TYPE_CHECKING:
    from features.history import StoredCase
    from features.text import ModelText

_DENSE, _FULLTEXT = "dense.faiss", "fulltext"
_FORWARD, _COLUMNS, _STRINGS = "forward.safetensors", "entries.safetensors", "entries.json"

Vectors = NDArray[np.float32]


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
    """Vectors, terms, facts and the inverted index of the same cases."""

    dense: DenseIndex
    forward: ForwardIndex
    entries: CaseEntries
    fulltext: FullTextIndex

    @classmethod
    def create(cls, dimension: int, folder: Path) -> IndexParts:
        """Make empty parts; the inverted index lives in a new folder."""
        folder.mkdir()
        return cls(DenseIndex(dimension), ForwardIndex(), CaseEntries(), FullTextIndex(folder))

    @classmethod
    def load(cls, snapshot: Path, folder: Path) -> IndexParts:
        """Read a snapshot's parts; the inverted index is linked out of it into a new folder.

        Raises
        ------
        IndexDamaged
            If a part cannot be read.
        """
        folder.mkdir()
        try:
            for path in (snapshot / _FULLTEXT).iterdir():
                link_file(path, folder / path.name)
            columns = safetensors.numpy.load_file(snapshot / _COLUMNS)
            strings = orjson.loads((snapshot / _STRINGS).read_bytes())
            return cls(
                DenseIndex.load(snapshot / _DENSE),
                ForwardIndex(safetensors.numpy.load_file(snapshot / _FORWARD)),
                CaseEntries.from_parts(columns, strings),
                FullTextIndex(folder),
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise IndexDamaged(f"The snapshot {snapshot} cannot be read ({error!r}); rebuild the index.") from None

    def stage(self, removed: Sequence[int], page: CasePage) -> None:
        """Bring the inverted index up to date, unseen by searches until :meth:`publish`."""
        try:
            self.fulltext.remove(removed)
            self.fulltext.put(fulltext_documents(page.entries, page.documents))
            self.fulltext.commit()
        except BaseException:
            self.fulltext.rollback()
            raise

    def publish(self, removed: Sequence[int], page: CasePage) -> None:
        """Bring the other parts up to date; no search may run meanwhile."""
        rows = page.row_ids
        self.dense.remove(np.concatenate([np.array(removed, dtype=np.int64), rows]))
        self.dense.add(rows, page.vectors)
        self._publish_rest(removed, page)

    def catch_up(self, removed: Sequence[int], page: CasePage) -> None:
        """Take in what the parts that these were made of took in meanwhile; the vectors are theirs as well."""
        self.stage(removed, page)
        self._publish_rest(removed, page)

    def _publish_rest(self, removed: Sequence[int], page: CasePage) -> None:
        self.entries.drop(removed)
        self.entries.extend(page.cases, page.texts)
        self.forward.extend(page.documents)
        self.fulltext.refresh()

    def live(self) -> tuple[CaseEntries, ForwardIndex]:
        """Copy the facts and the terms of the live cases."""
        live = self.entries.live_slots
        return CaseEntries.from_parts(*self.entries.take(live)), ForwardIndex(self.forward.take(live))

    def compacted(self, entries: CaseEntries, forward: ForwardIndex, folder: Path) -> IndexParts:
        """Make parts of what :meth:`live` copied, without what dead slots and deleted documents held.

        Slow, and safe while these parts go on: the vectors, which have nothing dead, are the same object in both.
        """
        fulltext = _fulltext_of(entries, forward, folder)
        return IndexParts(self.dense, forward, entries, fulltext)

    def freeze(self, folder: Path, *, is_clean: bool) -> FrozenParts:
        """Copy everything as it is now; live slots only.

        Parameters
        ----------
        folder : Path
            A new one, for the inverted index.
        is_clean : bool
            Whether the inverted index's files hold nothing of what was erased. They are then linked into ``folder``;
            otherwise it is made anew there when the copy is written.
        """
        live = self.entries.live_slots
        columns, strings = self.entries.take(live)
        if is_clean:
            self.fulltext.link_into(folder)
        return FrozenParts(self.dense.copy(), self.forward.take(live), columns, strings, folder, is_clean)

    def remove(self) -> None:
        """Stop the inverted index's threads and remove its folder."""
        self.fulltext.close()
        shutil.rmtree(self.fulltext.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class FrozenParts:
    """Parts as they were at a moment, to be written while the index goes on."""

    dense: DenseIndex
    forward: dict[str, NDArray[Any]]
    columns: dict[str, NDArray[Any]]
    strings: dict[str, Any]
    fulltext_folder: Path
    has_fulltext: bool

    def write(self, folder: Path) -> None:
        """Put the parts into an empty folder of the same file system."""
        self.dense.save(folder / _DENSE)
        safetensors.numpy.save_file(self.forward, folder / _FORWARD)
        safetensors.numpy.save_file(self.columns, folder / _COLUMNS)
        (folder / _STRINGS).write_bytes(orjson.dumps(self.strings))
        if not self.has_fulltext:
            self._make_fulltext()
        self.fulltext_folder.rename(folder / _FULLTEXT)

    def _make_fulltext(self) -> None:
        entries = CaseEntries.from_parts(self.columns, orjson.loads(orjson.dumps(self.strings)))
        made = _fulltext_of(entries, ForwardIndex(self.forward), self.fulltext_folder.with_suffix(".made"))
        made.link_into(self.fulltext_folder)
        made.close()
        shutil.rmtree(made.folder)


def _fulltext_of(entries: CaseEntries, forward: ForwardIndex, folder: Path) -> FullTextIndex:
    """Make the inverted index of parts without dead slots, in a new folder."""
    folder.mkdir()
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
