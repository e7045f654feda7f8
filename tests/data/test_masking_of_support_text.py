"""Masking on real tickets: public bug reports, full of versions, ids, traces and revisions, and of real addresses."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from features.linear_regex import Pattern, encode
from features.masking import Masker

DATA = Path(os.environ.get("PRECEDENT_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "jira"
PLACEHOLDER = Pattern(r"<(?:EMAIL|PHONE|CARD|IBAN|IP|KEY|PASSWORD|URL_CREDENTIALS)>")
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not at $PRECEDENT_DATA"),
]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    with gzip.open(DATA / "issues.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        return [f"{row['summary']}\n{row['description']}" for row in rows]


def test_digits_of_logs_and_traces_are_not_taken_for_personal_data(texts: list[str]):
    """Read one by one when the rules were written: 6 phone numbers, no card, no IBAN; the e-mails were gone before."""
    masker = Masker()
    found: Counter[str] = Counter()
    for text in texts:
        masked = encode(masker.mask(text))
        found.update(masked[start:end].decode() for start, end in PLACEHOLDER.spans(masked))
    assert found["<PHONE>"] <= 8
    assert found["<CARD>"] + found["<IBAN>"] + found["<EMAIL>"] <= 4
    assert found["<PASSWORD>"] + found["<KEY>"] + found["<URL_CREDENTIALS>"] <= 160
    assert found["<IP>"] >= 2_000
