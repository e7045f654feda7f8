"""The training job: from a history to a written, scored and recorded release."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation.backtest import Backtest, backtest
from evaluation.dataset import FittedTriage
from evaluation.report.contents import MisclassificationReport
from features.case_index import CaseIndex, DenseLimits
from features.encoder import Encoder, HashingEncoder, load_encoder
from features.history import History
from features.lexical import LexicalStatistics
from features.release import ENCODER, write_release
from features.settings import HASHING_ENCODER, Settings
from features.taxonomy_file import workspace_taxonomy
from features.text import RULES_VERSION
from serving.triage import Triage
from training.data import TrainingData, first_calibration_time, labelled_split, load_training_data
from training.encoder_tuning import TuningOutcome, tune_encoder
from training.label_notes import label_notes, label_record, listed
from training.linked import FromLinks, LinkedFigures, fit_on_links
from training.params import TrainingParams
from training.parents import parent_notes, with_labels
from training.parts import release_parts
from training.recipe import write_recipe
from training.reporting import build_report, headlines, metrics, target_metrics, write_report
from training.search import search
from training.sentence_encoder import export_encoder
from training.split import Split
from training.tracking import RecordedRun, Tracker
from training.triage import fit_triage
from training.tuned_encoder import TunedEncoder, read_tuned, weights_folder
from training.tuning_params import TuningParams

Say = Callable[[str], None]
Bar = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What a training run made. ``labels`` says what each class had, and what was left out, by label of the source."""

    release_id: str
    folder: Path
    recorded: RecordedRun
    report: MisclassificationReport
    reports_folder: Path
    figures: Mapping[str, float]
    notes: tuple[str, ...]
    linked: LinkedFigures
    labels: Mapping[str, Any]
    tuning: TuningOutcome | None = None

    @property
    def headlines(self) -> list[str]:
        """What a person looks at first, a line each."""
        tuning = self.tuning.lines() if self.tuning else []
        return [*tuning, *headlines(self.report), *self.linked.headlines()]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that a release is made of, and how it did on the test rows."""

    data: TrainingData
    split: Split
    triage: FittedTriage
    statistics: LexicalStatistics
    learned: FromLinks
    backtest: Backtest


def train(
    settings: Settings,
    params: TrainingParams,
    *,
    tuning: TuningParams | None = None,
    searching: bool = False,
    say: Say,
    bar: Bar,
) -> TrainingRun:
    """Train on the workspace's history; the release becomes the challenger in the registry.

    Parameters
    ----------
    tuning : TuningParams, optional
        Tune the encoder first; it is used where it wins.
    searching : bool
        Whether to choose the recipe first, and to record it for the runs to come.
    say : callable
        Told a line for each step.
    bar : callable
        Told how many texts are embedded, and of how many.

    Raises
    ------
    NotEnoughData
        If the history is empty, too small, or holds one category only.
    TaxonomyInvalid
        If the taxonomy file is wrong.
    Conflict
        If a tuned encoder is in use that may have learned from this run's calibration or test tickets.
    """
    taxonomy = workspace_taxonomy(settings)
    outcome = tune_encoder(settings, params, tuning, say=say, bar=bar) if tuning is not None else None
    for line in outcome.lines() if outcome else ():
        say(line)
    folder = encoder_folder(settings)
    encoder = load_encoder(folder, settings.service.encoder_threads)
    with closing(History.open(settings.history_url)) as history:
        say("Reading the history and embedding what is new")
        data = load_training_data(history, encoder, bar, taxonomy=taxonomy)
        if tuned := read_tuned(settings):
            tuned.check_unseen(first_calibration_time(data, params))
        if searching:
            params = _searched(settings, data, params, tuned, say)
        say(f"Fitting, calibrating and testing on {len(data.cases):,} tickets")
        limits = DenseLimits(memory_bytes=settings.index.memory_bytes)
        fitted = fit(data, history, encoder, settings.index_dir / encoder.fingerprint, params, limits=limits)
    say("Scoring the newest tickets and the floors")
    release_id = _release_id(data, params)
    report = build_report(data, fitted.split, fitted.triage, fitted.backtest, params, release_id=release_id)
    figures = metrics(report) | target_metrics(fitted.backtest) | fitted.learned.figures.metrics()
    figures |= outcome.metrics() if outcome else {}
    say(f"Writing release {release_id}")
    release_folder = write_release(
        settings.releases_dir,
        release_id=release_id,
        parts={
            **release_parts(fitted.triage.triage, fitted.learned, fitted.statistics),
            **_records(fitted, figures, params),
            ENCODER: folder,
        },
        manifest_extra=_manifest(fitted, encoder, params),
    )
    reports = write_report(settings, report)
    say("Recording the run in MLflow")
    recorded = Tracker(settings).record(
        release_folder,
        params=params.model_dump(mode="json") | _tuning_params(tuning),
        metrics=figures,
        tags={
            "data_hash": data.content_hash,
            "encoder": encoder.fingerprint,
            **({"encoder_tuning": outcome.decision.reason} if outcome else {}),
            **_window_tags(data),
        },
        artifacts=reports,
    )
    notes = tuple(_notes(fitted, params))
    labels = label_record(data.labels)
    return TrainingRun(
        release_id, release_folder, recorded, report, reports, figures, notes, fitted.learned.figures, labels, outcome
    )


def encoder_folder(settings: Settings) -> Path:
    """Folder of the exported encoder: the tuned one where there is one, else the settings'; exported on first use."""
    settings.encoders_dir.mkdir(parents=True, exist_ok=True)
    if settings.encoder == HASHING_ENCODER:
        return HashingEncoder().save(settings.encoders_dir)
    tuned = read_tuned(settings)
    name = str(weights_folder(settings, tuned)) if tuned else settings.encoder
    return export_encoder(name, settings.encoders_dir, settings.encoder_precision)


def fit(
    data: TrainingData,
    history: History,
    encoder: Encoder,
    index_folder: Path,
    params: TrainingParams,
    *,
    limits: DenseLimits,
) -> Fitted:
    """Fit every model of a release on the past, and predict the newest tickets with them.

    Parameters
    ----------
    index_folder : Path
        Of the case index of this encoder; it is brought up to date on the way, so that a service starts quickly.
    """
    labelled, split = labelled_split(data, params)
    rows = data.rows.take(labelled)
    triage = with_labels(fit_triage(rows.take(split.train), rows.take(split.calibration), params), data.labels)
    seen = [*split.train, *split.calibration]
    statistics = LexicalStatistics.fit_texts(
        [rows.examples[i].text for i in seen], [rows.examples[i].ticket.customer for i in seen]
    )
    with closing(CaseIndex.open(index_folder, encoder, statistics, limits)) as index:
        index.build(history)
        index.snapshot()
        tested = backtest(triage.triage, rows.take(split.test), rows.take(seen))
        predicted = _predicted(tested, triage.triage, [data.cases[labelled[i]].row_id for i in split.test])
        learned = fit_on_links(data, history, index, encoder, split.cut, params, predicted)
    return Fitted(
        data=data,
        split=split.renumbered(labelled),
        triage=triage,
        statistics=statistics,
        learned=learned,
        backtest=tested,
    )


def _predicted(tested: Backtest, triage: Triage, row_ids: Sequence[int]) -> dict[int, tuple[str, float]]:
    """The most probable category of each test ticket, with its probability, by row."""
    if triage.category is None or tested.category_probabilities is None:
        return {}
    best = tested.category_probabilities.argmax(axis=1).tolist()
    return {
        row: (triage.category.classes[k], float(probabilities[k]))
        for row, k, probabilities in zip(row_ids, best, tested.category_probabilities, strict=True)
    }


def _searched(
    settings: Settings, data: TrainingData, params: TrainingParams, tuned: TunedEncoder | None, say: Say
) -> TrainingParams:
    labelled, split = labelled_split(data, params)
    rows = data.rows.take(labelled).take(split.train)
    found = search(rows, params, say, learned_until=tuned.learned_until if tuned else None)
    write_recipe(settings.recipe_path, found)
    for line in found.lines():
        say(line)
    return params.model_copy(update=found.chosen.recipe.model_dump())


def _release_id(data: TrainingData, params: TrainingParams) -> str:
    content = hashlib.sha256(f"{data.content_hash}{params.model_dump_json()}".encode()).hexdigest()[:6]
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{content}"


def _records(fitted: Fitted, figures: Mapping[str, float], params: TrainingParams) -> dict[str, Any]:
    cut = fitted.split.cut
    return {
        "params.json": params.model_dump(mode="json"),
        "metrics.json": dict(figures),
        "labels.json": label_record(fitted.data.labels),
        "split.json": {
            "cut": cut.isoformat() if cut else None,
            "n_train": len(fitted.split.train),
            "n_calibration": len(fitted.split.calibration),
            "test_row_ids": [fitted.data.cases[i].row_id for i in fitted.split.test] if cut is None else [],
        },
    }


def _manifest(fitted: Fitted, encoder: Encoder, params: TrainingParams) -> dict[str, Any]:
    first, last = fitted.data.window
    return {
        "encoder": encoder.fingerprint,
        "text_rules": RULES_VERSION,
        "seed": params.seed,
        "data": {
            "n_tickets": len(fitted.data.cases),
            "hash": fitted.data.content_hash,
            "last_change": fitted.data.last_change,
            "first": first.isoformat() if first else None,
            "last": last.isoformat() if last else None,
        },
    }


def _tuning_params(tuning: TuningParams | None) -> dict[str, Any]:
    return {f"tuning_{name}": value for name, value in tuning.model_dump().items()} if tuning else {}


def _window_tags(data: TrainingData) -> dict[str, str]:
    first, last = data.window
    return {"data_first": first.isoformat() if first else "", "data_last": last.isoformat() if last else ""}


def _language_notes(counts: Mapping[str, int], trained: frozenset[str]) -> list[str]:
    few = [f"{code} ({n})" for code, n in sorted(counts.items()) if code not in trained]
    if not few:
        return []
    return [f"Not answered, in languages with too few training tickets: {listed(few)}; similar cases still are."]


def _alerts(tested: Backtest) -> str:
    flagged = [prediction.severity.sev1_flag for prediction in tested.predictions]
    return f"; it was raised on {sum(flagged) / len(flagged):.0%} of {len(flagged):,} test tickets" if flagged else ""


def _notes(fitted: Fitted, params: TrainingParams) -> list[str]:
    labels = fitted.data.labels
    notes = [*label_notes(labels), *parent_notes(fitted.backtest, labels.taxonomy)]
    triage = fitted.triage
    if triage.triage.severity is None:
        notes.append("No severity model: the history has no two severities to tell apart.")
    elif triage.sev1 is not None and not triage.sev1.certified:
        notes.append(
            f"Too few Sev1 tickets to certify a recall of {params.sev1_recall:.0%}: {triage.sev1.n_positives} among "
            f"those to calibrate on, {triage.sev1.n_needed} needed; import more history, or raise calibration_share "
            f"({params.calibration_share:g} of the tickets)."
        )
    elif triage.sev1 is not None:
        notes.append(
            f"The Sev1 flag, set from a risk of {triage.sev1.threshold:.3f} on, holds a recall of "
            f"{params.sev1_recall:.0%} with {params.sev1_confidence:.0%} confidence ({triage.sev1.n_positives} Sev1 "
            f"tickets to calibrate on){_alerts(fitted.backtest)}."
        )
    models = {"category": triage.triage.category, **triage.triage.targets}
    for name, model in models.items():
        if model is not None and model.rare:
            notes.append(
                f"Of {name}, suggested but never automated, with fewer than {params.rare_below} training tickets: "
                f"{listed(sorted(model.rare))}."
            )
    notes += _language_notes(triage.language_counts, triage.triage.languages)
    notes += [
        f"No model of {name}: its training tickets have fewer than two values to tell apart."
        for name in sorted(set(fitted.data.rows.targets) - set(triage.triage.targets))
    ]
    if not fitted.learned.ranker.trained:
        notes.append("Similar cases use the untrained ranking: the history has too few duplicate links to learn from.")
    return notes
