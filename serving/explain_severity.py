"""What speaks for a level of severity: words, the nearest cases, past records and form, in words of people.

Each input of the second stage adds its weight times its difference to a neutral ticket: one without a text, that nobody
is near, and of which neither product, customer nor reporter is known, so that its record is that of all tickets. The
second stage is linear, so the sums are exact; what the mean ticket would be is not stored in a release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example
from features.form import FORM_NAMES, form_features
from features.past_record import RECORD_NAMES, own_shares
from features.ticket import SEVERITIES, Severity, Ticket
from serving.explain_words import Shares
from serving.neighbours import Neighbours
from serving.severity_model import N_HEADS, VOTE_NAMES, vote_inputs

Floats = NDArray[np.float64]

_FORM: Mapping[str, str] = {
    "subject_length": "how long it is",
    "text_length": "how long it is",
    "lines": "how long it is",
    "has_trace": "holds a stack trace",
    "names_exception": "names an exception",
    "has_code": "holds code",
    "says_broken": "says that something is broken",
    "says_everybody": "says that everybody is affected or that it is urgent",
    "says_cosmetic": "speaks of looks, of wording or of a wish",
    "says_test": "speaks of tests",
    "shouts": "capitals in the subject",
    "exclaims": "exclamation marks",
    "hour_sine": "the time of day",
    "hour_cosine": "the time of day",
    "weekend": "came on a weekend",
}
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Neutral:
    """What a ticket is compared with: ``record`` is that of a ticket of which nobody is known, at the same time."""

    record: Floats

    def inputs(self) -> Floats:
        """The inputs behind the heads' scores, shape (N_INPUTS - N_HEADS,)."""
        nobody = Neighbours(np.empty((1, 0), np.float32), np.empty((1, 0), np.int64), {})
        return np.concatenate([vote_inputs(nobody)[0], self.record, form_features(Ticket())])


def towards(level: Severity, weights: Floats) -> Floats:
    """Factors of the inputs that add up to what speaks for a level, against the average of the levels.

    Parameters
    ----------
    weights : ndarray of float64, shape (N_INPUTS, 4)
        Of the second stage.

    Returns
    -------
    ndarray of float64, shape (N_INPUTS,)

    Examples
    --------
    >>> towards(Severity.SEV1, np.array([[4.0, 0.0, 0.0, 0.0]])).tolist()
    [3.0]
    """
    return np.asarray(weights[:, SEVERITIES.index(level)] - weights.mean(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Told:
    """What may be told of other cases: not what some of them, which the caller may not see, have a part in."""

    votes: bool = True
    records: bool = True


def context_shares(
    example: Example, level: Severity, inputs: Floats, neutral: Neutral, pull: Floats, told: Told
) -> Shares:
    """What the inputs behind the heads' scores add for a level, by what a person would call them.

    Parameters
    ----------
    inputs : ndarray of float64, shape (N_INPUTS,)
        Of the example.
    pull : ndarray of float64, shape (N_INPUTS,)
        Of :func:`towards` the level.
    """
    added = (inputs[N_HEADS:] - neutral.inputs()) * pull[N_HEADS:]
    named: dict[str, float] = {}
    rest = 0.0
    for name, share in zip(_names(example, level, inputs, told), added.tolist(), strict=True):
        if name is None:
            rest += share
        else:
            named[name] = named.get(name, 0.0) + share
    return Shares(named, rest)


def _names(example: Example, level: Severity, inputs: Floats, told: Told) -> Iterator[str | None]:
    """A name for each of the inputs behind the heads' scores, or None for what is not told."""
    shares = np.exp(inputs[N_HEADS : N_HEADS + len(SEVERITIES)])
    vote = "the nearest cases" + (f" are mostly {level}" if _is_most(shares / shares.sum(), level) else "")
    yield from (vote if told.votes else None for _ in VOTE_NAMES)
    records = _record_names(example.record, level)
    yield from (records[name.partition("_")[0]] if told.records else None for name in RECORD_NAMES)
    yield from (_FORM[name] for name in FORM_NAMES)


def _record_names(record: Floats, level: Severity) -> dict[str, str]:
    """Whose past tickets the record of a reporter, a customer and a product tells of.

    Of somebody without past tickets the record is that of the wider group, and is named so.
    """
    names = {"product": "the product's past tickets"}
    for group, wider in (("customer", "product"), ("reporter", "customer")):
        shares = own_shares(record, group)
        if shares is None:
            names[group] = names[wider]
        else:
            mostly = f" were mostly {level}" if _is_most(shares, level) else ""
            names[group] = f"the {group}'s past tickets{mostly}"
    return names


def _is_most(shares: Floats, level: Severity) -> bool:
    return bool(shares[SEVERITIES.index(level)] >= _MOST)
