"""Which tuned encoder a workspace uses, if any: a small pointer beside the weights, replaced in one step.

An encoder that has learned from a ticket must not be scored or calibrated on it, so the pointer says until when it has
learned, and a run whose later parts begin earlier is refused.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from features.errors import Conflict, EncoderRefused
from features.files import replace_file, sync_folder
from features.settings import Settings

POINTER = "TUNED.json"
_FORMAT = 1
_WAY_BACK = "`precedent train --base-encoder` goes back to the encoder of the settings"


class TunedEncoder(BaseModel):
    """The pointer ``TUNED.json``.

    Attributes
    ----------
    base : str
        The settings' encoder that was tuned; where they name another one now, the pointer is not followed.
    weights : str
        Subfolder of the tuning folder, in sentence-transformers' layout.
    fingerprint : str
        Of the exported encoder.
    learned_until : datetime
        Creation time (UTC) of the newest ticket that it has learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = _FORMAT
    base: str
    weights: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$")
    learned_until: AwareDatetime

    def check_unseen(self, first_later: datetime | None) -> None:
        """Check that what a run calibrates and tests on is new to the encoder.

        Parameters
        ----------
        first_later : datetime or None
            Creation time of the first calibration ticket; None where the parts are not split by time.

        Raises
        ------
        Conflict
            If the encoder may have learned from such a ticket.
        """
        if first_later is None or first_later <= self.learned_until:
            begins = "are drawn by seed" if first_later is None else f"begin at {first_later.isoformat()}"
            raise Conflict(
                f"The tuned encoder has learned from tickets until {self.learned_until.isoformat()}, and this run's "
                f"calibration and test tickets {begins}, so it would be scored on what it has seen: tune again with "
                f"`precedent train --tune-encoder`; {_WAY_BACK}."
            )


def read_tuned(settings: Settings) -> TunedEncoder | None:
    """The tuned encoder that training uses; None without one, or where it was made of another encoder.

    Raises
    ------
    EncoderRefused
        If the pointer is malformed or of another format.
    """
    path = settings.tuning_dir / POINTER
    try:
        tuned = TunedEncoder.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise EncoderRefused(
            f"The pointer {path} to the tuned encoder cannot be read or is malformed; {_WAY_BACK}."
        ) from None
    if tuned.format != _FORMAT:
        raise EncoderRefused(
            f"The pointer {path} has format {tuned.format} and this version of Precedent reads {_FORMAT}; {_WAY_BACK}."
        )
    return tuned if tuned.base == settings.encoder else None


def weights_folder(settings: Settings, tuned: TunedEncoder) -> Path:
    """Folder of the tuned weights.

    Raises
    ------
    EncoderRefused
        If it is gone.
    """
    folder = settings.tuning_dir / tuned.weights
    if not folder.is_dir():
        raise EncoderRefused(f"The tuned encoder's weights {folder} are gone: restore them from a backup; {_WAY_BACK}.")
    return folder


def use_tuned(settings: Settings, tuned: TunedEncoder) -> None:
    """Train with a tuned encoder from now on; the weights of an earlier one go."""
    replace_file(settings.tuning_dir / POINTER, tuned.model_dump_json(indent=2).encode())
    remove_weights(settings, keep=tuned.weights)


def forget_tuned(settings: Settings) -> bool:
    """Go back to the encoder of the settings; tells whether there was another."""
    path = settings.tuning_dir / POINTER
    was_there = path.exists()
    if was_there:
        path.unlink()
        sync_folder(path.parent)
        remove_weights(settings, keep=None)
    return was_there


def remove_weights(settings: Settings, *, keep: str | None) -> None:
    """Remove the weights of every tuned encoder but one."""
    for modules in settings.tuning_dir.glob("*/modules.json"):
        if modules.parent.name != keep:
            shutil.rmtree(modules.parent, ignore_errors=True)
