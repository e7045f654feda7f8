"""Word and character n-grams of a ticket as TF-IDF weighted sparse rows, the same in training and in serving.

The words of the subject have a block of their own beside those of the whole text: what a reporter puts there says more.

The vocabulary holds 64-bit hashes, never text: nothing of a ticket can be read from a release, and rows are computed
with whole-array operations. Terms are kept when they occur in at least ``min_df`` tickets, of two customers where
customers are known (DESIGN, decision 3). Weights are those of scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``;
character n-grams are its ``char_wb`` ones: within a word and the space on either side.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from features.sparse_rows import SparseRows, TermWeights
from features.text import ModelText

WORD_NGRAMS = (1, 2)
CHAR_NGRAMS = (3, 4, 5)

_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth's multiplicative hashing
_SPACE = np.uint64(32)

Hashes = NDArray[np.uint64]


def word_hashes(text: str) -> Hashes:
    """Hashes of the word 1- and 2-grams of a text, in order, repeats kept; shape (n,)."""
    return _word_hashes(_words(text))


def _word_hashes(found: Sequence[str]) -> Hashes:
    words = np.array([_word_hash(word) for word in found], dtype=np.uint64)
    if len(words) < 2:
        return words
    pairs = _mix(words[:-1] * _MULTIPLIER + words[1:])
    return np.concatenate([words, pairs])


def char_hashes(text: str) -> Hashes:
    """Hashes of the character 3- to 5-grams within words, with the space on either side; shape (n,)."""
    return _char_hashes(_words(text))[0]


def _char_hashes(found: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """Hashes of the character n-grams of words, and the number of the word that each lies in."""
    padded = " " + " ".join(found) + " "
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    is_space = codes == _SPACE
    parts = [_char_windows(codes, is_space, size) for size in CHAR_NGRAMS if len(codes) >= size]
    if not parts:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    # Each word has the space before it: a window's word is told by the spaces up to where it starts.
    word_at = np.cumsum(is_space) - 1
    return np.concatenate([hashes for hashes, _ in parts]), word_at[np.concatenate([starts for _, starts in parts])]


def _char_windows(codes: Hashes, is_space: NDArray[np.bool_], size: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Hashes of the windows of a size that lie within a word, and where they start."""
    n = len(codes) - size + 1
    value = np.full(n, size, dtype=np.uint64)
    spans_words = np.zeros(n, dtype=np.bool_)
    for offset in range(size):
        value = value * _MULTIPLIER + codes[offset : offset + n]
        if 0 < offset < size - 1:
            spans_words |= is_space[offset : offset + n]
    return _mix(value[~spans_words]), np.flatnonzero(~spans_words)


def _mix(values: Hashes) -> Hashes:
    """Finish a multiplicative hash, so that near inputs differ in all bits (the xor-shift step of MurmurHash3)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    return values ^ (values >> np.uint64(33))


@lru_cache(maxsize=262_144)
def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class _Block:
    """One n-gram family: its vocabulary, sorted, and the inverse document frequency of each term."""

    vocabulary: Hashes
    idf: NDArray[np.float32]

    def row(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Columns and weights of one text; weights have length 1 in L2, or the row is empty."""
        terms, counts = np.unique(hashes, return_counts=True)
        at = np.searchsorted(self.vocabulary, terms)
        known = at < len(self.vocabulary)
        known[known] = self.vocabulary[at[known]] == terms[known]
        columns = at[known]
        weights = ((1.0 + np.log(counts[known])) * self.idf[columns]).astype(np.float32)
        norm = float(np.sqrt(np.sum(weights * weights, dtype=np.float64)))
        return columns, weights / np.float32(norm) if norm > 0 else weights

    def places(self, hashes: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """Which of a text's n-grams are known (a mask), and the column and the share of the weight of each of those."""
        columns, weights = self.row(hashes)
        if not len(columns):
            return np.zeros(len(hashes), dtype=np.bool_), columns, weights.astype(np.float64)
        known = np.isin(hashes, self.vocabulary[columns])
        found = np.searchsorted(self.vocabulary, hashes[known])
        term = np.searchsorted(columns, found)
        return known, found, weights[term] / np.bincount(term)[term]


class NgramVectorizer:
    """Tickets to TF-IDF rows: word n-grams and character n-grams of the text, and word n-grams of the subject.

    Each block of a row has L2 length 1, so that a row does not depend on the length of its text.

    Examples
    --------
    >>> texts = [ModelText(subject, "") for subject in ("login fails", "login fails again", "the login page fails")]
    >>> vectorizer = NgramVectorizer.fit(texts, min_df=3)
    >>> rows = vectorizer.transform([ModelText("my login fails", ""), ModelText("invoice", "")])
    >>> len(rows), bool(rows.indptr[1] > 0), int(rows.indptr[2] - rows.indptr[1])
    (2, True, 0)
    """

    def __init__(self, word: _Block, char: _Block, subject: _Block) -> None:
        self._word = word
        self._char = char
        self._subject = subject

    @property
    def n_columns(self) -> int:
        """Number of columns of a row."""
        return self._subject_offset + len(self._subject.vocabulary)

    @property
    def _char_offset(self) -> int:
        return len(self._word.vocabulary)

    @property
    def _subject_offset(self) -> int:
        return self._char_offset + len(self._char.vocabulary)

    @classmethod
    def fit(
        cls,
        texts: Sequence[ModelText],
        customers: Sequence[str | None] | None = None,
        *,
        min_df: int = 3,
        max_terms: int = 300_000,
    ) -> NgramVectorizer:
        """Learn the vocabulary and its document frequencies.

        Parameters
        ----------
        texts : sequence of ModelText
            Of the training tickets.
        customers : sequence of str or None, optional
            The customer of each text; a term of a single customer is dropped where any customer is known. Those that
            are not known count together as one.
        min_df : int
            Smallest number of tickets that a term occurs in.
        max_terms : int
            Largest vocabulary of each block; the most frequent terms stay.
        """
        groups = _group_numbers(customers) if customers is not None else None
        return cls(
            *(
                _fit_block((hashes(text) for text in texts), len(texts), groups, min_df, max_terms)
                for hashes in (_text_words, _text_chars, _subject_words)
            )
        )

    def transform(self, texts: Iterable[ModelText]) -> SparseRows:
        """Weigh the n-grams of each text; a text without known terms gives an empty row."""
        blocks = (
            (self._word, _text_words, 0),
            (self._char, _text_chars, self._char_offset),
            (self._subject, _subject_words, self._subject_offset),
        )
        indptr = [0]
        indices: list[NDArray[np.int64]] = []
        data: list[NDArray[np.float32]] = []
        for text in texts:
            rows = [(block.row(hashes(text)), offset) for block, hashes, offset in blocks]
            indices += [columns + offset for (columns, _), offset in rows]
            data += [weights for (_, weights), _ in rows]
            indptr.append(indptr[-1] + sum(len(columns) for (columns, _), _ in rows))
        return SparseRows(
            indptr=np.array(indptr, dtype=np.int64),
            indices=np.concatenate(indices).astype(np.int32) if indices else np.empty(0, dtype=np.int32),
            data=np.concatenate(data) if data else np.empty(0, dtype=np.float32),
            n_columns=self.n_columns,
        )

    def take_apart(self, text: ModelText) -> TermWeights:
        """Say which words of a text each weight of its row comes from."""
        words, subject = _words(text.text), _words(text.subject)
        ngrams, subject_ngrams = _with_pairs(words), _with_pairs(subject)
        phrases = tuple(dict.fromkeys([*ngrams, *subject_ngrams]))
        number = {phrase: at for at, phrase in enumerate(phrases)}
        # In the order of the word hashes; the words come first, so that a word's number finds its phrase as well.
        phrase_of = np.array([number[phrase] for phrase in ngrams], dtype=np.int64)
        subject_phrase_of = np.array([number[phrase] for phrase in subject_ngrams], dtype=np.int64)
        char_hashes, char_words = _char_hashes(words)
        is_word, word_columns, word_weights = self._word.places(_word_hashes(words))
        is_char, char_columns, char_weights = self._char.places(char_hashes)
        is_subject, subject_columns, subject_weights = self._subject.places(_word_hashes(subject))
        return TermWeights(
            phrases=phrases,
            phrase=np.concatenate([phrase_of[is_word], phrase_of[char_words[is_char]], subject_phrase_of[is_subject]]),
            column=np.concatenate(
                [word_columns, char_columns + self._char_offset, subject_columns + self._subject_offset]
            ),
            weight=np.concatenate([word_weights, char_weights, subject_weights]),
        )

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays that :meth:`from_arrays` makes the same vectorizer of."""
        return {
            "word_vocabulary": self._word.vocabulary.view(np.int64),  # safetensors' numpy side has no uint64 everywhere
            "word_idf": self._word.idf,
            "char_vocabulary": self._char.vocabulary.view(np.int64),
            "char_idf": self._char.idf,
            "subject_vocabulary": self._subject.vocabulary.view(np.int64),
            "subject_idf": self._subject.idf,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> NgramVectorizer:
        """Restore a vectorizer from :meth:`to_arrays`."""
        return cls(
            *(
                _Block(arrays[f"{name}_vocabulary"].view(np.uint64), arrays[f"{name}_idf"].astype(np.float32))
                for name in ("word", "char", "subject")
            )
        )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def words_at(text: str, places: NDArray[np.int64]) -> list[str | None]:
    """Find the word that each place of a text lies in.

    Parameters
    ----------
    places : ndarray of int64, shape (n,)
        Numbers of characters; -1 is nowhere.

    Returns
    -------
    list of str or None, length n
        In lower case, as the vocabulary has them; None between words.

    Examples
    --------
    >>> words_at("Login fails.", np.array([0, 5, 8, 11, -1]))
    ['login', None, 'fails', None, None]
    """
    # In lower case a character may be two: places are those of the text as it was.
    origin = np.repeat(np.arange(len(text)), [len(character.lower()) for character in text])
    number = np.full(len(text) + 1, -1)  # the last one is for nowhere
    found = list(_WORD.finditer(text.lower()))
    for i, match in enumerate(found):
        number[origin[match.start() : match.end()]] = i
    return [found[i].group() if i >= 0 else None for i in number[places].tolist()]


def _with_pairs(words: Sequence[str]) -> list[str]:
    return [*words, *(f"{first} {second}" for first, second in itertools.pairwise(words))]


def _text_words(text: ModelText) -> Hashes:
    return word_hashes(text.text)


def _text_chars(text: ModelText) -> Hashes:
    return char_hashes(text.text)


def _subject_words(text: ModelText) -> Hashes:
    return word_hashes(text.subject)


def _group_numbers(customers: Sequence[str | None]) -> NDArray[np.int64] | None:
    """Number the customers, those that are not known together as one more; None where none is known.

    Who wrote a ticket without a customer cannot be told: often another one than any that is named. To count named
    customers alone would cost a history in which few are named most of its vocabulary.
    """
    if all(customer is None for customer in customers):
        return None
    numbers: dict[str | None, int] = {}
    return np.array([numbers.setdefault(customer, len(numbers)) for customer in customers], dtype=np.int64)


def _fit_block(
    hashes: Iterator[Hashes], n_texts: int, groups: NDArray[np.int64] | None, min_df: int, max_terms: int
) -> _Block:
    unique = [np.unique(row) for row in hashes]
    terms, df = np.unique(_concatenate(unique), return_counts=True)
    keep = df >= min_df
    if groups is not None:
        by_customer: dict[int, list[Hashes]] = {}
        for group, row in zip(groups.tolist(), unique, strict=True):
            by_customer.setdefault(group, []).append(row)
        per_customer = [np.unique(np.concatenate(rows)) for rows in by_customer.values()]
        seen, n_customers = np.unique(_concatenate(per_customer), return_counts=True)
        keep &= n_customers[np.searchsorted(seen, terms)] >= 2
    terms, df = terms[keep], df[keep]
    if len(terms) > max_terms:
        top = np.sort(np.lexsort((terms, -df))[:max_terms])
        terms, df = terms[top], df[top]
    idf = np.log((1.0 + n_texts) / (1.0 + df)) + 1.0
    return _Block(terms, idf.astype(np.float32))


def _concatenate(parts: Sequence[Hashes]) -> Hashes:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
