"""Exact metrics against scikit-learn, counting by hand and plain loops."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import log_loss, roc_auc_score

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free


def impressions(rows, rate, seed=0):
    """Labels and well-spread logits of a given click rate."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < rate).astype("int32")
    logits = math.log(rate / (1 - rate)) + rng.normal(size=rows) + 1.2 * labels
    return labels, logits.astype("float32")


@st.composite
def rows_with_both_classes(draw):
    size = draw(st.integers(2, 40))
    labels = draw(hnp.arrays(np.int64, size, elements=st.integers(0, 1)))
    labels[:2] = 0, 1
    # A few values only, so that ties are frequent.
    scores = draw(hnp.arrays(np.float64, size, elements=st.integers(-3, 3).map(float)))
    return labels, scores


class TestExactAUC:
    @pytest.mark.parametrize(
        ("scores", "expected"),
        [
            ([1, 2, 3, 4], 1.0),
            ([4, 3, 2, 1], 0.0),
            ([5, 5, 5, 5], 0.5),
            ([1, 3, 2, 4], 0.75),
            ([1, 3, 3, 4], 0.875),
            ([-np.inf, 0, 0, np.inf], 0.875),
        ],
    )
    def test_by_hand(self, scores, expected):
        assert ke.metrics.exact_auc([0, 0, 1, 1], scores) == expected

    def test_weights_by_hand(self):
        # Pairs won: 2 * 3 of weight (2 * 3 + 2 * 5).
        auc = ke.metrics.exact_auc([0, 1, 0], [1.0, 2.0, 3.0], sample_weight=[3.0, 2.0, 5.0])
        assert auc == pytest.approx(6 / 16, abs=1e-15)

    @given(rows_with_both_classes())
    def test_equals_counting_pairs(self, rows):
        labels, scores = rows
        won = [
            (click > other) + (click == other) / 2
            for click in scores[labels == 1]
            for other in scores[labels == 0]
        ]
        assert ke.metrics.exact_auc(labels, scores) == pytest.approx(np.mean(won), abs=1e-12)

    @given(rows_with_both_classes())
    def test_monotone_maps_change_nothing_and_a_reversal_mirrors(self, rows):
        labels, scores = rows
        auc = ke.metrics.exact_auc(labels, scores)
        assert ke.metrics.exact_auc(labels, np.exp(scores) * 7 - 2) == auc
        assert ke.metrics.exact_auc(labels, -scores) == pytest.approx(1 - auc, abs=1e-12)
        assert ke.metrics.exact_auc(1 - labels, scores) == pytest.approx(1 - auc, abs=1e-12)

    @given(rows_with_both_classes(), st.data())
    def test_whole_weights_equal_repeated_rows(self, rows, data):
        labels, scores = rows
        weights = data.draw(hnp.arrays(np.int64, len(labels), elements=st.integers(0, 3)))
        weights[:2] += 1
        repeated = ke.metrics.exact_auc(np.repeat(labels, weights), np.repeat(scores, weights))
        weighted = ke.metrics.exact_auc(labels, scores, weights)
        assert weighted == pytest.approx(repeated, abs=1e-12)

    @pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_scikit_learn(self, rate, weighted):
        labels, logits = impressions(100_000, rate)
        logits = np.round(logits, 2)
        weights = np.random.default_rng(1).gamma(1.0, size=len(labels)) if weighted else None
        expected = roc_auc_score(labels, logits, sample_weight=weights)
        assert ke.metrics.exact_auc(labels, logits, weights) == pytest.approx(expected, abs=1e-12)

    def test_takes_columns_and_any_dtype(self):
        auc = ke.metrics.exact_auc(
            np.array([[False], [True], [False]]), np.array([[1], [2], [3]], "int8")
        )
        assert auc == 0.5

    @pytest.mark.parametrize(
        ("labels", "weights", "words"),
        [
            ([0, 0], None, "all rows of positive weight \\(2\\) have label 0"),
            ([1, 1], None, "have label 1"),
            ([1, 0], [1, 0], "have label 1"),
            ([1, 0], [0, 0], "none of 2 rows"),
            ([], None, "no rows"),
        ],
    )
    def test_one_class_is_nan_with_a_warning(self, labels, weights, words):
        with pytest.warns(UserWarning, match=f"AUC is nan: .*{words}") as caught:
            assert math.isnan(ke.metrics.exact_auc(labels, [1.0, 2.0][: len(labels)], weights))
        assert caught[0].filename == __file__

    def test_refuses_what_it_cannot_measure(self):
        with raises_value_error("scores", "nan", "row 1", "2 such rows among 4"):
            ke.metrics.exact_auc([0, 1, 0, 1], [0.0, np.nan, 1.0, np.nan])
        with raises_value_error("labels", "0 or 1", "2 in row 3"):
            ke.metrics.exact_auc([0, 1, 0, 2], [0.0, 1.0, 2.0, 3.0])
        with raises_value_error("labels", "nan in row 0"):
            ke.metrics.exact_auc([np.nan, 1], [0.0, 1.0])
        with raises_value_error("scores", "3 for 2 labels"):
            ke.metrics.exact_auc([0, 1], [0.0, 1.0, 2.0])
        with raises_value_error("sample_weight", "-1 in row 1"):
            ke.metrics.exact_auc([0, 1], [0.0, 1.0], [1.0, -1.0])
        with raises_value_error("labels", "(2, 2)", "one by one"):
            ke.metrics.exact_auc(np.eye(2), np.eye(2))


class TestLogLossFromLogits:
    def test_by_hand(self):
        loss = ke.metrics.log_loss_from_logits([1, 0], [0.0, math.log(3)], [1.0, 3.0])
        assert loss == pytest.approx((math.log(2) + 3 * math.log(4)) / 4, abs=1e-15)

    @pytest.mark.parametrize("rate", [0.5, 0.001])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_scikit_learn(self, rate, weighted):
        labels, logits = impressions(20_000, rate)
        logits = logits.astype("float64")
        weights = np.random.default_rng(1).gamma(1.0, size=len(labels)) if weighted else None
        expected = log_loss(labels, 1 / (1 + np.exp(-logits)), sample_weight=weights)
        loss = ke.metrics.log_loss_from_logits(labels, logits, weights)
        assert loss == pytest.approx(expected, rel=1e-12)

    def test_large_and_infinite_logits(self):
        assert ke.metrics.log_loss_from_logits([1, 0], [-1e4, 1e4]) == 1e4
        assert ke.metrics.log_loss_from_logits([1, 0], [np.inf, -np.inf]) == 0.0
        assert ke.metrics.log_loss_from_logits([0, 1], [np.inf, 0.0]) == math.inf
        # A row without weight adds nothing, not 0 * inf.
        loss = ke.metrics.log_loss_from_logits([0, 1], [np.inf, 0.0], [0, 1])
        assert loss == pytest.approx(math.log(2))

    def test_no_rows_is_nan_with_a_warning(self):
        with pytest.warns(UserWarning, match="logloss is nan"):
            assert math.isnan(ke.metrics.log_loss_from_logits([], []))

    def test_refuses_what_it_cannot_measure(self):
        with raises_value_error("labels", "0.5 in row 1"):
            ke.metrics.log_loss_from_logits([0, 0.5], [0.0, 1.0])


def looped_group_auc(labels, scores, groups):
    """FuxiCTR's gAUC, group by group."""
    rows, areas = [], []
    for group in np.unique(groups):
        member = groups == group
        if len(np.unique(labels[member])) == 2:
            rows.append(member.sum())
            areas.append(roc_auc_score(labels[member], scores[member]))
    return np.average(areas, weights=rows)


class TestGroupAUC:
    def test_by_hand(self):
        # User 5: 1 pair, won. User 2: 2 pairs, one tied, one lost. User 9 has no click.
        labels = [0, 0, 1, 1, 0, 0]
        scores = [9.0, 1.0, 2.0, 1.0, 1.0, 3.0]
        groups = [9, 5, 5, 2, 2, 2]
        assert ke.metrics.group_auc(labels, scores, groups) == (2 * 1 + 3 * 0.25) / 5

    @given(rows_with_both_classes(), st.data())
    @settings(deadline=None)
    def test_equals_a_plain_loop(self, rows, data):
        labels, scores = rows
        groups = data.draw(hnp.arrays(np.int64, len(labels), elements=st.integers(-2, 4)))
        groups[:2] = 0
        expected = looped_group_auc(labels, scores, groups)
        assert ke.metrics.group_auc(labels, scores, groups) == pytest.approx(expected, abs=1e-12)

    def test_one_group_is_the_auc(self):
        labels, logits = impressions(1000, 0.1)
        auc = ke.metrics.exact_auc(labels, logits)
        gauc = ke.metrics.group_auc(labels, logits, ["everyone"] * 1000)
        assert gauc == pytest.approx(auc, abs=1e-15)

    def test_no_group_with_both_classes_is_nan_with_a_warning(self):
        with pytest.warns(UserWarning, match="gAUC is nan: .*none of 2 groups"):
            assert math.isnan(ke.metrics.group_auc([0, 1], [0.1, 0.2], [1, 2]))
        with pytest.warns(UserWarning, match="none of 0 groups"):
            assert math.isnan(ke.metrics.group_auc([], [], []))

    def test_refuses_what_it_cannot_measure(self):
        with raises_value_error("groups", "1 for 2 labels"):
            ke.metrics.group_auc([0, 1], [0.1, 0.2], [1])
        with raises_value_error("scores", "nan in row 0"):
            ke.metrics.group_auc([0, 1], [np.nan, 0.2], [1, 1])

    def test_a_million_rows_in_a_hundred_thousand_groups(self):
        labels, logits = impressions(1_000_000, 0.1)
        groups = np.random.default_rng(1).integers(0, 100_000, size=len(labels))
        start = time.perf_counter()
        gauc = ke.metrics.group_auc(labels, logits, groups)
        # A loop over groups takes minutes.
        assert time.perf_counter() - start < 10
        # Logits of a group differ as all logits do: their AUC is that of two normals 1.2 apart.
        assert gauc == pytest.approx(0.8019, abs=5e-3)
