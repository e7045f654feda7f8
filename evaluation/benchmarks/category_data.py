"""Rows of the category benchmark, split as each public layout asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench, On, Row
from evaluation.benchmarks.readers import COMPONENT, ISSUES, LabelledText, read_issues, read_labelled
from evaluation.benchmarks.splits import before_cut, fit_and_calibration, grouped_folds, held_out_tenth
from evaluation.benchmarks.vectors import VectorStore
from evaluation.dataset import LabelledRows
from evaluation.near_duplicates import near_duplicate_groups
from features.errors import InvalidInput, NotEnoughData
from features.ticket import Case, Outcome, Ticket

N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class CategoryData:
    """Rows to fit on, to calibrate on and to test on, with the raw texts for the floors and for near-duplicates.

    Attributes
    ----------
    folds : ndarray of int64, shape (n_train,), or None
        Fold of each training row where calibration is by folds; then ``calibration`` is empty.
    validation : LabelledRows
        Rows of known classes that a novelty threshold may be chosen on, apart from training; may be empty.
    known : LabelledRows
        What the test rows have their neighbours among: the training rows, and where rows are cut by time also the later
        ones that calibrate. A near-duplicate of one of these has its label voted for.
    outside_validation, outside_test : LabelledRows
        Texts of no known class, whatever they are labelled; empty where the folder has none.
    """

    train: LabelledRows
    calibration: LabelledRows
    folds: NDArray[np.int64] | None
    test: LabelledRows
    train_texts: tuple[str, ...]
    test_texts: tuple[str, ...]
    known_texts: tuple[str, ...]
    validation: LabelledRows
    known: LabelledRows
    outside_validation: LabelledRows
    outside_test: LabelledRows

    def embedded(self, vectors: VectorStore) -> CategoryData:
        """The same rows with vectors of another encoder."""

        def rows(given: LabelledRows) -> LabelledRows:
            made = vectors.embed([example.text.text for example in given.examples])
            examples = (replace(example, vector=vector) for example, vector in zip(given.examples, made, strict=True))
            return replace(given, examples=tuple(examples))

        return replace(
            self,
            train=rows(self.train),
            calibration=rows(self.calibration),
            test=rows(self.test),
            validation=rows(self.validation),
            known=rows(self.known),
            outside_validation=rows(self.outside_validation),
            outside_test=rows(self.outside_test),
        )


def category_data(bench: Bench, folder: Path, *, on: On, label: str, project: str | None) -> CategoryData:
    """Read and split a folder of any layout that has categories.

    Raises
    ------
    InvalidInput
        If components are asked for without a project, or of a folder that holds no issues.
    NotEnoughData
        If a part of the split is empty.
    """
    if (folder / ISSUES).exists():
        data = _issues(bench, folder, on=on, label=label, project=project)
    elif label != "project" or project is not None:
        raise InvalidInput(f"--label and --project choose among issues, and {folder} has no {ISSUES}; leave them out.")
    else:
        texts = read_labelled(folder)
        is_published = any(text.part in ("tune", "calibration") for text in texts)
        rows = bench.rows([_case(number, text) for number, text in enumerate(texts)])
        data = _published_split(bench, rows, on=on) if is_published else _train_and_test(bench, rows, on=on)
    for name, part in (("training", data.train), ("test", data.test)):
        if not len(part):
            raise NotEnoughData(
                f"{folder} gives no {name} rows for --on {on}; give a folder of a layout that has them."
            )
    return data


def labelled(rows: Sequence[Row]) -> LabelledRows:
    """Rows as the fitting functions take them: the source's category, its severity, no further targets."""
    return LabelledRows(
        examples=tuple(row.example for row in rows),
        categories=tuple(row.raw.outcome.category for row in rows),
        severities=(None,) * len(rows),
        targets={},
    )


def _case(number: int, text: LabelledText) -> Case:
    # The published part rides along as the system; nothing that predicts reads it.
    return Case(
        ticket=Ticket(id=str(number), description=text.text),
        outcome=Outcome(category=text.label),
        system=text.part,
    )


def _published_split(bench: Bench, rows: Sequence[Row], *, on: On) -> CategoryData:
    """Fit on train, calibrate on calibration; test on tune, or on test rows after a refit on train and tune."""
    parts = [row.raw.system for row in rows]
    if on == "test" and "test" not in parts:
        with bench.step("near-duplicates"):
            groups = near_duplicate_groups([row.raw_text for row in rows])
        held_out = held_out_tenth([str(row.raw.outcome.category) for row in rows], parts, groups)
        parts = ["test" if held else part for part, held in zip(parts, held_out, strict=True)]
    wanted = {"train": "train", "tune": "test"} if on == "tune" else {"train": "train", "tune": "train", "test": "test"}
    chosen = [wanted.get(part, part) for part in parts]
    if "calibration" not in parts:
        raise NotEnoughData("The rows have no part named calibration; confidences cannot be made true without one.")
    return _data(
        train=[row for row, part in zip(rows, chosen, strict=True) if part == "train"],
        calibration=[row for row, part in zip(rows, parts, strict=True) if part == "calibration"],
        test=[row for row, part in zip(rows, chosen, strict=True) if part == "test"],
    )


def _train_and_test(bench: Bench, rows: Sequence[Row], *, on: On) -> CategoryData:
    """Calibrate by folds within train; ``tune`` tests on val, or else on one fold of train."""
    by_part = {part: [row for row in rows if row.raw.system == part] for part in {row.raw.system for row in rows}}
    train, validation = by_part.get("train", []), by_part.get("val", [])
    test = by_part.get("test", [])
    if on == "tune":
        test = validation
        if not validation:
            folds = _folds(bench, train)
            test = [row for row, fold in zip(train, folds, strict=True) if fold == 0]
            train = [row for row, fold in zip(train, folds, strict=True) if fold != 0]
    data = _data(train=train, calibration=[], test=test, validation=validation)
    outside = labelled(by_part.get("oos_val", []))
    return replace(
        data,
        folds=_folds(bench, train),
        outside_validation=outside,
        outside_test=outside if on == "tune" else labelled(by_part.get("oos_test", [])),
    )


def _folds(bench: Bench, rows: Sequence[Row]) -> NDArray[np.int64]:
    with bench.step("near-duplicates"):
        groups = near_duplicate_groups([row.raw_text for row in rows])
    return grouped_folds([str(row.raw.outcome.category) for row in rows], groups, N_FOLDS)


def _issues(bench: Bench, folder: Path, *, on: On, label: str, project: str | None) -> CategoryData:
    """Split issues by time: test on the newest fifth, or, while developing, on the newest fifth of what is older."""
    if label == COMPONENT and project is None:
        raise InvalidInput("--label component needs --project: components mean something within one project only.")
    cases = [_relabelled(case, label) for case in read_issues(folder, project).cases]
    rows = bench.rows([case for case in cases if case.outcome.category is not None])
    created = np.array([row.created for row in rows])
    n_seen = len(before_cut(created)) if on == "tune" else len(rows)
    older = before_cut(created[:n_seen])
    if not len(older):
        raise NotEnoughData(f"{folder} has {len(rows)} tickets with a {label}; a split by time needs more.")
    cut = created[len(older)]
    # The project is known when an issue is filed; its component, like any last state, when it is resolved.
    known = [rows[i] for i in older if label == "project" or rows[i].resolved < cut]
    fit, calibration = fit_and_calibration(len(known))
    data = _data(
        train=[known[i] for i in fit],
        calibration=[known[i] for i in calibration],
        test=rows[len(older) : n_seen],
    )
    return replace(data, known=labelled(known), known_texts=tuple(row.raw_text for row in known))


def _relabelled(case: Case, label: str) -> Case:
    """Give the category that is asked for; a project that is the label is no input."""
    if label == "project":
        return replace(case, ticket=replace(case.ticket, product=None))
    return replace(case, outcome=replace(case.outcome, category=case.outcome.targets.get(COMPONENT)))


def _data(
    *, train: Sequence[Row], calibration: Sequence[Row], test: Sequence[Row], validation: Sequence[Row] = ()
) -> CategoryData:
    if not train or not test:
        raise NotEnoughData(
            f"There are {len(train)} rows to fit on and {len(test)} to test on; the folder needs some of both."
        )
    return CategoryData(
        train=labelled(train),
        calibration=labelled(calibration),
        folds=None,
        test=labelled(test),
        train_texts=tuple(row.raw_text for row in train),
        test_texts=tuple(row.raw_text for row in test),
        known_texts=tuple(row.raw_text for row in train),
        validation=labelled(validation),
        known=labelled(train),
        outside_validation=labelled([]),
        outside_test=labelled([]),
    )
