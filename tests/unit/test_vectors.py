from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import func, select

from features.encoder import HashingEncoder
from features.history import History, StoredCase
from features.schema import vector_uses, vectors
from features.text import RULES_VERSION, model_text
from features.ticket import Case, Ticket
from features.vectors import embed_cases, text_sha256, vector_key


class CountingEncoder(HashingEncoder):
    """A real encoder that says what it was given, and stops where it is told to."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        super().__init__(dimension=32)
        self.given: list[str] = []
        self._stop_after = stop_after

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.given += texts
        if self._stop_after is not None and len(self.given) > self._stop_after:
            raise KeyboardInterrupt
        return super().encode(texts)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    yield history
    history.close()


def stored(history: History, subjects: Sequence[str]) -> list[StoredCase]:
    cases = [Case(ticket=Ticket(id=f"T-{i}", subject=subject)) for i, subject in enumerate(subjects)]
    history.upsert(cases, masking_rules="1")
    return list(history.iter_cases())


def n_rows(history: History, table: object) -> int:
    with history.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_vectors_come_in_the_order_of_the_cases(history: History) -> None:
    cases = stored(history, [f"problem {number}" for number in range(600)])
    encoder = CountingEncoder()
    backwards = embed_cases(history, encoder, cases[::-1])
    assert backwards.dtype == np.float32
    texts = [model_text(case.case.ticket).text for case in cases]
    np.testing.assert_array_equal(backwards[::-1], encoder.encode(texts))


def test_only_what_is_missing_is_encoded(history: History) -> None:
    cases = stored(history, ["login fails", "export is empty", "login fails"])
    encoder = CountingEncoder()
    embed_cases(history, encoder, cases)
    assert len(encoder.given) == 2
    embed_cases(history, encoder, cases)
    assert len(encoder.given) == 2
    changed = stored(history, ["login fails", "export is late", "login fails"])
    embed_cases(history, encoder, changed)
    assert encoder.given[2:] == [model_text(changed[1].case.ticket).text]


def test_a_run_that_was_stopped_goes_on_where_it_was(history: History) -> None:
    cases = stored(history, [f"problem {number}" for number in range(700)])
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        embed_cases(history, CountingEncoder(stop_after=300), cases)
    assert n_rows(history, vectors) == 256
    encoder = CountingEncoder()
    embed_cases(history, encoder, cases)
    assert len(encoder.given) == 700 - 256


def test_erasing_takes_the_vectors_of_every_text_that_the_ticket_ever_had(history: History) -> None:
    encoder = CountingEncoder()
    embed_cases(history, encoder, stored(history, ["first words", "shared words", "shared words"]))
    embed_cases(history, encoder, stored(history, ["second words", "shared words", "shared words"]))
    history.erase("T-0")
    history.erase("T-1")
    assert n_rows(history, vectors) == 1
    assert n_rows(history, vector_uses) == 1
    history.erase("T-2")
    assert n_rows(history, vectors) == 0


def test_progress_and_nothing_to_do(history: History) -> None:
    steps: list[int] = []
    cases = stored(history, ["one", "two"])
    embed_cases(history, CountingEncoder(), cases, steps.append)
    assert steps == [2]
    assert embed_cases(history, CountingEncoder(), []).shape == (0, 32)


def test_a_key_tells_encoder_rules_and_text() -> None:
    key = vector_key("enc", RULES_VERSION, "words")
    assert key == f"enc:{RULES_VERSION}:{text_sha256('words')}"
    assert len({key, vector_key("enc2", RULES_VERSION, "words"), vector_key("enc", "0", "words")}) == 3
