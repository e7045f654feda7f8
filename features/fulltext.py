"""The inverted index that finds lexical candidates. The only door to tantivy.

It holds hashes alone: of terms, and of the facts that filters ask for; nothing of a ticket can be read from its files.
Its scores rank candidates and go no further, for they move with every case that comes in
(:mod:`features.forward` scores what is returned).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from features.case_filter import CaseFilter
from features.errors import IndexDamaged
from features.files import link_file
from features.forward import K1, LexicalQuery
from features.lexical import DocumentTerms, TermCounts

# Of 149 early duplicates of AMQ and ZOOKEEPER, 96 terms so chosen find 0.946 among the first 150, 64 terms 0.940, the
# 64 of the highest idf 0.906 (many are new words, which nothing can match), and all terms 0.953.
MAX_QUERY_TERMS = 96
_SUBJECT_WEIGHT = 0.5  # the subject's share, against 1 for the whole text, both over their self scores
_WRITER_BYTES = 256_000_000  # taken as it fills: what is made anew comes in few segments, which are searched faster
_META = "meta.json"
_MANAGED = ".managed.json"
_MAX_LINK_ATTEMPTS = 20

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FullTextDocument:
    """A case for the index.

    Attributes
    ----------
    created : int
        Microseconds since the epoch; ``NO_TIME`` passes no bound.
    labels : mapping of str to str or None
        product, category, customer, language, access_group.
    """

    row_id: int
    terms: DocumentTerms
    created: int
    is_resolved: bool
    labels: dict[str, str | None]


class FullTextIndex:
    """Cases by hashed terms, in a folder of its own that no other process writes to.

    ``put`` and ``remove`` are seen by searches after ``commit`` and then ``refresh``. One thread may write; any number
    may search.

    Parameters
    ----------
    folder : Path
        Empty for a new index, or as :meth:`link_into` filled it.

    Raises
    ------
    IndexDamaged
        If the folder holds something that tantivy cannot open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._schema = _schema()
        try:
            self._index = tantivy.Index(self._schema, path=str(folder), reuse=True)
            # Searches see a commit when refresh() says so, together with the vectors of the same cases.
            self._index.config_reader("manual")
            self._writer = self._index.writer(heap_size=_WRITER_BYTES, num_threads=1)
        except (ValueError, OSError) as error:
            raise IndexDamaged(f"The full text index {folder} cannot be opened ({error}); rebuild the index.") from None
        self.refresh()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    @property
    def row_ids(self) -> Ids:
        """Every row that searches can find, ascending."""
        searcher = self._searcher
        hits = searcher.search(tantivy.Query.all_query(), max(len(self), 1), count=False).hits
        rows = searcher.fast_field_values("row", [address for _, address in hits])
        return np.sort(np.array(rows, dtype=np.int64))

    @property
    def n_segments(self) -> int:
        """Number of parts on disk; tantivy merges them by itself."""
        return int(self._searcher.num_segments)

    @property
    def n_bytes(self) -> int:
        """Size on disk, in bytes."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def put(self, documents: Iterable[FullTextDocument]) -> None:
        """Add cases, in the place of older versions of theirs."""
        for document in documents:
            self._writer.delete_documents_by_term("row", document.row_id)
            self._writer.add_document(
                tantivy.Document(
                    row=document.row_id,
                    created=document.created,
                    subject=_hex(document.terms.subject),
                    text=_hex(document.terms.text),
                    facts=" ".join(_facts(document)),
                )
            )

    def remove(self, row_ids: Iterable[int]) -> None:
        """Remove cases; unknown rows are passed over."""
        for row_id in row_ids:
            self._writer.delete_documents_by_term("row", row_id)

    def commit(self) -> None:
        """Make the changes since the last commit durable."""
        with _without_panic(self.folder):
            self._writer.commit()

    def rollback(self) -> None:
        """Forget the changes since the last commit.

        Raises
        ------
        IndexDamaged
            If that fails: tantivy takes no changes any more then.
        """
        try:
            with _without_panic(self.folder):
                self._writer.rollback()
        except ValueError as error:
            raise _damaged(self.folder, error) from None

    def refresh(self) -> None:
        """Let searches see the last commit."""
        with _without_panic(self.folder):
            self._index.reload()
            self._searcher = self._index.searcher()

    def search(self, query: LexicalQuery, k: int, where: CaseFilter, excluded: Sequence[int] = ()) -> Ids:
        """Find the k cases with the highest BM25 over subject and text.

        Parameters
        ----------
        query : LexicalQuery
            At most ``MAX_QUERY_TERMS`` of it are searched: the subject's, then those that weigh most.
        k : int
        where : CaseFilter
            Its ``exclude_ids`` are not looked at.
        excluded : sequence of int
            Rows never to return.

        Returns
        -------
        ndarray of int64, shape (n,), n <= k
            Rows, best first.
        """
        wanted = self._terms(query)
        if not wanted:
            return np.empty(0, dtype=np.int64)
        if must := [(tantivy.Occur.Must, clause) for clause in self._filters(where)]:
            wanted = [(tantivy.Occur.Must, tantivy.Query.boolean_query(wanted)), *must]
        searcher = self._searcher
        # A few rows too many and then without the excluded: tantivy leaves out what cannot be among the best only where
        # nothing else is asked than terms.
        with _without_panic(self.folder):
            hits = searcher.search(tantivy.Query.boolean_query(wanted), k + len(excluded), count=False).hits
            rows = np.array(searcher.fast_field_values("row", [address for _, address in hits]), dtype=np.int64)
        return rows[~np.isin(rows, excluded)][:k]

    def holds(self, document: FullTextDocument) -> bool:
        """Whether a case is there with these facts and, of its terms, the first of subject and text."""
        terms = [
            self._term(field, word)
            for field, bag in (("subject", document.terms.subject), ("text", document.terms.text))
            for word in sorted(set(_hex(bag).split()))[:MAX_QUERY_TERMS]
        ]
        facts = [self._term("facts", fact) for fact in _facts(document)]
        must = [(tantivy.Occur.Must, clause) for clause in (self._term("row", document.row_id), *terms, *facts)]
        return bool(self._searcher.search(tantivy.Query.boolean_query(must), 1, count=False).hits)

    def link_into(self, folder: Path) -> None:
        """Give another folder the files of the last commit, as a copy that nothing here can change.

        Segments are written once and later at most unlinked, so hard links hold them; on a file system without links
        they are copied.
        """
        for _ in range(_MAX_LINK_ATTEMPTS):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            meta = (self.folder / _META).read_bytes()
            try:
                names = [link_file(self.folder / name, folder / name) for name in self._segment_files(meta)]
            except FileNotFoundError:
                continue  # tantivy merged segments meanwhile, on a thread of its own
            if (self.folder / _META).read_bytes() == meta:
                (folder / _META).write_bytes(meta)
                (folder / _MANAGED).write_text(json.dumps([*names, _META]))
                return
        raise IndexDamaged(f"The full text index {self.folder} changes faster than it can be copied; try again.")

    def close(self) -> None:
        """Stop the writer and its threads; the index cannot be written to any more."""
        with _without_panic(self.folder):
            self._writer.wait_merging_threads()

    def _segment_files(self, meta: bytes) -> list[str]:
        segments = {each["segment_id"].replace("-", "") for each in json.loads(meta)["segments"]}
        return [path.name for path in self.folder.iterdir() if path.name.partition(".")[0] in segments]

    def _terms(self, query: LexicalQuery) -> list[tuple[Any, Any]]:
        """A clause a term and field, weighted so that subject and text count by their shares of the self scores."""
        text, subject = query.text, query.subject
        weight = text.idf * text.bag.counts / (text.bag.counts + K1)
        is_in_subject = np.isin(text.bag.hashes, subject.bag.hashes)
        top = np.lexsort((-weight, ~is_in_subject))[:MAX_QUERY_TERMS]
        subject_boost = _SUBJECT_WEIGHT * text.self_score / subject.self_score if subject.self_score > 0 else 0.0
        in_subject = dict(zip(subject.bag.hashes.tolist(), subject.bag.counts.tolist(), strict=True))
        clauses = []
        for hash_, count in zip(text.bag.hashes[top], text.bag.counts[top].tolist(), strict=True):
            term = hash_.astype("<u4").tobytes().hex()
            clauses.append((tantivy.Occur.Should, _boosted(self._term("text", term), count)))
            if times := in_subject.get(int(hash_)):
                boost = subject_boost * times
                clauses.append((tantivy.Occur.Should, _boosted(self._term("subject", term), boost)))
        return clauses

    def _filters(self, where: CaseFilter) -> list[Any]:
        facts = [_fact(name, label) for name, label in where.labels.items()]
        if where.is_resolved is not None:
            facts.append(_fact("is_resolved", str(where.is_resolved)))
        clauses = [self._term("facts", fact) for fact in facts]
        if where.access_groups is not None:
            groups = [_fact("access_group", group) for group in (None, *sorted(where.access_groups))]
            clauses.append(tantivy.Query.term_set_query(self._schema, "facts", groups))
        since, end = where.time_range
        if since is not None or end is not None:
            # Times that are not known lie at the smallest integer: below every bound, so bound them from below too.
            lower = -(2**63) + 1 if since is None else since
            clauses.append(
                tantivy.Query.range_query(
                    self._schema, "created", tantivy.FieldType.Integer, lower, end, include_upper=end is None
                )
            )
        return [tantivy.Query.const_score_query(clause, 0.0) for clause in clauses]

    def _term(self, field: str, value: str | int) -> Any:
        return tantivy.Query.term_query(self._schema, field, value, "freq")


@contextmanager
def _without_panic(folder: Path) -> Iterator[None]:
    """Turn a panic of tantivy's, which is no Exception and would end the thread, into :class:`IndexDamaged`."""
    try:
        yield
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as panic:  # noqa: BLE001
        raise _damaged(folder, panic) from None


def _damaged(folder: Path, error: BaseException) -> IndexDamaged:
    return IndexDamaged(f"The full text index {folder} can be used no more ({error}); open the index anew.")


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", indexed=True, fast=True)
    builder.add_integer_field("created", fast=True)
    for field in ("subject", "text"):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("facts", tokenizer_name="whitespace", index_option="basic")
    return builder.build()


def _hex(bag: TermCounts) -> str:
    """Hashes as words of 8 hex digits, each as often as its term occurs."""
    return np.repeat(bag.hashes, bag.counts).astype("<u4").tobytes().hex(" ", 4)


def _facts(document: FullTextDocument) -> list[str]:
    labels = {**document.labels, "is_resolved": str(document.is_resolved)}
    return [_fact(name, label) for name, label in labels.items()]


def _fact(name: str, label: str | None) -> str:
    """Hash of "this case has this label"; a missing label is a fact too."""
    text = name if label is None else f"{name}={label}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _boosted(query: Any, boost: float) -> Any:
    return tantivy.Query.boost_query(query, float(boost))
