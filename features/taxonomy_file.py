"""The taxonomy file (TOML): labels that are answered, merged and retired. See docs/training.md."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from features.errors import TaxonomyInvalid
from features.intake_checks import MAX_LABEL_CHARS
from features.label_path import SEPARATOR, LabelPath, evened, label_path
from features.settings import Settings
from features.taxonomy import Fate, LabelRules, Taxonomy


def _checked_label(label: str) -> str:
    if not 0 < len(evened(label)) <= MAX_LABEL_CHARS:
        raise ValueError(f"a label has 1 to {MAX_LABEL_CHARS} characters")
    return label


def _checked_separator(separator: str) -> str:
    if not separator.strip() or any(character.isalnum() for character in separator):
        raise ValueError("a separator is made of signs, such as > or / or ' - '")
    return separator


_Label = Annotated[str, AfterValidator(_checked_label)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Target(_Section):
    labels: tuple[_Label, ...] | None = None
    merged: dict[_Label, _Label] = {}
    retired: tuple[_Label, ...] = ()


class _File(_Section):
    separator: Annotated[str, AfterValidator(_checked_separator)] = SEPARATOR
    category: _Target = _Target()
    targets: dict[_Label, _Target] = {}


def workspace_taxonomy(settings: Settings) -> Taxonomy:
    """The taxonomy that the settings name, else ``taxonomy.toml`` of the workspace, else one that keeps every label.

    Raises
    ------
    TaxonomyInvalid
        As :func:`load_taxonomy`; also if the settings name a file that is not there.
    """
    path = settings.taxonomy_path
    return Taxonomy() if settings.taxonomy is None and not path.exists() else load_taxonomy(path)


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises
    ------
    TaxonomyInvalid
        If the file cannot be read or parsed, a key is unknown, a value is wrong, a label is named twice or in two
        spellings, or a merge goes round in a circle or ends in a label that is not answered; names the key and the
        value.
    """
    try:
        table: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TaxonomyInvalid(f"The taxonomy {path} cannot be read ({error.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaxonomyInvalid(f"The taxonomy {path} is not valid TOML: {error}; mend that place.") from None
    try:
        file = _File.model_validate(table)
    except ValidationError as error:
        raise _explain(path, error) from None
    return Taxonomy(
        separator=file.separator,
        category=_Reader(path, "category", file.separator).rules(file.category),
        targets={
            evened(name): _Reader(path, f"targets.{name}", file.separator).rules(target)
            for name, target in file.targets.items()
        },
    )


class _Reader:
    """Checks what a file says of one target, and makes its rules."""

    def __init__(self, path: Path, key: str, separator: str) -> None:
        self._path = path
        self._key = key
        self._separator = separator

    def rules(self, target: _Target) -> LabelRules:
        labels = [evened(label) for label in target.labels or ()]
        merged = {old: evened(new) for old, new in target.merged.items()}
        self._check_once({"labels": labels, "merged": merged, "retired": target.retired})
        rules = LabelRules(
            separator=self._separator,
            spellings=self._spellings([*labels, *merged.values()]),
            allowed=None if target.labels is None else frozenset(map(self._of, labels)),
            merged={self._of(old): new for old, new in merged.items()},
            retired=frozenset(map(self._of, target.retired)),
            written={self._of(label): evened(label) for label in (*merged, *target.retired)},
        )
        for old in merged:
            self._check_merge(rules, old)
        return rules

    def _of(self, label: str) -> LabelPath:
        return label_path(label, self._separator)

    def _check_once(self, named: Mapping[str, Iterable[str]]) -> None:
        seen: dict[LabelPath, str] = {}
        for key, label in ((key, label) for key, labels in named.items() for label in labels):
            path = self._of(label)
            if path in seen:
                raise self._wrong(key, f"{label!r} is in {seen[path]} already; name a label in one place, once")
            seen[path] = key

    def _spellings(self, labels: Sequence[str]) -> Mapping[LabelPath, str]:
        found: dict[LabelPath, str] = {}
        for label in labels:
            first = found.setdefault(self._of(label), label)
            if first != label:
                raise self._wrong("merged", f"{label!r} is written {first!r} elsewhere; choose one spelling")
        return found

    def _check_merge(self, rules: LabelRules, old: str) -> None:
        followed: set[LabelPath] = set()
        for rule, label in rules.moves(old):
            if rule in followed:
                raise self._wrong("merged", f"{old!r} goes round in a circle by way of {label!r}; let it end elsewhere")
            followed.add(rule)
        new, fate = rules.resolve(old)
        if fate is Fate.RETIRED:
            raise self._wrong("merged", f"{old!r} becomes {new!r}, which is retired; retire both or merge elsewhere")
        if fate is Fate.OUTSIDE:
            raise self._wrong("merged", f"{old!r} becomes {new!r}, which is not among the labels; add it to them")

    def _wrong(self, part: str, reason: str) -> TaxonomyInvalid:
        key = f"{self._key}.{part}"
        return TaxonomyInvalid(f"The taxonomy {self._path} is wrong at {key}: {reason}.", field=key)


def _explain(path: Path, error: ValidationError) -> TaxonomyInvalid:
    problem = error.errors(include_url=False)[0]
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        known = _File.model_fields if len(parts) == 1 else _Target.model_fields
        return TaxonomyInvalid(
            f"The taxonomy {path} has an unknown key {key} (with {problem['input']!r}); known ones are "
            f"{', '.join(known)}.",
            field=key,
        )
    reason = problem["msg"].removeprefix("Value error, ")
    return TaxonomyInvalid(f"The taxonomy {path} is wrong at {key}: {reason} (got {problem['input']!r}).", field=key)
