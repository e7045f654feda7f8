from pathlib import Path

import pytest

from features.errors import SettingsInvalid
from training.params import TrainingParams, load_params


def params_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.toml"
    path.write_text(text)
    return path


def test_defaults_and_what_a_file_says(tmp_path: Path):
    assert load_params(None) == TrainingParams()
    params = load_params(params_file(tmp_path, "svm_c = 2.0\nseed = 7\n"))
    assert (params.svm_c, params.seed, params.min_df) == (2.0, 7, 3)


def test_a_seed_that_is_given_wins(tmp_path: Path):
    assert load_params(params_file(tmp_path, "seed = 7"), seed=3).seed == 3
    assert load_params(None, seed=3).seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "svm_d = 1",
            "Training parameter svm_d is wrong: there is none of that name, but svm_c, .*got 1.*in .*params.toml",
        ),
        ("svm_c = -1", "svm_c is wrong: .*greater than 0 .got -1"),
        ("seed = -1", "seed is wrong"),
        ("min_df = 2", "min_df is wrong"),
        ("train_share = 0.85", "calibration_share is wrong: train_share and calibration_share together must leave"),
        ("costs = [[0, 1], [1, 0]]", "costs is wrong: costs must be 4 rows of 4 numbers, sev1 to sev4"),
        (f"costs = {[[1, 1, 1, 1]] * 4}", "costs must be at least 0, and 0 where the answer is true"),
        (f"costs = {[[0, -1, 1, 1]] + [[0, 0, 0, 0]] * 3}", "costs must be at least 0"),
        (f"costs = {[[0, 0, 0, 0]] * 4}", "costs are all 0, and so no answer is better than another"),
        ("costs = 'cheap'", "costs is wrong"),
        ("automate_precision = 0.5", "automate_precision is wrong: .*hold at least the 0.7 of suggest_precision"),
        ("seed = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_file(tmp_path: Path, text: str, message: str):
    with pytest.raises(SettingsInvalid, match=message):
        load_params(params_file(tmp_path, text))


def test_a_file_that_is_no_text(tmp_path: Path):
    path = tmp_path / "params.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsInvalid, match="is not valid TOML"):
        load_params(path)
