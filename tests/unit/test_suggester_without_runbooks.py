"""Without runbooks nothing is embedded for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from features.case_index import CaseIndex
from features.encoder import HashingEncoder, Vectors
from features.feature_space import Example
from features.history import History
from features.intake import Intake
from features.lexical import LexicalStatistics
from features.masking import Masker
from features.past_record import empty_record
from features.runbook_index import RunbookIndex
from features.runbooks import Runbook, RunbookSection
from features.text import model_text
from features.ticket import Ticket
from serving.ranking import UNTRAINED
from serving.suggester import Query, Suggester
from serving.triage import Triage
from training.params import TrainingParams
from training.triage import fit_space

ASKED = Ticket(id="Q", subject="Sync worker crashes", description="It runs out of memory since the upgrade.")
RUNBOOK = Runbook(id="oom", title="Out of memory", sections=(RunbookSection("Diagnosis", "Look at the memory."),))


class Noting(HashingEncoder):
    """Notes what it is asked to encode."""

    def __init__(self) -> None:
        super().__init__(16)
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked.extend(texts)
        return super().encode(texts)


def asked_of_the_encoder(folder: Path, runbooks: Sequence[Runbook]) -> list[str]:
    encoder, text = Noting(), model_text(ASKED)
    example = Example(ASKED, text, encoder.encode([text.text])[0], empty_record())
    with (
        closing(History.open(f"sqlite:///{folder / 'history.db'}")) as history,
        closing(CaseIndex.create(folder / "index", encoder, LexicalStatistics.fit([]))) as index,
    ):
        suggester = Suggester(
            release_id="r",
            triage=Triage(fit_space([example] * 5, TrainingParams()), None, None, {}, None),
            ranker=UNTRAINED,
            encoder=encoder,
            intake=Intake(Masker(None), b"k" * 32),
            index=index,
            runbooks=RunbookIndex.build(runbooks, encoder),
            read_cases=history.cases,
        )
        encoder.asked.clear()
        assert suggester.suggest(Query(ASKED)).runbooks == []
    return encoder.asked


def test_the_subject_is_embedded_for_runbooks_alone(tmp_path: Path):
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    whole = model_text(ASKED).text
    assert asked_of_the_encoder(tmp_path / "with", [RUNBOOK]) == [whole, ASKED.subject]
    assert asked_of_the_encoder(tmp_path / "without", []) == [whole]
