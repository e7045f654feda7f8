"""Parameters of encoder tuning: data with bounds, recorded with the run."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TuningParams(BaseModel):
    """How an encoder is tuned. The defaults are one setting that was tried, not the best of several.

    Attributes
    ----------
    minutes : float
        Tuning stops here, wherever it is; minutes before an interruption count.
    epochs : int
        Passes over the pairs, each with other partners and other negatives.
    category_pairs : int
        Same-category pairs of an epoch at most, of each category the same share, so that none drowns the others.
    max_rows : int
        The newest tickets that are learned from; it bounds the search for hard negatives.
    n_nearest : int
        A hard negative is drawn among so many nearest tickets.
    batch_triples : int
        Triples (a ticket, its match, a hard negative) of one step.
    max_tokens : int
        Tokens of a text that tuning reads; the encoder itself reads on.
    learning_rate : float
        Highest, after the warm-up and before the cool-down.
    temperature : float
        Divides cosines before the softmax.
    link_weight : float
        Weight of linked tickets beside tickets of one category.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    minutes: Annotated[float, Field(gt=0, le=1_440)] = 45.0
    epochs: Annotated[int, Field(ge=1)] = 2
    category_pairs: Annotated[int, Field(ge=1)] = 5_000
    max_rows: Annotated[int, Field(ge=100)] = 50_000
    n_nearest: Annotated[int, Field(ge=1)] = 10
    batch_triples: Annotated[int, Field(ge=2)] = 32
    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    temperature: Annotated[float, Field(gt=0)] = 0.05
    link_weight: Annotated[float, Field(ge=0)] = 2.0
