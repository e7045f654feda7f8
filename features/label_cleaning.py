"""Labels of a history as they are learned from: one spelling each, merged, without those that are not answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from features.label_path import LabelPath
from features.taxonomy import Fate, LabelRules


@dataclass(frozen=True, slots=True)
class CleanLabel:
    """What a label of the history became; ``value`` is None where it is not answered."""

    source: str
    value: str | None
    fate: Fate
    n_tickets: int

    @property
    def is_respelled(self) -> bool:
        """Whether the label stayed and is only written otherwise."""
        return self.fate is Fate.KEPT and self.value != self.source


@dataclass(frozen=True, slots=True)
class LabelCleaning:
    """The rules of one target, with what the labels of a history say beyond them.

    Attributes
    ----------
    spellings : mapping of path to str
        The spelling that most tickets have (ties: the first by name), where the rules have none.
    counts : mapping of str to int
        Tickets by label, as the source has it.
    """

    rules: LabelRules
    spellings: Mapping[LabelPath, str]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, rules: LabelRules, labels: Iterable[str | None]) -> LabelCleaning:
        """Learn the spellings from all labels of a history.

        Examples
        --------
        >>> labels = ["SSO", "sso", "SSO", None, "Access>Keys"]
        >>> LabelCleaning.of(LabelRules(), labels).clean("access > keys")
        'Access>Keys'
        """
        counts = Counter(label for label in labels if label is not None)
        written: Counter[str] = Counter()
        for label, n_tickets in counts.items():
            found, fate = rules.resolve(label)
            if fate.is_answered:
                written[found] += n_tickets
        spellings: dict[LabelPath, str] = {}
        for found in sorted(written, key=lambda found: (-written[found], found)):
            spellings.setdefault(rules.path(found), found)
        return cls(rules, spellings, counts)

    def clean(self, label: str | None) -> str | None:
        """The label to learn from, or to compare with; None where there is none, or it is not answered."""
        if label is None:
            return None
        found, fate = self.rules.resolve(label)
        return self.spellings.get(self.rules.path(found), found) if fate.is_answered else None

    def labels(self) -> list[CleanLabel]:
        """What each label of the history became, by name."""
        return [
            CleanLabel(label, self.clean(label), self.rules.resolve(label)[1], n_tickets)
            for label, n_tickets in sorted(self.counts.items())
        ]
