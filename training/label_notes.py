"""What cleaning did to the labels of a history, in words and for the record of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.label_cleaning import CleanLabel, LabelCleaning
from features.taxonomy import Fate
from training.data import CleanedLabels


def listed(names: Sequence[str], *, limit: int = 10) -> str:
    """Names for a sentence, the first ones in full."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def label_notes(labels: CleanedLabels) -> Iterator[str]:
    """Sentences about what was merged, written otherwise or left out, and about what the taxonomy names in vain."""
    for name, cleaning in (("category", labels.category), *labels.targets.items()):
        yield from _notes_of(name, cleaning.labels())
        if unmatched := cleaning.rules.unmatched(cleaning.counts):
            yield (
                f"The taxonomy merges or retires {listed([repr(label) for label in unmatched])} of {name}, which no "
                "ticket has: check the spelling."
            )
    for name in sorted(set(labels.taxonomy.targets) - set(labels.targets)):
        yield f"The taxonomy names a target {name!r}, which no ticket has."


def _notes_of(name: str, labels: Sequence[CleanLabel]) -> Iterator[str]:
    changed = {
        "merged by the taxonomy": [each for each in labels if each.fate is Fate.MERGED],
        "written as most tickets or the taxonomy have it": [each for each in labels if each.is_respelled],
        "retired, not learned from": [each for each in labels if each.fate is Fate.RETIRED],
        "outside the taxonomy, not learned from": [each for each in labels if each.fate is Fate.OUTSIDE],
    }
    for what, found in changed.items():
        if found:
            found.sort(key=lambda each: (-each.n_tickets, each.source))
            count = f"{len(found):,} label{'s' if len(found) > 1 else ''} ({_tickets(found)})"
            yield f"Of {name}, {count} {what}: {listed([_described(each) for each in found])}."


def _tickets(labels: Sequence[CleanLabel]) -> str:
    n_tickets = sum(each.n_tickets for each in labels)
    return f"{n_tickets:,} ticket{'s' if n_tickets > 1 else ''}"


def _described(label: CleanLabel) -> str:
    became = "" if label.value is None else f" → {label.value}"
    return f"{label.source}{became} ({label.n_tickets:,})"


def label_record(labels: CleanedLabels) -> dict[str, Any]:
    """What each class had, and what was left out: tickets by label of the source."""
    return {
        "category": _record_of(labels.category),
        "targets": {name: _record_of(cleaning) for name, cleaning in labels.targets.items()},
    }


def _record_of(cleaning: LabelCleaning) -> dict[str, Mapping[str, Any]]:
    record: dict[str, dict[str, Any]] = {"classes": {}, Fate.RETIRED.value: {}, Fate.OUTSIDE.value: {}}
    for label in cleaning.labels():
        if label.value is None:
            record[label.fate.value][label.source] = label.n_tickets
        else:
            record["classes"].setdefault(label.value, {})[label.source] = label.n_tickets
    return {name: dict(sorted(found.items())) for name, found in record.items()}
