from dataclasses import replace

import numpy as np
import pytest

from features.encoder import HashingEncoder
from features.feature_space import CONTEXT_NAMES, Example, FeatureSpace
from features.form import form_features
from features.ngrams import NgramVectorizer
from features.past_record import RECORD_NAMES, empty_record
from features.structured import StructuredColumns
from features.text import model_text
from features.ticket import Ticket

TICKETS = [
    Ticket(subject=subject, description=text, product=product)
    for subject, text, product in [
        ("Login fails", "The login page says wrong password", "console"),
        ("Login broken", "No login page since the update", "console"),
        ("Cannot login", "The login fails on mobile too", "console"),
        ("Export slow", "The export takes an hour", "reports"),
    ]
]


def example(ticket: Ticket) -> Example:
    text = model_text(ticket)
    return Example(ticket, text, HashingEncoder().encode([text.text])[0])


@pytest.fixture(scope="module")
def space() -> FeatureSpace:
    return FeatureSpace(
        vectorizer=NgramVectorizer.fit([model_text(ticket) for ticket in TICKETS]),
        structured=StructuredColumns.fit(TICKETS),
        dense_weight=1.5,
        structured_weight=0.5,
    )


def test_blocks_stand_side_by_side_with_their_weights(space: FeatureSpace):
    rows = space.transform([example(ticket) for ticket in TICKETS])
    assert len(rows) == 4
    assert rows.dense.dtype == np.float32
    assert rows.dense.shape == (4, 64 + 1)
    assert np.linalg.norm(rows.dense[:, :64], axis=1) == pytest.approx(np.full(4, 1.5), rel=1e-6)
    assert rows.dense[:, 64].tolist() == [0.5, 0.5, 0.5, 0.0]


def test_vectors_stay_as_they_are_and_context_is_the_record_and_the_form(space: FeatureSpace):
    record = np.arange(len(RECORD_NAMES), dtype=np.float64)
    known = replace(example(TICKETS[0]), record=record)
    rows = space.transform([known, example(TICKETS[1])])
    assert np.array_equal(rows.vectors, np.stack([known.vector, example(TICKETS[1]).vector]))
    assert rows.context.shape == (2, len(CONTEXT_NAMES))
    assert rows.context[0].tolist() == [*record, *form_features(TICKETS[0], model_text(TICKETS[0]))]
    assert rows.context[1].tolist() == [*empty_record(), *form_features(TICKETS[1], model_text(TICKETS[1]))]
    assert not np.isin(record[1:], rows.dense).any(), "what the record says is for severity alone"


def test_a_row_alone_is_the_row_among_others(space: FeatureSpace):
    examples = [example(ticket) for ticket in TICKETS]
    together = space.transform(examples)
    for i, one in enumerate(examples):
        alone = space.transform([one])
        span = slice(together.sparse.indptr[i], together.sparse.indptr[i + 1])
        assert np.array_equal(alone.sparse.indices, together.sparse.indices[span])
        assert np.array_equal(alone.sparse.data, together.sparse.data[span])
        assert np.array_equal(alone.dense[0], together.dense[i])
        assert np.array_equal(alone.vectors[0], together.vectors[i])
        assert np.array_equal(alone.context[0], together.context[i])


def test_parts_make_the_same_space_again(space: FeatureSpace):
    again = FeatureSpace.from_parts(*space.to_parts())
    ours, theirs = (s.transform([example(TICKETS[1])]) for s in (space, again))
    assert np.array_equal(ours.sparse.data, theirs.sparse.data)
    assert np.array_equal(ours.sparse.indices, theirs.sparse.indices)
    assert np.array_equal(ours.dense, theirs.dense)
    assert np.array_equal(ours.context, theirs.context)
