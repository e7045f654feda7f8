"""The plain service: BentoML with its defaults, one worker, sentence-transformers, two heads and a flat index.

Run it as ``bentoml serve evaluation.benchmarks.plain.service:Plain`` with ``PLAIN_FOLDER`` naming what
:mod:`evaluation.benchmarks.plain.prepare` wrote.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import faiss
import joblib

from evaluation.benchmarks.plain.prepare import load_model


@bentoml.service
class Plain:
    """Category, severity and the five nearest cases of a ticket."""

    def __init__(self) -> None:
        folder = Path(os.environ["PLAIN_FOLDER"])
        self.model = load_model()
        self.category = joblib.load(folder / "category.joblib")
        self.severity = joblib.load(folder / "severity.joblib")
        self.index = faiss.read_index(str(folder / "index.faiss"))
        self.cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))

    @bentoml.api  # type: ignore[untyped-decorator]  # bentoml is Any here
    def suggest(self, subject: str, description: str, top_k: int = 5) -> dict[str, Any]:
        """Answer one ticket."""
        vector = self.model.encode([f"{subject}\n\n{description}"], normalize_embeddings=True)
        scores, rows = self.index.search(vector, top_k)
        return {
            "category": self._predict(self.category, vector),
            "severity": self._predict(self.severity, vector),
            "similar_cases": [
                self.cases[row] | {"relevance": float(score)} for score, row in zip(scores[0], rows[0], strict=True)
            ],
        }

    @staticmethod
    def _predict(head: Any, vector: Any) -> dict[str, Any]:
        [probabilities] = head.predict_proba(vector)
        best = int(probabilities.argmax())
        return {"value": str(head.classes_[best]), "confidence": float(probabilities[best])}
