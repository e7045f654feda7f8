from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sentence_encoder_folder(request: pytest.FixtureRequest) -> Path:
    """The default sentence encoder, exported once (some 15 s) and kept in pytest's cache."""
    pytest.importorskip("sentence_transformers", reason="needs the extra 'train'")
    from training.sentence_encoder import export_encoder

    return export_encoder("all-MiniLM-L6-v2", request.config.cache.mkdir("encoders"))
