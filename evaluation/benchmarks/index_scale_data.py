"""Real tickets and their vectors, and as many more as are wanted, made from them by noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.readers import read_issues
from evaluation.benchmarks.vectors import Progress, VectorStore
from features.encoder import Encoder, load_encoder
from features.encoder_card import read_card
from features.errors import InvalidInput, InvalidTicket
from features.history import StoredCase
from features.history_rows import content_hash
from features.intake import Intake, open_intake
from features.settings import DEFAULT_ENCODER, load_settings
from features.text import ModelText, model_text
from features.ticket import Case

N_QUERIES = 300
_N_FOR_MEDIAN = 3_000  # tickets whose nearest neighbour is looked for
_BLOCK = 16_384

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tickets:
    """Masked cases of distinct texts in a random order, the queries left out of them, and the vectors of both.

    Attributes
    ----------
    texts : tuple of ModelText
        Of the cases.
    vectors, query_vectors : ndarrays of float32, shapes (n_cases, dimension) and (N_QUERIES, dimension)
    neighbour_cosine : float
        Median cosine of a case to its nearest neighbour among the cases.
    """

    cases: tuple[Case, ...]
    texts: tuple[ModelText, ...]
    vectors: Vectors
    queries: tuple[Case, ...]
    query_vectors: Vectors
    encoder: Encoder
    masking_rules: str
    neighbour_cosine: float

    def blocks(self, n: int) -> Iterator[Vectors]:
        """Vectors of n cases, some thousand at a time: the real ones, then copies of them in turn with noise.

        The noise has no preferred direction and is such that a copy's cosine to its source is ``neighbour_cosine``.
        """
        rng = np.random.default_rng(0)
        for start in range(0, n, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, n))
            block = self.vectors[numbers % len(self.vectors)]
            is_copy = numbers >= len(self.vectors)
            block[is_copy] = _noisy(block[is_copy], self.neighbour_cosine, rng)
            yield block

    def text(self, number: int) -> ModelText:
        """The model text of a number's case, which is its source's."""
        return self.texts[number % len(self.texts)]

    def stored(self, number: int) -> StoredCase:
        """The case of a number; a copy has its source's text, a date a little later, and an id of its own."""
        case = self.cases[number % len(self.cases)]
        if round_ := number // len(self.cases):
            created_at = case.ticket.created_at
            later = None if created_at is None else created_at + timedelta(hours=round_)
            case = replace(case, ticket=replace(case.ticket, id=f"{case.id}+{round_}", created_at=later), links=())
        return StoredCase(number, number, content_hash(case), self.masking_rules, case)


def read_tickets(folder: Path, workspace: Path | None, progress: Progress) -> Tickets:
    """Read a folder of the ``jira`` layout, mask it as an import does, and embed it.

    Raises
    ------
    InvalidInput
        If the workspace has no exported encoder of the default name.
    """
    settings = load_settings(workspace)
    encoder = _default_encoder(settings.encoders_dir)
    store = VectorStore(settings.workspace / "benchmark-vectors", encoder, progress)
    intake = open_intake(settings)
    by_text = {text: case for case in _masked(intake, folder) for text in (model_text(case.ticket),)}
    order = np.random.default_rng(0).permutation(len(by_text))
    vectors = store.embed([text.text for text in by_text])[order]
    read = [*by_text.items()]
    texts, cases = zip(*(read[number] for number in order), strict=True)
    return Tickets(
        cases=cases[N_QUERIES:],
        texts=texts[N_QUERIES:],
        vectors=vectors[N_QUERIES:],
        queries=cases[:N_QUERIES],
        query_vectors=vectors[:N_QUERIES],
        encoder=encoder,
        masking_rules=intake.masking_rules,
        neighbour_cosine=_neighbour_cosine(vectors[N_QUERIES:]),
    )


def _default_encoder(folder: Path) -> Encoder:
    for path in sorted(folder.glob("*")):
        if read_card(path).name == DEFAULT_ENCODER:
            return load_encoder(path, threads=1)
    raise InvalidInput(
        f"There is no exported {DEFAULT_ENCODER} in {folder}; run `precedent benchmark similar` with this workspace "
        "first, which exports it and keeps the vectors."
    )


def _masked(intake: Intake, folder: Path) -> Iterator[Case]:
    for case in read_issues(folder).cases:
        try:
            yield intake.prepare(case)
        except InvalidTicket:  # as an import would reject it
            continue


def _neighbour_cosine(vectors: Vectors) -> float:
    sample = np.arange(min(len(vectors), _N_FOR_MEDIAN))
    cosines = vectors[sample] @ vectors.T
    cosines[sample, sample] = -1.0
    return float(np.median(cosines.max(axis=1)))


def _noisy(vectors: Vectors, cosine: float, rng: np.random.Generator) -> Vectors:
    noise = rng.standard_normal(vectors.shape, dtype=np.float32)
    noise -= np.sum(noise * vectors, axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * vectors + np.sqrt(1.0 - cosine**2) * noise, dtype=np.float32)
