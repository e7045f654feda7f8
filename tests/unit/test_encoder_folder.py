"""An encoder's folder is checked before anything in it is used."""

import json
from pathlib import Path

import numpy as np
import pytest

from features.encoder import HashingEncoder, load_encoder
from features.encoder_card import EncoderCard, write_card
from features.errors import EncoderRefused
from features.files import file_sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the sentence encoder's shape, whose model is no model."""
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}})
    )
    files = {name: file_sha256(tmp_path / name) for name in ("model.onnx", "tokenizer.json")}
    card = {"format": 1, "kind": "onnx", "name": "tiny", "fingerprint": "0" * 16, "dimension": 4, "max_tokens": 8}
    write_card(tmp_path, EncoderCard.model_validate({**card, "files": files}))
    return tmp_path


def _edit_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "encoder.json").read_text())
    (folder / "encoder.json").write_text(json.dumps({**card, **changes}))


def test_saving_the_hashing_encoder_twice_gives_one_folder(tmp_path: Path) -> None:
    first = HashingEncoder(32).save(tmp_path)
    assert HashingEncoder(32).save(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    np.testing.assert_array_equal(load_encoder(first).encode(["a b"]), HashingEncoder(32).encode(["a b"]))


def test_encoders_of_other_dimensions_have_other_fingerprints() -> None:
    assert HashingEncoder(32).fingerprint != HashingEncoder(64).fingerprint


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(EncoderRefused, match=r"There is no encoder in .*run `precedent train`"):
        load_encoder(tmp_path / "absent")


def test_a_card_that_is_not_json(folder: Path) -> None:
    (folder / "encoder.json").write_text("{")
    with pytest.raises(EncoderRefused, match=r"card .* is wrong at its JSON"):
        load_encoder(folder)


def test_a_card_with_a_wrong_value(folder: Path) -> None:
    _edit_card(folder, dimension=0)
    with pytest.raises(EncoderRefused, match=r"card .* is wrong at dimension"):
        load_encoder(folder)


def test_an_unknown_format(folder: Path) -> None:
    _edit_card(folder, format=99)
    with pytest.raises(EncoderRefused, match=r"format 99 .* reads 1 to 3; use the version that wrote it"):
        load_encoder(folder)


def test_a_flipped_byte(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[3] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(EncoderRefused, match=r"model.onnx has SHA-256 .* it is damaged; remove the folder"):
        load_encoder(folder)


def test_a_missing_file(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EncoderRefused, match=r"lacks its file tokenizer.json"):
        load_encoder(folder)


def test_a_file_elsewhere(folder: Path) -> None:
    _edit_card(folder, files={"../model.onnx": "0" * 64})
    with pytest.raises(EncoderRefused, match=r"lacks its file \.\./model\.onnx"):
        load_encoder(folder)


def test_a_card_without_a_model(folder: Path) -> None:
    _edit_card(folder, files={})
    with pytest.raises(EncoderRefused, match=r"lists no model.onnx and no tokenizer.json"):
        load_encoder(folder)


def test_a_model_that_is_none(folder: Path) -> None:
    with pytest.raises(EncoderRefused, match=r"model.onnx cannot be opened"):
        load_encoder(folder)


def test_a_hashing_encoder_of_another_version(tmp_path: Path) -> None:
    folder = HashingEncoder(32).save(tmp_path)
    _edit_card(folder, fingerprint="0" * 16)
    with pytest.raises(EncoderRefused, match=r"made by another version"):
        load_encoder(folder)
