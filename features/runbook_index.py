"""Which runbook to follow, and where in it to start.

A runbook's score is the BM25 of its whole text, to which the ticket's subject counts three times, plus the mean of two
cosines: its best section's to the ticket's text, and its best section's to the subject. Links in similar resolved cases
add to it. docs/index.md says how this was chosen, and docs/benchmarks.md what it gives on public runbooks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.encoder import Encoder
from features.forward import FieldQuery
from features.history_writes import pages
from features.lexical import DocumentTerms, LexicalStatistics, document_terms, surface_forms, term_hashes
from features.postings import Postings
from features.runbook_names import RunbookNames
from features.runbook_query import RunbookQuery
from features.runbooks import Runbook, RunbookSection
from features.text import ModelText
from features.vectors import vector_key

MIN_RELEVANCE = 0.2
# A second runbook is worth reading where it fits nearly as well as the first.
_SHARE_OF_BEST = 0.5
# A section must read somewhat alike: a short ticket shares half its words with some runbook by chance.
MIN_COSINE = 0.3
# A logistic regression on the sample: as many tickets that no runbook answers as tickets that one does.
_MIDPOINT = 0.64
LOGITS_PER_SCORE = 9.0
"""How much a score of 1 more says."""
_TELLING = 0.5  # logits from which links of a category or product are named as a reason
_MAX_WORDS = 4
_CHUNK = 256  # sections encoded before their vectors are kept
_NAMEABLE = re.compile(r"[^\W\d_]{3}")
_SECTION_RULES = "runbook-1"  # how the text of a section is put together; part of its vector's key

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]


class VectorStore(Protocol):
    """Keeps vectors by key, as :class:`features.history.History` does."""

    def vectors(self, keys: Sequence[str]) -> dict[str, Vectors]:
        """Known vectors by key."""
        ...

    def put_vectors(self, vectors: Mapping[str, Vectors]) -> None:
        """Keep vectors."""
        ...


@dataclass(frozen=True, slots=True)
class RunbookHit:
    """A runbook to follow.

    Attributes
    ----------
    section : str
        Heading of the section to start with; the title where the text has no heading of its own.
    relevance : float
        How likely it is the one to follow, 0 to 1.
    why : tuple of str
        Reasons, for people.
    """

    id: str
    title: str
    url: str | None
    section: str
    relevance: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RunbookScores:
    """Every runbook's scores for one query.

    Attributes
    ----------
    lexical : ndarray of float64, shape (n_runbooks,)
        BM25 over the query's self score, 0 to 1.
    dense : ndarray of float64, shape (n_runbooks,)
        Mean of the best section's cosines to the text and to the subject.
    fused : ndarray of float64, shape (n_runbooks,)
        What runbooks are ranked by.
    best_section : ndarray of int64, shape (n_runbooks,)
        Number of the section that is nearest to text and subject together.
    """

    lexical: Scores
    dense: Scores
    fused: Scores
    best_section: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class KnownLinks:
    """What is known of runbooks for a ticket beside their text.

    Attributes
    ----------
    followed : mapping of str to sequence of float
        For each runbook that similar resolved cases link to, by id, the relevances of those cases.
    log_odds : ndarray of float64, shape (n_runbooks,), or None
        What links of its category and product add, in logits, in the order of :attr:`RunbookIndex.ids`.
    refused : frozenset of str
        Ids of runbooks that somebody called wrong for this very ticket.
    """

    followed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    log_odds: Scores | None = None
    refused: frozenset[str] = frozenset()


class RunbookIndex:
    """Runbooks, searchable by the text and vector of a ticket. Immutable; made by :meth:`build`."""

    def __init__(self, items: Sequence[_Item], vectors: Vectors, ticket_statistics: LexicalStatistics | None) -> None:
        self._items = tuple(items)
        self._vectors = vectors
        self._first = np.cumsum([0, *(len(item.sections) for item in items)])[:-1]
        self._statistics = LexicalStatistics.fit((item.terms for item in items), min_documents=1)
        self._postings = Postings([item.terms.text for item in items], self._statistics.mean_text_length)
        self._ticket_statistics = ticket_statistics
        self._number_of = {item.runbook.id: number for number, item in enumerate(items)}
        self.names = RunbookNames(item.runbook for item in items)
        """What links and texts call the runbooks."""

    @classmethod
    def build(
        cls,
        runbooks: Sequence[Runbook],
        encoder: Encoder,
        statistics: LexicalStatistics | None = None,
        *,
        store: VectorStore | None = None,
        use_titles: bool = True,
    ) -> RunbookIndex:
        """Index runbooks.

        Parameters
        ----------
        statistics : LexicalStatistics, optional
            Of tickets: of the words that ticket and runbook share, those rare among tickets are named as reasons.
        store : VectorStore, optional
            Where sections' vectors are kept, so that only new text is encoded.
        use_titles : bool
            False matches by body and headings alone, without titles, services, tags and the first heading.
        """
        items = [_Item.of(runbook, use_titles=use_titles) for runbook in runbooks]
        texts = [text for item in items for text in item.texts]
        return cls(items, _embed(texts, encoder, store), statistics)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ids(self) -> list[str]:
        """Ids of the runbooks, in the order of :meth:`scores`."""
        return [item.runbook.id for item in self._items]

    def scores(self, query: RunbookQuery) -> RunbookScores:
        """Score every runbook."""
        words = FieldQuery.of(query.terms(), self._statistics, self._statistics.mean_text_length)
        lexical = self._postings.scores(words)
        if not len(self):
            return RunbookScores(lexical, lexical, lexical, np.empty(0, dtype=np.int64))
        cosines = (self._vectors @ query.vectors.T).astype(np.float64)
        dense = np.maximum.reduceat(cosines, self._first).mean(axis=1)
        return RunbookScores(lexical, dense, lexical + dense, _best_of_each(cosines.sum(axis=1), self._first))

    def search(self, query: RunbookQuery, known: KnownLinks | None = None, *, limit: int = 3) -> list[RunbookHit]:
        """Find the runbooks to follow, best first; none where none is relevant."""
        known = known or KnownLinks()
        scores = self.scores(query)
        logits = (scores.fused - _MIDPOINT) * LOGITS_PER_SCORE
        relevance = 1.0 / (1.0 + np.exp(-(logits if known.log_odds is None else logits + known.log_odds)))
        relevance[scores.dense < MIN_COSINE] = 0.0
        support = np.zeros(len(self))
        for name, relevances in known.followed.items():
            if (number := self._number_of.get(name)) is not None:
                support[number] = sum(relevances)
        # A link from a case that is surely the same problem says as much as an even chance by the text.
        relevance = 1.0 - (1.0 - relevance) * 0.5**support
        for name in known.refused:
            if (number := self._number_of.get(name)) is not None:
                relevance[number] = 0.0
        order = np.lexsort((np.arange(len(self)), -relevance))[:limit]
        least = max(MIN_RELEVANCE, _SHARE_OF_BEST * float(relevance.max(initial=0.0)))
        chosen = order[relevance[order] >= least]
        # A ticket needs one runbook as a rule: a further one is right as often as its share of those down to it says.
        shown = relevance[chosen] ** 2 / np.cumsum(relevance[chosen])
        return [
            self._hit(number, scores, value, known, query.text)
            for number, value in zip(chosen.tolist(), shown.tolist(), strict=True)
        ]

    def _hit(
        self, number: int, scores: RunbookScores, relevance: float, known: KnownLinks, text: ModelText
    ) -> RunbookHit:
        item = self._items[number]
        section = item.sections[int(scores.best_section[number])].heading or item.runbook.title
        why = []
        if n := len(known.followed.get(item.runbook.id, ())):
            why.append(f"followed in {n} similar resolved {'case' if n == 1 else 'cases'}")
        if known.log_odds is not None and known.log_odds[number] >= _TELLING:
            why.append("tickets of this category or product often link to it")
        if scores.dense[number] >= MIN_COSINE:
            why.append(f"its section “{section}” reads alike (cosine {scores.dense[number]:.2f})")
        if words := self._shared_words(item, text):
            why.append(f"shares the words {', '.join(words)}")
        return RunbookHit(item.runbook.id, item.runbook.title, item.runbook.url, section, relevance, tuple(why))

    def _shared_words(self, item: _Item, text: ModelText) -> list[str]:
        """The most telling words that a ticket and a runbook share, as the runbook writes them."""
        forms = item.forms
        # Numbers and the shortest words say little by themselves.
        shared = [term for term in surface_forms(text.text) if term in forms and _NAMEABLE.search(forms[term])]
        hashes = term_hashes(shared)
        weight = self._statistics.idf(hashes)
        if self._ticket_statistics is not None:
            weight = weight * self._ticket_statistics.idf(hashes)
        best = [forms[shared[at]] for at in np.argsort(-weight, kind="stable").tolist()]
        return list({word.lower(): word for word in best}.values())[:_MAX_WORDS]


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A runbook with what is indexed of it: sections that have text, the terms of all of it, and how it writes them."""

    runbook: Runbook
    sections: tuple[RunbookSection, ...]
    texts: tuple[str, ...]
    terms: DocumentTerms
    forms: Mapping[str, str]

    @classmethod
    def of(cls, runbook: Runbook, *, use_titles: bool) -> _Item:
        title = runbook.title if use_titles else ""
        # Without titles the first heading is left out too: in many runbooks it is the title again.
        sections = runbook.sections or (RunbookSection("", ""),)
        headings = [section.heading if number or use_titles else "" for number, section in enumerate(sections)]
        named = list(zip(sections, headings, strict=True))
        with_text = [(section, heading) for section, heading in named if section.text] or named[:1]
        # The title stands before each section, for the encoder to know what the section is about; so it does in the
        # terms, where it weighs as much as it is repeated.
        texts = tuple(_joined(title, heading, section.text) for section, heading in with_text)
        only_headings = [heading for section, heading in named if not section.text]
        labels = [*runbook.services, *runbook.tags] if use_titles else []
        return cls(
            runbook,
            tuple(section for section, _ in with_text),
            texts,
            document_terms("", "\n".join([*texts, *only_headings, *labels])),
            surface_forms("\n".join(texts)),
        )


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _embed(texts: Sequence[str], encoder: Encoder, store: VectorStore | None) -> Vectors:
    keys = [vector_key(encoder.fingerprint, _SECTION_RULES, text) for text in texts]
    known = store.vectors(keys) if store is not None and keys else {}
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    for chunk in pages(missing, _CHUNK):
        made = dict(zip(chunk, encoder.encode([missing[key] for key in chunk]), strict=True))
        if store is not None:
            store.put_vectors(made)
        known |= made
    return np.array([known[key] for key in keys], dtype=np.float32).reshape(len(keys), encoder.dimension)


def _best_of_each(values: Scores, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of the largest value in each stretch of values, the first of equals; ``first`` is where each begins."""
    sizes = np.diff([*first.tolist(), len(values)])
    is_best = values == np.repeat(np.maximum.reduceat(values, first), sizes)
    best = np.flatnonzero(is_best)
    _, firsts = np.unique(np.repeat(np.arange(len(first)), sizes)[best], return_index=True)
    return np.asarray(best[firsts] - first, dtype=np.int64)
