"""What speaks for a level of severity: words, the nearest cases, past records and form, in words of people.

Each input of the second stage adds its weight times its difference to a neutral ticket: one without a text, of which
neither product, customer nor reporter is known, so that its record is that of all tickets, and whose nearest cases are
as severe as all tickets are. The second stage is linear within the bounds that it holds its inputs to, so the sums
are exact. How long a ticket is, at what hour it came and how near the nearest case is, are not told: every ticket has
these, and what would be usual is not stored in a release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example
from features.form import FORM_NAMES, form_features
from features.past_record import RECORD_NAMES, own_shares
from features.text import model_text
from features.ticket import SEVERITIES, Severity, Ticket
from serving.explain_words import Shares
from serving.severity_model import LEAST_SHARE, N_HEADS, SecondStage

Floats = NDArray[np.float64]

_FORM: Mapping[str, str] = {
    "has_trace": "holds a stack trace",
    "names_exception": "names an exception",
    "says_broken": "says that something is broken",
    "says_everybody": "says that everybody is affected or that it is urgent",
    "says_cosmetic": "speaks of looks, of wording or of a wish",
    "says_test": "speaks of tests",
    "weekend": "came on a weekend",
}
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Neutral:
    """What a ticket is compared with: ``record`` is that of a ticket of which nobody is known, at the same time."""

    record: Floats

    def inputs(self) -> Floats:
        """Inputs of the second stage, shape (N_INPUTS,)."""
        usual = np.exp(self.record[: len(SEVERITIES)])  # the product's shares, which are those of all here
        nothing = Ticket()
        form = form_features(nothing, model_text(nothing))
        return np.concatenate([np.zeros(N_HEADS), np.log(usual + LEAST_SHARE), [0.0], self.record, form])


def towards(level: Severity, weights: Floats) -> Floats:
    """Factors of the standard inputs that add up to what speaks for a level, against the average of the levels.

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
    """What may be told of other cases: not what some of them, which the caller may not see, have a part in.

    Nor are votes told of where nobody has one.
    """

    votes: bool = True
    records: bool = True


def context_shares(
    example: Example, level: Severity, inputs: Floats, neutral: Neutral, stage: SecondStage, told: Told
) -> Shares:
    """What the inputs behind the heads' scores add for a level, by what a person would call them.

    Parameters
    ----------
    inputs : ndarray of float64, shape (N_INPUTS,)
        Of the example.
    stage : SecondStage
        Of the model.
    """
    moved = stage.standard(inputs) - stage.standard(neutral.inputs())
    added = (moved * towards(level, stage.weights))[N_HEADS:]
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
    votes = np.exp(inputs[N_HEADS : N_HEADS + len(SEVERITIES)]) - LEAST_SHARE
    vote = "the nearest cases" + (f" are mostly {level}" if _is_most(votes, level) else "")
    yield from (vote if told.votes else None for _ in SEVERITIES)
    yield None  # the nearest cosine
    records = _record_names(example.record, level)
    yield from (records[name.partition("_")[0]] if told.records else None for name in RECORD_NAMES)
    yield from (_FORM.get(name) for name in FORM_NAMES)


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
