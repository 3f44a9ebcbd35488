import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs.bootstrap import RowScores, paired_differences
from tests.metrics.test_exact import impressions

pytestmark = pytest.mark.backend_free


def test_resampled_metrics_equal_those_of_repeated_rows():
    labels, logits = impressions(500, 0.3)
    logits = np.round(logits, 1)
    counts = np.random.default_rng(0).integers(0, 4, 500)
    auc, logloss = RowScores(labels, logits).measure(counts)
    repeated = np.repeat(labels, counts), np.repeat(logits, counts)
    assert auc == pytest.approx(ke.metrics.exact_auc(*repeated), abs=1e-12)
    assert logloss == pytest.approx(ke.metrics.log_loss_from_logits(*repeated), abs=1e-12)


def models(rows=3000, gain=0.0, seeds=3, seed=0):
    """Two models of several seeds: the second one adds its gain to the logits of clicks."""
    labels, logits = impressions(rows, 0.3, seed)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, seeds, rows)).astype("float32") * 0.5
    first = [logits + noise[0, s] for s in range(seeds)]
    second = [logits + noise[1, s] + gain * labels for s in range(seeds)]
    return labels, [first, second]


def test_differences_are_means_over_seeds():
    labels, logits = models(gain=0.3)
    first, second = paired_differences(labels, logits, num_resamples=10)
    aucs = [[ke.metrics.exact_auc(labels, one) for one in model] for model in logits]
    assert second["auc"].difference == pytest.approx(np.mean(aucs[1]) - np.mean(aucs[0]))
    losses = [[ke.metrics.log_loss_from_logits(labels, o) for o in model] for model in logits]
    assert second["logloss"].difference == pytest.approx(np.mean(losses[1]) - np.mean(losses[0]))
    for interval in first.values():
        assert (interval.difference, interval.low, interval.high) == (0, 0, 0)


def test_a_gain_is_seen_and_no_gain_is_not():
    labels, logits = models(gain=0.3)
    interval = paired_differences(labels, logits, num_resamples=200)[1]["auc"]
    assert 0 < interval.low < interval.difference < interval.high
    labels, logits = models(gain=0.0)
    interval = paired_differences(labels, logits, num_resamples=200)[1]["auc"]
    assert interval.low < 0 < interval.high


def test_pairing_narrows_the_interval():
    """Both models err on the same rows: that much is no uncertainty of their difference."""
    labels, logits = impressions(3000, 0.3)
    nudge = np.random.default_rng(1).normal(size=3000).astype("float32") * 0.01
    pair = [[logits], [logits + nudge]]
    interval = paired_differences(labels, pair, num_resamples=200)[1]["auc"]
    alone = np.sqrt(0.25 / 900)  # Standard error of one AUC, roughly.
    assert interval.high - interval.low < alone / 10


def test_more_rows_narrow_it_and_seeds_that_disagree_widen_it():
    widths = []
    for rows in (500, 8000):
        labels, logits = models(rows, gain=0.2)
        interval = paired_differences(labels, logits, num_resamples=200)[1]["auc"]
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2
    labels, logits = models(8000, gain=0.2)
    logits[1][0] = logits[1][0] - labels.astype("float32")
    interval = paired_differences(labels, logits, num_resamples=200)[1]["auc"]
    assert interval.high - interval.low > 3 * widths[1]


def test_covers_the_truth():
    """In about 95 of 100 draws the interval holds the difference of endless rows."""
    rng = np.random.default_rng(0)
    truth_labels, truth = models(400_000, gain=0.2, seeds=1, seed=999)
    expected = paired_differences(truth_labels, truth, num_resamples=2)[1]["auc"].difference
    covered = 0
    for _ in range(60):
        labels, logits = models(800, gain=0.2, seeds=1, seed=int(rng.integers(1 << 30)))
        interval = paired_differences(labels, logits, num_resamples=150)[1]["auc"]
        covered += interval.low <= expected <= interval.high
    assert 51 <= covered <= 60


def test_the_same_call_gives_the_same_intervals():
    labels, logits = models(500)
    assert paired_differences(labels, logits, 20) == paired_differences(labels, logits, 20)
