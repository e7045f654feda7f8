"""Further targets are scored as the category is."""

from __future__ import annotations

import pytest

from evaluation.backtest import Backtest
from evaluation.dataset import LabelledRows
from serving.schemas import Action, Alternative, SeverityAnswer, TargetAnswer
from serving.triage import Prediction
from training.reporting import _metric_name, target_metrics

SEVERITY = SeverityAnswer(
    value=None, most_likely=None, confidence=0.0, action=Action.ABSTAIN, sev1_flag=False, sev1_risk=0.0
)


def answer(value: str, *, abstains: bool = False) -> TargetAnswer:
    if abstains:
        guess = Alternative(value=value, confidence=0.4)
        return TargetAnswer(value=None, confidence=0.4, action=Action.ABSTAIN, alternatives=[guess])
    return TargetAnswer(value=value, confidence=0.9, action=Action.SUGGEST)


def backtest_of(truth: list[str | None], answers: list[TargetAnswer]) -> Backtest:
    rows = LabelledRows((), (), (), {"team": tuple(truth)})
    predictions = tuple(
        Prediction(category=answer("x"), severity=SEVERITY, targets={"team": given}, novel=False) for given in answers
    )
    return Backtest(rows, predictions, None, None)


def test_every_class_of_a_target_has_figures_of_the_most_likely_value() -> None:
    found = target_metrics(
        backtest_of(["a", "a", "b", None], [answer("a"), answer("b"), answer("b", abstains=True), answer("a")])
    )
    assert found["target_team_accuracy"] == pytest.approx(2 / 3)
    assert (found["target_team_recall/a"], found["target_team_recall/b"]) == (0.5, 1.0)
    assert found["target_team_tickets/a"] == 2.0


def test_a_target_that_was_not_trained_has_no_figures() -> None:
    backtest = backtest_of(["a"], [answer("a")])
    assert target_metrics(Backtest(backtest.rows, (Prediction(answer("x"), SEVERITY, {}, False),), None, None)) == {}


def test_labels_that_read_alike_keep_metrics_of_their_own() -> None:
    names = {_metric_name(label) for label in ("A/B", "A.B", "A:B", "A_B", "é" * 300, "é" * 301)}
    assert len(names) == 6
