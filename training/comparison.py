"""Two releases on the same tickets: those that neither has learned from or calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from evaluation.backtest import Backtest, backtest, most_likely_categories, most_likely_severities
from evaluation.classification import ClassificationFigures, classification_figures
from evaluation.dataset import LabelledRows
from evaluation.gate import GateResult, compare
from features.encoder import load_encoder
from features.errors import UnknownRelease
from features.history import History
from features.release import Release, current_release_id, list_releases, load_release
from features.settings import Settings
from serving.triage import Triage
from training.data import TrainingData, load_training_data
from training.tracking import CHALLENGER, Tracker


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
    with closing(History.open(settings.history_url)) as history:
        data = load_training_data(history, load_encoder(challenger.encoder_folder, settings.service.encoder_threads))
        common = sorted(Unseen.of(challenger).row_numbers(data) & Unseen.of(champion).row_numbers(data))
        ours = score_rows(challenger, data, common)
        other = data
        if champion.manifest["encoder"] != challenger.manifest["encoder"]:
            other = load_training_data(history, load_encoder(champion.encoder_folder, settings.service.encoder_threads))
        theirs = score_rows(champion, other, common)
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a release on tickets that it has not learned from, and the comparison with the champion."""

    release_id: str
    n: int
    category: ClassificationFigures | None
    severity: ClassificationFigures | None
    comparison: Comparison | None

    def lines(self) -> list[str]:
        """One line a target."""
        found = {"Category": self.category, "Severity": self.severity}
        return [
            f"{name}: accuracy {f.accuracy:.3f} ({f.accuracy_ci95[0]:.3f} to {f.accuracy_ci95[1]:.3f}), "
            f"macro-F1 {f.macro_f1:.3f} ({f.macro_f1_ci95[0]:.3f} to {f.macro_f1_ci95[1]:.3f}), n = {f.n}"
            for name, f in found.items()
            if f is not None
        ]

    def to_json(self) -> dict[str, object]:
        """The figures for a program."""
        return {
            "release": self.release_id,
            "n": self.n,
            **{
                name: {
                    "n": f.n,
                    "accuracy": f.accuracy,
                    "macro_f1": f.macro_f1,
                    "ci95": {"accuracy": list(f.accuracy_ci95), "macro_f1": list(f.macro_f1_ci95)},
                }
                for name, f in (("category", self.category), ("severity", self.severity))
                if f is not None
            },
            "champion": self.comparison.champion if self.comparison else None,
            "gate_passed": self.comparison.passed if self.comparison else None,
        }


def evaluate_release(settings: Settings, release_id: str | None) -> Evaluation:
    """Score a release on tickets that it has not seen; None takes the challenger.

    Raises
    ------
    UnknownRelease
        If there is no such release.
    """
    chosen = known_release(settings, release_id)
    release = load_release(settings.releases_dir / chosen)
    with closing(History.open(settings.history_url)) as history:
        data = load_training_data(history, load_encoder(release.encoder_folder, settings.service.encoder_threads))
    scored = score_rows(release, data, sorted(Unseen.of(release).row_numbers(data)))
    rows = scored.result.rows
    champion = current_release_id(settings.releases_dir)
    return Evaluation(
        release_id=chosen,
        n=len(rows),
        category=_figures(rows.categories, most_likely_categories(scored.triage, scored.result)),
        severity=_figures(
            [str(level) if level else None for level in rows.severities], most_likely_severities(scored.result)
        ),
        comparison=compare_releases(settings, chosen, champion)
        if champion not in (None, chosen) and champion
        else None,
    )


def known_release(settings: Settings, release_id: str | None) -> str:
    """The id of a release that is there; None takes the challenger of the registry.

    Raises
    ------
    UnknownRelease
        If there is no such release, or no challenger yet.
    """
    chosen = release_id or Tracker(settings).release_of(CHALLENGER)
    if chosen is None:
        raise UnknownRelease("There is no challenger yet: run 'precedent train' first.")
    known = list_releases(settings.releases_dir)
    if chosen not in known:
        raise UnknownRelease(
            f"There is no release {chosen!r} in {settings.releases_dir}; there are: {', '.join(known) or 'none'}."
        )
    return chosen


def _figures(truth: Sequence[str | None], answers: Sequence[str | None]) -> ClassificationFigures | None:
    pairs = [(t, a) for t, a in zip(truth, answers, strict=True) if t is not None and a is not None]
    return classification_figures([t for t, _ in pairs], [a for _, a in pairs]) if pairs else None
