"""Transforms of numbers beside scikit-learn's, and by hand."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer, QuantileTransformer, StandardScaler

from keras_elastor.data.numbers.number_transform import NumberTransform

pytestmark = pytest.mark.backend_free

RNG = np.random.default_rng(0)
NUMBERS = RNG.lognormal(2, 1.5, 20_000).astype("float32")
NEW = RNG.lognormal(2, 1.5, 1000).astype("float32")


def fit(kind, numbers, fill=0.0, buckets=8):
    return NumberTransform.fit(kind, np.asarray(numbers, "float32"), fill, buckets)


def test_standard_is_scikit_learns():
    expected = StandardScaler().fit(NUMBERS[:, None].astype(np.float64)).transform(NEW[:, None])
    outputs = fit("standard", NUMBERS)(NEW)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, expected[:, 0], rtol=1e-5, atol=1e-6)


def test_log_keeps_the_sign():
    numbers = np.array([-np.e + 1, 0.0, np.e - 1], "float32")
    # -1, 0 and 1, with standard deviation sqrt(2 / 3).
    np.testing.assert_allclose(fit("log", numbers)(numbers), [-(1.5**0.5), 0, 1.5**0.5], atol=1e-6)


def test_quantile_is_close_to_scikit_learns():
    reference = QuantileTransformer(
        n_quantiles=1000, output_distribution="normal", subsample=len(NUMBERS)
    ).fit(NUMBERS[:, None])
    inner = NEW[(np.quantile(NUMBERS, 0.005) < NEW) & (np.quantile(NUMBERS, 0.995) > NEW)]
    outputs = fit("quantile", NUMBERS)(inner)
    np.testing.assert_allclose(outputs, reference.transform(inner[:, None])[:, 0], atol=0.01)


def test_quantile_of_few_numbers_by_hand():
    # Shares below the middle of each number's rows: 1/4, 5/8, 7/8.
    transform = fit("quantile", [0, 0, 1, 2])
    np.testing.assert_allclose(
        transform(np.array([-9, 0, 1, 1.5, 2, 1e9], "float32")),
        [-0.67449, -0.67449, 0.318639, (0.318639 + 1.150349) / 2, 1.150349, 1.150349],
        atol=1e-5,
    )


def test_quantile_of_heavy_tails_and_outliers_is_normal():
    numbers = RNG.standard_cauchy(50_000)
    numbers[0] = 1e9
    outputs = fit("quantile", numbers)(numbers.astype("float32"))
    assert abs(outputs.mean()) < 0.01
    assert abs(outputs.std() - 1) < 0.01
    assert np.abs(outputs).max() < 5


def test_buckets_are_scikit_learns():
    reference = KBinsDiscretizer(
        8, encode="ordinal", quantile_method="inverted_cdf", subsample=None
    ).fit(NUMBERS[:, None])
    ids = fit("bucketize", NUMBERS)(NEW)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, reference.transform(NEW[:, None])[:, 0] + 1)
    assert set(ids) == set(range(1, 9))


def test_buckets_of_a_frequent_number():
    transform = fit("bucketize", [0] * 90 + list(range(1, 11)), buckets=4)
    np.testing.assert_array_equal(transform(np.array([-5, 0, 1, 99], "float32")), [1, 1, 1, 1])
    transform = fit("bucketize", [0] * 50 + list(range(1, 51)), buckets=4)
    assert transform.knots == (25.0,)
    np.testing.assert_array_equal(transform(np.array([0, 24, 25, 26], "float32")), [1, 1, 2, 2])


@pytest.mark.parametrize("kind", ["standard", "log", "quantile"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7e8])
def test_a_constant_column_becomes_zero(kind, value):
    numbers = np.full(1000, value, "float32")
    np.testing.assert_allclose(fit(kind, numbers)(numbers), 0, atol=1e-6)


@pytest.mark.parametrize("kind", ["standard", "log", "quantile", "bucketize"])
def test_missing_numbers_are_filled_and_have_no_part_in_the_fit(kind):
    numbers = np.array([1, np.nan, 2, 3, np.nan, 100], "float32")
    given = numbers[~np.isnan(numbers)]
    filled = fit(kind, numbers, fill="median", buckets=3)
    np.testing.assert_array_equal(filled(given), fit(kind, given, buckets=3)(given))
    np.testing.assert_array_equal(filled(numbers[1:2]), filled(np.array([2.5], "float32")))
    nothing = fit(kind, [np.nan, np.nan], fill="median")
    assert np.isfinite(nothing(numbers)).all()


@pytest.mark.parametrize("kind", ["standard", "log", "quantile", "bucketize"])
def test_kept_to_the_bit(kind):
    transform = fit(kind, NUMBERS, fill="median")
    config = json.loads(json.dumps(transform.get_config()))
    assert NumberTransform.from_config(config) == transform
    np.testing.assert_array_equal(NumberTransform.from_config(config)(NEW), transform(NEW))
