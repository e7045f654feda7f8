"""Two releases on the same tickets: those that neither has learned from or calibrated on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from features.release import Release, load_release

from evaluation.backtest import Backtest, backtest, most_likely_categories, most_likely_severities
from evaluation.dataset import LabelledRows
from evaluation.gate import GateResult, compare
from features.encoder import load_encoder
from features.history import History
from features.settings import Settings
from serving.triage import Triage
from training.data import TrainingData, load_training_data


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the gate saw of each figure."""

    challenger: str
    champion: str
    results: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no figure is worse."""
        return all(result.passed for result in self.results)

    @property
    def reason(self) -> str:
        """The sentences of the figures that decided."""
        chosen = [result for result in self.results if result.passed == self.passed]
        return " ".join(result.reason for result in chosen) or "There are no labelled tickets to compare on."


@dataclass(frozen=True, slots=True)
class Unseen:
    """The tickets that a release has neither learned from nor been calibrated on."""

    cut: datetime | None
    test_rows: frozenset[int]

    @classmethod
    def of(cls, release: Release) -> Unseen:
        """Read what a release says of its split."""
        split = release.json("split")
        cut = split["cut"]
        return cls(datetime.fromisoformat(cut) if cut else None, frozenset(split["test_row_ids"]))

    def row_numbers(self, data: TrainingData) -> set[int]:
        """Rows of a training set that the release has not seen."""
        if self.cut is None:
            return {i for i, stored in enumerate(data.cases) if stored.row_id in self.test_rows}
        return {
            i
            for i, stored in enumerate(data.cases)
            if (created := stored.case.ticket.created_at) is not None and created >= self.cut
        }


def compare_releases(settings: Settings, challenger_id: str, champion_id: str) -> Comparison:
    """Run both releases over the tickets that are new to both, and compare them."""
    challenger = load_release(settings.releases_dir / challenger_id)
    champion = load_release(settings.releases_dir / champion_id)
    history = History.open(settings.history_url)
    try:
        data = load_training_data(history, load_encoder(challenger.encoder_folder, settings.service.encoder_threads))
        common = sorted(Unseen.of(challenger).row_numbers(data) & Unseen.of(champion).row_numbers(data))
        ours = score_rows(challenger, data, common)
        other = data
        if champion.manifest["encoder"] != challenger.manifest["encoder"]:
            other = load_training_data(history, load_encoder(champion.encoder_folder, settings.service.encoder_threads))
        theirs = score_rows(champion, other, common)
    finally:
        history.close()
    return Comparison(challenger_id, champion_id, tuple(_results(ours, theirs)))


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """A release's most likely answers on labelled rows."""

    triage: Triage
    result: Backtest


def score_rows(release: Release, data: TrainingData, numbers: list[int]) -> ScoredRows:
    """Predict rows of a training set with a release; neighbours are all other rows."""
    triage = Triage.from_release(release)
    chosen = set(numbers)
    known = [example.vector for i, example in enumerate(data.rows.examples) if i not in chosen]
    return ScoredRows(triage, backtest(triage, data.rows.take(numbers), known or [np.zeros(1, np.float32)]))


def _results(ours: ScoredRows, theirs: ScoredRows) -> list[GateResult]:
    rows: LabelledRows = ours.result.rows
    columns = {
        "category": (
            rows.categories,
            most_likely_categories(ours.triage, ours.result),
            most_likely_categories(theirs.triage, theirs.result),
        ),
        "severity": (
            [str(level) if level else None for level in rows.severities],
            most_likely_severities(ours.result),
            most_likely_severities(theirs.result),
        ),
    }
    results = []
    for name, (truth, mine, other) in columns.items():
        full = [
            (t, a, b)
            for t, a, b in zip(truth, mine, other, strict=True)
            if t is not None and a is not None and b is not None
        ]
        if full:
            results.append(compare(name, [t for t, _, _ in full], [a for _, a, _ in full], [b for _, _, b in full]))
    return results
