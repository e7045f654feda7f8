"""Text to hashed terms, and what the terms of a history weigh: the lexical half of every search.

The only door to PyStemmer. Terms leave this module as hashes, so that no index or release holds words of a ticket.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import Stemmer
from numpy.typing import NDArray

from features.boilerplate import Boilerplate

if TYPE_CHECKING:
    from features.text import ModelText

ANALYZER_VERSION = "1"
MIN_DOCUMENTS = 3  # DESIGN, decision 3: a term that a release keeps occurs in at least three tickets
MAX_COMPOUND_CHARS = 64

Hashes = NDArray[np.uint32]
NO_TERMS: Hashes = np.empty(0, dtype=np.uint32)

# A compound is what people paste whole: a class name with its package, a path, a setting, an error code.
_COMPOUND = re.compile(r"\w+(?:[.\-:/@$#]+\w+)*")
_WORD = re.compile(r"[^\W_]+")
# CamelCase comes apart, and letters from digits: HTTPServer2 is HTTP, Server, 2.
_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_STOP_WORDS = frozenset(  # split, since the formatter would give each word of a set a line of its own
    "a an and are as at be but by can could did do does for from get had has have i if in into is it its just my no "  # noqa: SIM905
    "not of on or our should so such that the their them then there these they this to was we were what when which "
    "will with would you your".split()
)


def analyze(text: str) -> list[str]:
    """Split text into terms: stems of words, whole compounds and their parts; stop words dropped.

    Parameters
    ----------
    text : str
        Any text; English is stemmed (Snowball), other words pass through the same stemmer.

    Returns
    -------
    list of str
        In the order of the text, repeats kept.

    Examples
    --------
    >>> analyze("Logins are failing with NullPointerException")
    ['login', 'fail', 'nullpointerexcept', 'null', 'pointer', 'except']
    >>> analyze("see dfs.replication and ERR-4012")
    ['see', 'dfs.replication', 'dfs', 'replic', 'err-4012', 'err', '4012']
    """
    terms: list[str] = []
    for compound in _COMPOUND.findall(text):
        terms.extend(_terms_of(compound))
    return terms


def surface_forms(text: str) -> dict[str, str]:
    """For each term of a text, the first piece of the text that gave it, for showing to people.

    >>> surface_forms("Restarting the Workers")
    {'restart': 'Restarting', 'worker': 'Workers'}
    """
    forms: dict[str, str] = {}
    for compound in _COMPOUND.findall(text):
        for term, piece in _pieces_of(compound):
            forms.setdefault(term, piece)
    return forms


# Compounds repeat from ticket to ticket; the bound keeps a flood of random ones from growing the cache for ever.
@lru_cache(maxsize=131_072)
def _terms_of(compound: str) -> tuple[str, ...]:
    return tuple(term for term, _ in _pieces_of(compound))


def _pieces_of(compound: str) -> Iterator[tuple[str, str]]:
    """Yield each term of a compound with the piece that it stands for."""
    words = _WORD.findall(compound)
    if len(words) > 1 and len(compound) <= MAX_COMPOUND_CHARS:
        yield compound.lower(), compound
    for word in words:
        if word.lower() in _STOP_WORDS:
            continue
        yield stem(word.lower()), word
        # Most words are letters of one case, and have no boundary to look for.
        parts = () if word.isalpha() and word[1:].islower() else _BOUNDARY.split(word)
        if len(parts) > 1:
            for part in parts:
                if len(part) > 1 and part.lower() not in _STOP_WORDS:
                    yield stem(part.lower()), part


_local = threading.local()


def stem(word: str) -> str:
    """Snowball English stem of a lower-case word.

    >>> stem("failing")
    'fail'
    """
    # One stemmer a thread: PyStemmer's objects keep a buffer and are not safe to share.
    if not hasattr(_local, "stemmer"):
        _local.stemmer = Stemmer.Stemmer("english")
    stemmed: str = _local.stemmer.stemWord(word)
    return stemmed


def term_hashes(terms: Iterable[str]) -> Hashes:
    """Hash terms to 32 bits each, stable across processes and versions; shape (n_terms,), dtype uint32."""
    return _from_bytes(map(_hash, terms))


@lru_cache(maxsize=262_144)
def _hash(term: str) -> bytes:
    return blake2b(term.encode("utf-8", "surrogatepass"), digest_size=4).digest()


@lru_cache(maxsize=131_072)
def _hashes_of(compound: str) -> bytes:
    """Hashes of the terms of a compound, one after the other."""
    return b"".join(_hash(term) for term, _ in _pieces_of(compound))


def _from_bytes(hashes: Iterable[bytes]) -> Hashes:
    return np.frombuffer(b"".join(hashes), dtype="<u4").astype(np.uint32)


def find_terms(known: Hashes, hashes: Hashes) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each of some hashes, shape (n,), stands among known ones, which are sorted, and whether it does."""
    if not len(known):
        return np.zeros(len(hashes), dtype=np.intp), np.zeros(len(hashes), dtype=np.bool_)
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return at, known[at] == hashes


@dataclass(frozen=True, slots=True, eq=False)
class TermCounts:
    """A bag of terms.

    Attributes
    ----------
    hashes : ndarray of uint32, shape (n_terms,)
        Sorted, each once.
    counts : ndarray of uint16, shape (n_terms,)
        Occurrences, at most 65,535.
    length : int
        Number of terms, repeats counted.
    """

    hashes: Hashes
    counts: NDArray[np.uint16]
    length: int

    @classmethod
    def of(cls, hashes: Hashes) -> TermCounts:
        """Count hashes."""
        unique, counts = np.unique(hashes, return_counts=True)
        return cls(unique, np.minimum(counts, 65_535).astype(np.uint16), len(hashes))


@dataclass(frozen=True, slots=True, eq=False)
class DocumentTerms:
    """The bags of a ticket: its subject, and its whole text, of which the subject is a part."""

    subject: TermCounts
    text: TermCounts


def document_terms(subject: str, body: str) -> DocumentTerms:
    """Analyse and hash a ticket's model text (:func:`features.text.model_text`)."""
    of_subject, of_body = (_from_bytes(map(_hashes_of, _COMPOUND.findall(text))) for text in (subject, body))
    return DocumentTerms(TermCounts.of(of_subject), TermCounts.of(np.concatenate([of_subject, of_body])))


@dataclass(frozen=True, slots=True, eq=False)
class LexicalStatistics:
    """What BM25 needs to know of a history, frozen in a release so that a score never depends on the index's state.

    Attributes
    ----------
    n_documents : int
    hashes : ndarray of uint32, shape (n_terms,)
        Sorted. Of tickets, only terms of at least three, and of two customers where customers are known.
    document_frequency : ndarray of uint32, shape (n_terms,)
        Number of tickets whose whole text holds the term.
    mean_subject_length, mean_text_length : float
        In terms.
    boilerplate : Boilerplate
        What queries are searched without.

    Examples
    --------
    >>> statistics = LexicalStatistics.fit([document_terms("login fails", "")] * 4)
    >>> rare, common = statistics.idf(term_hashes(["invoice", "login"]))
    >>> bool(rare > common)
    True
    """

    n_documents: int
    hashes: Hashes
    document_frequency: NDArray[np.uint32]
    mean_subject_length: float
    mean_text_length: float
    boilerplate: Boilerplate = field(default_factory=Boilerplate)

    @classmethod
    def fit(
        cls,
        documents: Iterable[DocumentTerms],
        customers: Sequence[str | None] | None = None,
        *,
        min_documents: int = MIN_DOCUMENTS,
    ) -> LexicalStatistics:
        """Count the terms of documents.

        Parameters
        ----------
        documents : iterable of DocumentTerms
        customers : sequence of str or None, optional
            The customer of each document; a term of one customer alone is left out where any customer is known.
            Those that are not known count together as one.
        min_documents : int
            Fewer than the default only where the documents are no tickets.
        """
        parts, subject_lengths, text_lengths = [], [], []
        for document in documents:
            parts.append(document.text.hashes)
            subject_lengths.append(document.subject.length)
            text_lengths.append(document.text.length)
        hashes, counts = np.unique(_joined(parts), return_counts=True)
        kept = counts >= min_documents
        if customers is not None and any(customer is not None for customer in customers):
            kept &= _customers_per_term(parts, customers) > 1
        return cls(
            n_documents=len(parts),
            hashes=hashes[kept],
            document_frequency=counts[kept].astype(np.uint32),
            mean_subject_length=float(np.mean(subject_lengths)) if parts else 0.0,
            mean_text_length=float(np.mean(text_lengths)) if parts else 0.0,
        )

    @classmethod
    def fit_texts(cls, texts: Iterable[ModelText], customers: Sequence[str | None] | None = None) -> LexicalStatistics:
        """Count the terms of model texts, see :meth:`fit`, and learn their boilerplate."""
        texts = list(texts)
        statistics = cls.fit((document_terms(text.subject, text.body) for text in texts), customers)
        return replace(statistics, boilerplate=Boilerplate.fit(texts, customers))

    def query_terms(self, text: ModelText) -> DocumentTerms:
        """The terms to search for: those of a model text without boilerplate."""
        own = self.boilerplate.without(text)
        return document_terms(own.subject, own.body)

    def idf(self, hashes: Hashes) -> NDArray[np.float32]:
        """Inverse document frequency, ``log(1 + (n - df + 0.5) / (df + 0.5))``, as Lucene's BM25 has it.

        A term that is not in the statistics weighs as one seen once: the most.

        Parameters
        ----------
        hashes : ndarray of uint32, shape (n,)

        Returns
        -------
        ndarray of float32, shape (n,), positive
        """
        frequency = np.ones(len(hashes), dtype=np.float64)
        at, is_known = find_terms(self.hashes, hashes)
        frequency[is_known] = self.document_frequency[at[is_known]]
        n = max(self.n_documents, 1)
        return np.log1p((n - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)

    @property
    def highest_idf(self) -> float:
        """The idf of a term that is not in the statistics."""
        return float(np.log1p((max(self.n_documents, 1) - 0.5) / 1.5))

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the statistics and of the analyzer's version: what an index must agree on."""
        digest = sha256(ANALYZER_VERSION.encode())
        for array in self.to_arrays().values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays that :meth:`from_arrays` makes the same statistics of."""
        return {
            "n_documents": np.array([self.n_documents], dtype=np.int64),
            "hashes": self.hashes,
            "document_frequency": self.document_frequency,
            "mean_lengths": np.array([self.mean_subject_length, self.mean_text_length], dtype=np.float64),
            "boilerplate": self.boilerplate.hashes,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LexicalStatistics:
        """Restore statistics from :meth:`to_arrays`; older releases know no boilerplate."""
        subject, text = arrays["mean_lengths"].tolist()
        return cls(
            n_documents=int(arrays["n_documents"][0]),
            hashes=arrays["hashes"].astype(np.uint32),
            document_frequency=arrays["document_frequency"].astype(np.uint32),
            mean_subject_length=subject,
            mean_text_length=text,
            boilerplate=Boilerplate(arrays["boilerplate"]) if "boilerplate" in arrays else Boilerplate(),
        )


def _customers_per_term(parts: Sequence[Hashes], customers: Sequence[str | None]) -> NDArray[np.intp]:
    """Number of customers of each term, in the order of the sorted terms; unknown ones count as one customer."""
    numbers: dict[str | None, int] = {}
    keys = [
        (part.astype(np.uint64) << np.uint64(32)) | np.uint64(numbers.setdefault(customer, len(numbers)))
        for part, customer in zip(parts, customers, strict=True)
    ]
    pairs = np.unique(np.concatenate(keys))
    counts: NDArray[np.intp] = np.unique(pairs >> np.uint64(32), return_counts=True)[1]
    return counts


def _joined(parts: Sequence[Hashes]) -> Hashes:
    return np.concatenate(parts) if parts else NO_TERMS
