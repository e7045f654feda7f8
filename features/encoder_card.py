"""``encoder.json``: what an exported encoder is, and the hashes that its files are checked against."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import EncoderRefused
from features.files import file_sha256, write_synced

FORMAT_VERSION = 3
"""2: the graph may give the vectors of tokens; 3: its weights may be of 8 bits. Older ones are read as before."""
_READ_FORMATS = (1, 2, 3)

Precision = Literal["int8", "fp32"]


class EncoderCard(BaseModel):
    """``encoder.json``: what an exported encoder is, and the SHA-256 of each of its files.

    ``precision`` is that of the weights. With ``int8`` the activations are quantised as they come, by one scale for all
    texts that run together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    kind: Literal["onnx", "hashing"]
    name: str
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$")
    dimension: int = Field(ge=1, le=65_536)
    max_tokens: int = Field(ge=2, le=8_192)
    pad_id: int = 0
    precision: Precision = "fp32"
    files: dict[str, str] = {}


def write_card(folder: Path, card: EncoderCard) -> None:
    """Write ``encoder.json`` into a folder that is being filled."""
    write_synced(folder / "encoder.json", card.model_dump_json(indent=2).encode())


def read_card(folder: Path) -> EncoderCard:
    """Read ``encoder.json`` and check the files it lists.

    Raises
    ------
    EncoderRefused
        If the card is missing, malformed or of another format, or a file is missing or does not match its hash.
    """
    card = _parse_card(folder / "encoder.json")
    for name, expected in card.files.items():
        path = folder / name
        if Path(name).name != name or path.is_symlink() or not path.is_file():
            raise EncoderRefused(
                f"The encoder {folder} lacks its file {name}; remove the folder and export it again with "
                "`precedent train`."
            )
        if (found := file_sha256(path)) != expected:
            raise EncoderRefused(
                f"The encoder's file {path} has SHA-256 {found}, not {expected}: it is damaged; remove the folder and "
                "export it again with `precedent train`."
            )
    return card


def _parse_card(path: Path) -> EncoderCard:
    try:
        card = EncoderCard.model_validate_json(path.read_bytes())
    except OSError:
        raise EncoderRefused(
            f"There is no encoder in {path.parent}: {path.name} cannot be read; run `precedent train` to export one."
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        raise EncoderRefused(
            f"The encoder's card {path} is wrong at {'.'.join(map(str, problem['loc'])) or 'its JSON'}: "
            f"{problem['msg']}; remove the folder and export it again with `precedent train`."
        ) from None
    if card.format not in _READ_FORMATS:
        raise EncoderRefused(
            f"The encoder {path.parent} has format {card.format} and this version of Precedent reads "
            f"{_READ_FORMATS[0]} to {_READ_FORMATS[-1]}; use the version that wrote it, or remove the folder and train "
            "again."
        )
    return card
