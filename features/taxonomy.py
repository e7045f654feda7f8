"""Which labels are answered, and what becomes of the others: merged, retired, or outside.

The history keeps what the source said; these rules apply where labels are learned from and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from features.label_path import SEPARATOR, LabelPath, ancestor, evened, label_path


class Fate(StrEnum):
    """What becomes of a label: the last two are not learned from, and so never answered."""

    KEPT = "kept"
    MERGED = "merged"
    RETIRED = "retired"
    OUTSIDE = "outside"

    @property
    def is_answered(self) -> bool:
        """Whether a ticket with such a label teaches anything."""
        return self in (Fate.KEPT, Fate.MERGED)


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What the taxonomy says of the labels of one target; the empty rules keep every label.

    Attributes
    ----------
    spellings : mapping of path to str
        Labels as the taxonomy writes them.
    allowed : frozenset of path, or None
        The only labels that are answered; None allows all.
    merged : mapping of path to str
        The label that takes the place of a path, and of its start in the labels below. Following it ends
        (:func:`features.taxonomy_file.load_taxonomy` sees to that).
    retired : frozenset of path
        Labels that are no longer answered, with the labels below them.
    written : mapping of path to str
        Merged and retired labels as the taxonomy writes them.
    """

    separator: str = SEPARATOR
    spellings: Mapping[LabelPath, str] = field(default_factory=lambda: MappingProxyType({}))
    allowed: frozenset[LabelPath] | None = None
    merged: Mapping[LabelPath, str] = field(default_factory=lambda: MappingProxyType({}))
    retired: frozenset[LabelPath] = frozenset()
    written: Mapping[LabelPath, str] = field(default_factory=lambda: MappingProxyType({}))

    def path(self, label: str) -> LabelPath:
        """Path of a label, by this separator."""
        return label_path(label, self.separator)

    def resolve(self, label: str) -> tuple[str, Fate]:
        """Follow a label to the one that stands for it, and say what becomes of it.

        Of the rules on a label and on its parents the most specific one decides, and neither an allowed label nor one
        below it is touched by the rules on its parents.
        """
        found, fate = evened(label), Fate.KEPT
        for _, moved in self.moves(found):
            found, fate = moved, Fate.MERGED
        path = self.path(found)
        if self._rule(path) in self.retired:
            fate = Fate.RETIRED
        elif self.allowed is not None and path not in self.allowed:
            fate = Fate.OUTSIDE
        return self.spellings.get(path, found), fate

    def moves(self, label: str) -> Iterator[tuple[LabelPath, str]]:
        """Follow the merges of a label; gives the path that each is about, and the label that it makes."""
        label = evened(label)
        while True:
            path = self.path(label)
            rule = self._rule(path)
            if rule is None or rule in self.retired:
                return
            new = self.merged[rule]
            # 'Access' into 'Access > Other' is about tickets with no more than that: what lies below stays.
            if rule != path and self.path(new)[: len(rule)] == rule:
                return
            label = new + label[len(ancestor(label, len(rule), self.separator)) :]
            yield rule, label

    def unmatched(self, labels: Iterable[str]) -> list[str]:
        """Merged and retired labels that none of some labels is, lies below, or is merged into; by name.

        Examples
        --------
        >>> rules = LabelRules(retired=frozenset([("fax",)]), written={("fax",): "Fax", ("acces",): "Acces"})
        >>> rules.unmatched(["FAX > Old", "Access"])
        ['Acces']
        """
        met: set[LabelPath] = set()
        for label in labels:
            for found in (label, *(moved for _, moved in self.moves(label))):
                path = self.path(found)
                met.update(path[:length] for length in range(1, len(path) + 1))
        return sorted(name for path, name in self.written.items() if path not in met)

    def _rule(self, path: LabelPath) -> LabelPath | None:
        """The merged or retired path that decides about a path."""
        for length in range(len(path), 0, -1):
            start = path[:length]
            if self.allowed is not None and start in self.allowed:
                return None
            if start in self.merged or start in self.retired:
                return start
        return None


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The rules of the category, and of further targets by name."""

    separator: str = SEPARATOR
    category: LabelRules = LabelRules()
    targets: Mapping[str, LabelRules] = field(default_factory=lambda: MappingProxyType({}))

    def target(self, name: str) -> LabelRules:
        """Rules of a further target; empty ones for a target that the taxonomy does not name."""
        return self.targets.get(name, LabelRules(self.separator))
