"""What a taxonomy tells a model: the labels above its classes, and how a history writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from evaluation.backtest import Backtest
from evaluation.dataset import FittedTriage
from features.label_cleaning import LabelCleaning
from features.label_path import LabelPath, ancestor, is_under
from features.taxonomy import Fate, LabelRules, Taxonomy
from serving.parents import Parent
from serving.target_model import TargetModel
from training.data import CleanedLabels


def with_labels(fitted: FittedTriage, labels: CleanedLabels) -> FittedTriage:
    """The same fit, with models that know the labels above their classes, and what was cleaned to them."""
    triage = fitted.triage
    category = triage.category
    if category is not None:
        category = _told(category, labels.category)
    targets = {name: _told(model, labels.targets[name]) for name, model in triage.targets.items()}
    return replace(fitted, triage=replace(triage, category=category, targets=targets))


def _told(model: TargetModel, cleaning: LabelCleaning) -> TargetModel:
    found = {label.source: label.value for label in cleaning.labels()}
    return replace(
        model,
        parents=parents_of(model.classes, cleaning.rules),
        sources={source: value for source, value in found.items() if value in model.classes and value != source},
    )


def parents_of(classes: Sequence[str], rules: LabelRules) -> tuple[Parent, ...]:
    """Find the labels that stand above at least two classes, but not above all: that would say nothing.

    A class that stands above others is one of those that its parent stands for. A retired label is no parent.

    Examples
    --------
    >>> [(p.value, p.classes) for p in parents_of(["Access > Keys", "Access > SSO", "Billing"], LabelRules())]
    [('Access', (0, 1))]
    """
    paths = {rules.path(label): number for number, label in enumerate(classes)}
    below: defaultdict[LabelPath, list[int]] = defaultdict(list)
    for path, number in paths.items():
        for depth in range(1, len(path)):
            below[path[:depth]].append(number)
    found = []
    for path, numbers in sorted(below.items()):
        members = sorted({*numbers, *([paths[path]] if path in paths else [])})
        if not 1 < len(members) < len(classes):
            continue
        spelled = ancestor(min(classes[number] for number in numbers), len(path), rules.separator)
        value = classes[paths[path]] if path in paths else rules.spellings.get(path, spelled)
        if rules.resolve(value)[1] is not Fate.RETIRED:
            found.append(Parent(value, len(path), tuple(members)))
    return tuple(found)


def parent_holds(tested: Backtest, row: int, taxonomy: Taxonomy) -> bool:
    """Whether a test row was answered with a parent that its category is, or lies below."""
    answer, truth = tested.predictions[row].category, tested.rows.categories[row]
    if truth is None or answer.value is None or not answer.is_parent:
        return False
    return is_under(truth, answer.value, taxonomy.separator)


def parent_notes(tested: Backtest, taxonomy: Taxonomy) -> Iterator[str]:
    """A sentence about the test tickets that were answered with a parent, where there are any."""
    known = [row for row, truth in enumerate(tested.rows.categories) if truth is not None]
    answered = [row for row in known if tested.predictions[row].category.is_parent]
    if answered:
        n_right = sum(parent_holds(tested, row, taxonomy) for row in answered)
        yield (
            f"Of {len(known):,} test tickets with a category, {len(answered):,} were answered with the parent of "
            f"several labels, {n_right:,} of them rightly."
        )
