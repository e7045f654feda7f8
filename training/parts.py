"""The files of a release, made of what was fitted; :meth:`serving.triage.Triage.from_release` reads them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.language import LANGUAGE_RULES
from features.lexical import LexicalStatistics
from serving.runbook_map import RUNBOOK_MAP
from serving.target_model import TargetModel
from serving.triage import Triage
from training.linked import FromLinks

Part = Mapping[str, NDArray[np.generic]] | Mapping[str, Any] | list[Any]


def release_parts(triage: Triage, learned: FromLinks, statistics: LexicalStatistics) -> dict[str, Part]:
    """Arrays and JSON of every model, by file name."""
    arrays, config = triage.space.to_parts()
    names = {name: f"target_{number}_{_slug(name)}" for number, name in enumerate(sorted(triage.targets))}
    parts: dict[str, Part] = {
        "vectorizer.safetensors": arrays,
        "vectorizer.json": config,
        "models.json": {
            "category": triage.category is not None,
            "severity": triage.severity is not None,
            "targets": names,
            # By the rules that told them: what other rules call a language need not be what was counted.
            "languages": {LANGUAGE_RULES: sorted(triage.languages)},
        },
        "ranker.json": learned.ranker.to_json(),
        f"{RUNBOOK_MAP}.json": learned.runbook_map.to_json(),
        "statistics.safetensors": statistics.to_arrays(),
        "taxonomy.json": {
            "category": list(triage.category.classes) if triage.category else [],
            "targets": {name: list(model.classes) for name, model in triage.targets.items()},
        },
    }
    if triage.category is not None:
        parts |= _target_parts("category", triage.category)
    if triage.severity is not None:
        parts |= {"severity.safetensors": triage.severity.to_arrays(), "severity.json": triage.severity.to_json()}
    if triage.novelty is not None:
        parts |= {
            "novelty.safetensors": triage.novelty.to_arrays(),
            "novelty.json": triage.novelty.to_json(),
        }
    for name, model in triage.targets.items():
        parts |= _target_parts(names[name], model)
    return parts


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]


def _target_parts(part: str, model: TargetModel) -> dict[str, Part]:
    return {f"{part}.safetensors": model.head.to_arrays(), f"{part}.json": model.to_json()}
