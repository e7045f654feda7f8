from pathlib import Path

import pytest

from features.errors import SettingsInvalid
from features.settings import load_settings
from training.params import TrainingParams, load_params


def params_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.toml"
    path.write_text(text)
    return path


def test_defaults_and_what_a_file_says(tmp_path: Path):
    assert load_params(None) == TrainingParams()
    params = load_params(params_file(tmp_path, "svm_c = 2\nseed = 7\n"))
    assert (params.svm_c, params.seed, params.min_df) == (2.0, 7, 3)
    costs = [[0, 1, 2, 3]] + [[1, 0, 0, 0]] * 3
    assert load_params(params_file(tmp_path, f"costs = {costs}")).costs[0] == (0, 1, 2, 3)


def test_a_seed_that_is_given_wins(tmp_path: Path):
    assert load_params(params_file(tmp_path, "seed = 7"), seed=3).seed == 3
    assert load_params(None, seed=3).seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "svm_d = 1",
            r"Training parameter svm_d is wrong: there is none of that name; did you mean svm_c\? .got 1.*in .*params",
        ),
        ("zzz = 1", "zzz is wrong: there is none of that name; docs/training.md lists those that there are .got 1"),
        ("svm_c = -1", "svm_c is wrong: it must be greater than 0 .got -1"),
        ("svm_c = nan", "svm_c is wrong: it must be greater than 0 .got nan"),
        ("svm_c = '2'", "svm_c is wrong: it must be a number .got '2'"),
        ("svm_c = true", "svm_c is wrong: it must be a number .got True"),
        ("suggest_precision = 1.5", "suggest_precision is wrong: it must be less than 1 .got 1.5"),
        ("seed = -1", "seed is wrong: it must be at least 0 .got -1"),
        ("seed = 1.0", "seed is wrong: it must be a whole number .got 1.0"),
        ("min_df = '4'", "min_df is wrong: it must be a whole number .got '4'"),
        ("min_df = 2", "min_df is wrong: it must be at least 3 .got 2"),
        ("machines = 'all'", "machines is wrong: it must be 'both' or 'wide' .got 'all'"),
        ("uses_vote = 1", "uses_vote is wrong: it must be true or false .got 1"),
        ("train_share = 0.85", "calibration_share is wrong: train_share and calibration_share together must leave"),
        ("costs = [[0, 1], [1, 0]]", "costs is wrong: costs must be 4 rows of 4 numbers, sev1 to sev4"),
        (f"costs = {[[1, 1, 1, 1]] * 4}", "costs must be at least 0, and 0 where the answer is true"),
        (f"costs = {[[0, -1, 1, 1]] + [[0, 0, 0, 0]] * 3}", "costs must be at least 0"),
        (f"costs = {[[0, 0, 0, 0]] * 4}", "costs are all 0, and so no answer is better than another"),
        ("costs = 'cheap'", "costs is wrong: it must be a list of rows of numbers .got 'cheap'"),
        ("costs = [['0', 1]]", "costs.0.0 is wrong: it must be a number .got '0'"),
        ("suggest_precision = 0.97", "automate_precision is wrong: .*hold at least the 0.97 of suggest_precision"),
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


def test_what_the_settings_keep_holds_for_every_run_until_a_file_says_otherwise(tmp_path: Path):
    costs = [[0, 20, 100, 400], [1, 0, 4, 12], [2, 1, 0, 3], [3, 2, 1, 0]]
    (tmp_path / "precedent.toml").write_text(f"[training]\ncosts = {costs}\nsvm_c = 2\n")
    kept = load_settings(tmp_path, {}).training
    params = load_params(None, recipe={"svm_c": 0.25, "dense_weight": 3.0}, kept=kept)
    assert (params.costs[0], params.svm_c, params.dense_weight) == ((0, 20, 100, 400), 2.0, 3.0)
    assert load_params(params_file(tmp_path, "svm_c = 4"), kept=kept).svm_c == 4.0


def test_what_is_wrong_in_the_settings_is_named_there(tmp_path: Path):
    with pytest.raises(
        SettingsInvalid, match=r"svm_d is wrong.*did you mean svm_c\?.*\[training\] of the workspace's prec"
    ):
        load_params(params_file(tmp_path, "seed = 1"), kept={"svm_d": 1})
    with pytest.raises(SettingsInvalid, match=r"seed is wrong.*mend it in .*params.toml"):
        load_params(params_file(tmp_path, "seed = -1"), kept={"seed": 1})
