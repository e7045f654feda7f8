"""Vectors of cases: read from the history, and made only where they are missing (DESIGN, decision 1)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from features.history_writes import pages
from features.text import RULES_VERSION, ModelText, model_text

if TYPE_CHECKING:
    from features.encoder import Encoder
    from features.history import History, StoredCase

_PAGE = 2048
_CHUNK = 256


def vector_key(fingerprint: str, rules: str, text: str) -> str:
    """Name of the vector that an encoder makes of a model text.

    Parameters
    ----------
    fingerprint : str
        The encoder's.
    rules : str
        Version of the text rules that made the model text.
    text : str
        The model text.

    Examples
    --------
    >>> vector_key("hashing-64", "1", "No login")[:24]
    'hashing-64:1:55a2f026d6f'
    """
    return f"{fingerprint}:{rules}:{text_sha256(text)}"


def text_sha256(text: str) -> str:
    """Hash of a model text in hex, as it ends a vector's key and as the journal notes it."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed_cases(
    history: History,
    encoder: Encoder,
    cases: Sequence[StoredCase],
    progress: Callable[[int], None] | None = None,
    *,
    texts: Sequence[ModelText] | None = None,
) -> npt.NDArray[np.float32]:
    """Vectors of the cases' model texts.

    What is missing is encoded in chunks and stored after each, so a run that is killed goes on where it was.

    Parameters
    ----------
    history : History
        Where the vectors are kept.
    encoder : Encoder
        Makes those that are missing.
    cases : sequence of StoredCase, length n
        Any, in any order.
    progress : callable, optional
        Called with the number of cases just done.
    texts : sequence of ModelText, length n, optional
        The cases' model texts; made where they are not given.

    Returns
    -------
    ndarray of shape (n, d), float32
        L2-normalised rows in the order of ``cases``.
    """
    result = np.empty((len(cases), encoder.dimension), dtype=np.float32)
    done = 0
    made = (model_text(stored.case.ticket) for stored in cases) if texts is None else texts
    for page in pages(zip(cases, made, strict=True), _PAGE):
        of_key = {}
        keys = []
        uses: defaultdict[str, list[int]] = defaultdict(list)
        for stored, text in page:
            key = vector_key(encoder.fingerprint, RULES_VERSION, text.text)
            keys.append(key)
            of_key[key] = text.text
            uses[key].append(stored.row_id)
        known = history.vectors(keys)
        history.put_vectors({}, {key: uses[key] for key in known})
        known |= _encode_missing(history, encoder, {key: of_key[key] for key in of_key if key not in known}, uses)
        for position, key in enumerate(keys, done):
            result[position] = known[key]
        done += len(page)
        if progress is not None:
            progress(len(page))
    return result


def _encode_missing(
    history: History, encoder: Encoder, texts: Mapping[str, str], uses: Mapping[str, Sequence[int]]
) -> dict[str, npt.NDArray[np.float32]]:
    made: dict[str, npt.NDArray[np.float32]] = {}
    for keys in pages(texts, _CHUNK):
        chunk = dict(zip(keys, encoder.encode([texts[key] for key in keys]), strict=True))
        history.put_vectors(chunk, {key: uses[key] for key in keys})
        made |= chunk
    return made
