"""Splits: nothing of the future in what is fitted, no near-duplicates on both sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.splits import before_cut, fit_and_calibration, grouped_folds, held_out_tenth

TIMES = st.lists(st.integers(0, 50), min_size=2, max_size=60).map(lambda times: np.array(sorted(times), dtype=float))
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8)), min_size=1, max_size=60)


@given(TIMES)
def test_what_lies_before_the_cut_is_older_than_all_that_is_tested(created: np.ndarray):
    rows = before_cut(created)
    after = np.setdiff1d(np.arange(len(created)), rows)
    assert len(after) >= round(len(created) * 0.2)
    assert not len(rows) or created[rows].max() < created[after].min()


def test_a_fifth_is_tested_where_times_differ():
    assert len(before_cut(np.arange(100.0))) == 80
    assert len(before_cut(np.array([1.0]))) == 0
    assert len(before_cut(np.array([]))) == 0


def test_calibration_is_newer_than_what_is_fitted_and_of_the_product_s_share():
    fit, calibration = fit_and_calibration(80)
    assert (len(fit), len(calibration)) == (60, 20)
    assert fit.max() < calibration.min()


@given(ROWS, st.integers(2, 5))
def test_folds_keep_groups_whole(rows: list[tuple[str, int]], n_folds: int):
    labels, groups = [label for label, _ in rows], np.array([group for _, group in rows])
    folds = grouped_folds(labels, groups, n_folds)
    assert set(folds.tolist()) <= set(range(n_folds))
    for group in set(groups.tolist()):
        assert len(set(folds[groups == group].tolist())) == 1
    assert folds.tolist() == grouped_folds(labels, groups, n_folds).tolist()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=90), st.integers(2, 5))
def test_folds_of_single_rows_are_stratified(labels: list[str], n_folds: int):
    folds = grouped_folds(labels, np.arange(len(labels)), n_folds)
    for label in set(labels):
        sizes = np.bincount(folds[[value == label for value in labels]], minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1


def test_a_tenth_of_train_is_held_out_without_a_near_duplicate_elsewhere():
    labels = ["a", "b"] * 100
    parts = ["train"] * 180 + ["tune"] * 10 + ["calibration"] * 10
    groups = np.arange(200)
    groups[:10] = groups[180:190]  # ten training rows are near-duplicates of tune rows
    marked = held_out_tenth(labels, parts, groups)
    assert not marked[:10].any()
    assert not marked[180:].any()
    assert 16 <= marked.sum() <= 20
    assert abs(marked[0::2].sum() - marked[1::2].sum()) <= 1


def test_nothing_is_held_out_where_every_group_reaches_into_another_part():
    assert not held_out_tenth(["a", "a"], ["train", "tune"], np.array([0, 0])).any()
