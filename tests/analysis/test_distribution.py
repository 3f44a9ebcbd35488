"""Streamed statistics against numpy's over all numbers."""

import math

import numpy as np
import pytest

from keras_elastor.analysis.distribution import Distribution


def test_equals_numpy_whatever_the_pieces():
    values = 5 + np.random.default_rng(0).beta(2, 5, 1000) * 1e-3
    values[:50] = 30
    ranks = Distribution(30)
    for piece in np.split(values, [1, 1, 7, 500]):
        ranks.add(piece)
    assert ranks.count == 1000
    assert ranks.mean == pytest.approx(values.mean(), rel=1e-14)
    assert ranks.standard_error == pytest.approx(values.std(ddof=1) / 1000**0.5, rel=1e-12)
    for share in (0, 0.1, 0.5, 0.9, 1):
        expected = np.quantile(values, share, method="inverted_cdf")
        if share:
            assert ranks.quantile(share) == pytest.approx(expected, abs=30 / 20_000 + 1e-12)


def test_small_spread_far_from_zero_and_a_single_number():
    ranks = Distribution(1e3)
    ranks.add(np.array([999.0]))
    assert math.isnan(ranks.standard_error)
    ranks.add(np.array([999.0 + 1e-9]))
    assert ranks.standard_error == pytest.approx(0.5e-9, rel=1e-3)
    assert ranks.quantile(0.5) == pytest.approx(999, abs=0.05)
