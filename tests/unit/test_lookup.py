"""Which tickets are a look-up of an error code, and which cases name it."""

import numpy as np
import pytest

from features.case_index import Candidate
from features.feature_space import Example
from features.lexical import document_terms
from features.text import model_text
from features.ticket import Ticket
from serving.lookup import rows_naming
from serving.ranking import SIGNALS, Pool

TEXTS = {1: "The agent stops with CBL-4012.", 2: "CBL-4013 after the upgrade", 3: "CBL-4012, then CBL-4013 again"}


class Index:
    """The terms of three cases."""

    def terms(self, row_ids):
        return {row: document_terms("", TEXTS[row]).text.hashes for row in row_ids}


def named_by(subject: str, description: str = "") -> set[int]:
    ticket = Ticket(subject=subject, description=description)
    example = Example(ticket, model_text(ticket), np.zeros(2, dtype=np.float32))
    candidates = tuple(Candidate(row, 0.1, 0.1, 0.1) for row in TEXTS)
    return set(rows_naming(example, Pool(candidates, np.zeros((3, len(SIGNALS)))), Index()))


@pytest.mark.parametrize(
    ("subject", "description", "rows"),
    [
        ("CBL-4012", "", {1, 3}),
        ("CBL-4012 error", "", {1, 3}),
        ("", "CBL-4013", {2, 3}),
        ("CBL-4012", "CBL-4013", {3}),
        ("CBL-9999", "", set()),
        ("CBL-4012 since the upgrade", "", set()),
        ("error", "", set()),
        ("", "", set()),
    ],
)
def test_a_code_and_hardly_a_word_besides_is_a_look_up(subject: str, description: str, rows: set[int]):
    assert named_by(subject, description) == rows
