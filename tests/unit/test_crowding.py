"""How crowded a candidate stands among the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.case_filter import CaseFilter
from features.case_index import CaseIndex, CaseQuery
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.text import model_text
from features.ticket import Case, Ticket

ENCODER = HashingEncoder(64)
SUBJECTS = ["printer on fire", "printer on fire again", "printer on fire still", "printer offline since noon"]


def test_crowding_is_the_mean_cosine_to_the_unlike_others_by_nearness(tmp_path: Path):
    texts = [model_text(Ticket(subject=subject)) for subject in SUBJECTS]
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    history.upsert([Case(ticket=Ticket(id=str(i), subject=s)) for i, s in enumerate(SUBJECTS)], masking_rules="1")
    index = CaseIndex.create(tmp_path / "index", ENCODER, LexicalStatistics.fit_texts(texts))
    index.replay(history)
    asked = model_text(Ticket(subject="printer on fire"))
    query = ENCODER.encode([asked.text])[0]
    try:
        candidates = index.search(CaseQuery(text=asked, vector=query, now=0.0), CaseFilter())
        order = [int(entry.id) for entry in index.entries([candidate.row_id for candidate in candidates])]
        [alone] = index.search(CaseQuery(text=asked, vector=query, now=0.0), CaseFilter(exclude_ids=frozenset("123")))
    finally:
        index.close()
        history.close()
    vectors = ENCODER.encode([texts[i].text for i in order]).astype(np.float64)
    weights = np.exp(20.0 * (vectors @ query))
    weights /= weights.sum()
    alike = vectors @ vectors.T
    others = np.where(alike < 0.75, alike, 0.0)  # "printer on fire again" is no crowd to "printer on fire"
    assert (others == 0.0).sum() > len(order), "some besides the diagonal"
    assert (others > 0.0).any()
    assert [candidate.crowding for candidate in candidates] == pytest.approx(others @ weights, abs=2e-3)
    assert alone.crowding == pytest.approx(0.0, abs=2e-3)
