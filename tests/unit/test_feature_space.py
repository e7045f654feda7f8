import numpy as np
import pytest

from features.encoder import HashingEncoder
from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
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
        vectorizer=NgramVectorizer.fit([model_text(ticket).text for ticket in TICKETS]),
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


def test_a_row_alone_is_the_row_among_others(space: FeatureSpace):
    examples = [example(ticket) for ticket in TICKETS]
    together = space.transform(examples)
    for i, one in enumerate(examples):
        alone = space.transform([one])
        span = slice(together.sparse.indptr[i], together.sparse.indptr[i + 1])
        assert np.array_equal(alone.sparse.indices, together.sparse.indices[span])
        assert np.array_equal(alone.sparse.data, together.sparse.data[span])
        assert np.array_equal(alone.dense[0], together.dense[i])


def test_parts_make_the_same_space_again(space: FeatureSpace):
    again = FeatureSpace.from_parts(*space.to_parts())
    ours, theirs = (s.transform([example(TICKETS[1])]) for s in (space, again))
    assert np.array_equal(ours.sparse.data, theirs.sparse.data)
    assert np.array_equal(ours.dense, theirs.dense)
