"""Two releases on the same tickets: those that neither has learned from or calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from evaluation.backtest import backtest, most_likely_categories, most_likely_severities
from evaluation.classification import ClassificationFigures, classification_figures
from evaluation.dataset import LabelledRows
from evaluation.gate import GateResult, compare
from features.encoder import load_encoder
from features.errors import UnknownRelease
from features.history import History
from features.release import Release, current_release_id, list_releases, load_release
from features.settings import Settings
from features.taxonomy_file import workspace_taxonomy
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


class Tickets:
    """The tickets of a history as each release reads them: once for each encoder."""

    def __init__(self, settings: Settings, history: History) -> None:
        self._threads = settings.service.encoder_threads
        self._history = history
        self._taxonomy = workspace_taxonomy(settings)
        self._by_encoder: dict[str, TrainingData] = {}

    def of(self, release: Release) -> TrainingData:
        """Training data with the vectors of a release's encoder."""
        encoder = load_encoder(release.encoder_folder, self._threads)
        if encoder.fingerprint not in self._by_encoder:
            self._by_encoder[encoder.fingerprint] = load_training_data(self._history, encoder, taxonomy=self._taxonomy)
        return self._by_encoder[encoder.fingerprint]


def compare_releases(tickets: Tickets, challenger: Release, champion: Release) -> Comparison:
    """Run both releases over the tickets that are new to both, and compare them."""
    ours, theirs = tickets.of(challenger), tickets.of(champion)
    common = sorted(Unseen.of(challenger).row_numbers(ours) & Unseen.of(champion).row_numbers(theirs))
    results = _results(score_rows(challenger, ours, common), score_rows(champion, theirs, common))
    return Comparison(challenger.id, champion.id, tuple(results))


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """A release's most likely answers on labelled rows; None where it has no model to answer with."""

    rows: LabelledRows
    categories: list[str | None]
    severities: list[str | None]

    @property
    def truths(self) -> dict[str, list[str | None]]:
        """True labels by target."""
        return {
            "category": list(self.rows.categories),
            "severity": [None if level is None else str(level) for level in self.rows.severities],
        }

    @property
    def answers(self) -> dict[str, list[str | None]]:
        """Answers by target."""
        return {"category": self.categories, "severity": self.severities}


def score_rows(release: Release, data: TrainingData, numbers: Sequence[int]) -> ScoredRows:
    """Predict rows of a training set with a release; neighbours are all other rows."""
    triage = Triage.from_release(release)
    chosen = set(numbers)
    known = data.rows.take([i for i in range(len(data.rows)) if i not in chosen])
    result = backtest(triage, data.rows.take(numbers), known)
    # A release from before a label was merged or written otherwise still means the label that stands for it now.
    clean = data.labels.category.clean
    categories = [clean(answer) or answer for answer in most_likely_categories(triage, result)]
    return ScoredRows(result.rows, categories, most_likely_severities(result))


def _results(ours: ScoredRows, theirs: ScoredRows) -> Iterator[GateResult]:
    for target, truths in ours.truths.items():
        rows = [
            (truth, own, other)
            for truth, own, other in zip(truths, ours.answers[target], theirs.answers[target], strict=True)
            if truth is not None and not (own is None and other is None)
        ]
        if rows:
            truth, own, other = zip(*rows, strict=True)
            yield compare(target, truth, own, other)


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
    ReleaseRefused
        If it, or the champion, does not pass its checks.
    """
    release = load_release(settings.releases_dir / known_release(settings, release_id))
    champion_id = current_release_id(settings.releases_dir)
    with closing(History.open(settings.history_url)) as history:
        tickets = Tickets(settings, history)
        data = tickets.of(release)
        scored = score_rows(release, data, sorted(Unseen.of(release).row_numbers(data)))
        comparison = None
        if champion_id is not None and champion_id != release.id:
            comparison = compare_releases(tickets, release, load_release(settings.releases_dir / champion_id))
    return Evaluation(
        release_id=release.id,
        n=len(scored.rows),
        category=_figures(scored.truths["category"], scored.categories),
        severity=_figures(scored.truths["severity"], scored.severities),
        comparison=comparison,
    )


def known_release(settings: Settings, release_id: str | None) -> str:
    """The id of a release that is there; None takes the challenger of the registry.

    Raises
    ------
    UnknownRelease
        If there is no such release, or no challenger yet.
    """
    known = list_releases(settings.releases_dir)
    # Asking the registry makes one where there is none, which takes seconds.
    chosen = release_id or (Tracker(settings).release_of(CHALLENGER) if known else None)
    if chosen is None:
        raise UnknownRelease("There is no challenger yet: run 'precedent train' first.")
    if chosen not in known:
        raise UnknownRelease(
            f"There is no release {chosen!r} in {settings.releases_dir}; there are: {', '.join(known) or 'none'}."
        )
    return chosen


def _figures(truth: Sequence[str | None], answers: Sequence[str | None]) -> ClassificationFigures | None:
    pairs = [(t, a) for t, a in zip(truth, answers, strict=True) if t is not None and a is not None]
    return classification_figures([t for t, _ in pairs], [a for _, a in pairs]) if pairs else None
