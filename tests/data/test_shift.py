"""Rows that differ from the training rows are said to, and equal ones are not."""

import warnings

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.shift import DataShiftWarning, profile_of

pytestmark = pytest.mark.backend_free


def rows(seed=0, count=400):
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": [f"u{u}" for u in generator.integers(0, 40, count)],
            "seen": [[f"i{i}" for i in generator.integers(0, 9, 3)] for _ in range(count)],
            "price": generator.normal(5.0, 2.0, count),
            "day": np.sort(generator.integers(0, 30, count)),
            "click": generator.random(count) < 0.2,
        }
    )


@pytest.fixture(scope="module")
def table():
    return ke.data.from_dataframe(
        rows(), label="click", numeric=["price"], sequences=["seen"], time="day"
    )


def said(encode, *arguments):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        encode(*arguments)
    assert {one.category for one in found} <= {DataShiftWarning}
    return " ".join(str(one.message) for one in found)


def test_rows_of_the_same_kind_are_no_warning(table):
    later = rows(1).with_columns(day=pl.lit(30))
    assert said(table.split, later) == ""
    assert said(table.features, later) == ""
    assert "day" not in table.schema.names


CHANGES = {
    "unseen": (pl.format("{} ", "user").alias("user"), ["'user'", "100%", "0%"]),
    "missing": (pl.lit(None, pl.String).alias("user"), ["'user'", "100%"]),
    "empty": (pl.lit([], pl.List(pl.String)).alias("seen"), ["'seen'", "rows have none"]),
    "unseen in lists": (pl.lit(["x"]).alias("seen"), ["'seen'", "unseen"]),
    "unit": (pl.col("price") * 100, ["'price'", "unit"]),
    "moved": (pl.col("price") + 50, ["'price'", "in training"]),
    "rate": (pl.lit(True).alias("click"), ["'click'", "100.00%"]),
    "older": (pl.lit(3).alias("day"), ["'day'", "100%", "29", "split_by_time"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named(table, change, tmp_path):
    expression, words = CHANGES[change]
    changed = rows(1).with_columns(day=pl.lit(30)).with_columns(expression)
    message = said(table.split, changed)
    for word in words:
        assert word in message
    # Names of other columns do not occur.
    others = {"'user'", "'seen'", "'price'", "'day'", "'click'"} - set(words)
    assert not [name for name in others if name in message]
    if change in ("rate", "older"):
        assert said(table.features, changed) == ""
        return
    assert said(table.features, changed) == message
    table.preprocessor.save(tmp_path / "kept")
    assert said(ke.data.Preprocessor.load(tmp_path / "kept").features, changed) == message
    # A few rows are asked for one by one, and may be anything.
    assert said(table.features, changed[:99]) == ""


def test_copies_of_training_rows_are_named(table):
    copies = rows().with_columns(day=pl.lit(30))
    assert "100% of these 400 rows" in said(table.split, copies)
    half = pl.concat([copies[:100], rows(1).with_columns(day=pl.lit(30))[:300]])
    assert "25% of these 400 rows" in said(table.split, half)


def test_tables_of_few_values_repeat_themselves():
    few = pl.DataFrame({"hour": ["a", "b"] * 100, "click": [0, 1, 1, 0] * 50})
    table = ke.data.from_dataframe(few, label="click")
    assert said(table.split, few) == ""


def test_the_numbers_by_hand():
    schema = ke.FeatureSchema(
        [
            ke.Categorical("item", 5),
            ke.Sequence("seen", 5, max_length=2),
            ke.Numeric("price"),
            ke.Embedding("vector", 2),
        ]
    )
    features = {
        "item": np.array([1, 4, 4, 2]),
        "seen": np.array([[1, 4], [0, 0], [4, 0], [2, 0]]),
        "price": np.array([1.0, 3.0, 1.0, 3.0], np.float32),
        "vector": np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32),
    }
    assert profile_of(schema, features, np.array([1, 0, 0, 0])) == {
        "item": {"unknown": 0.5},
        "seen": {"unknown": 0.5, "empty": 0.25},
        "price": {"mean": 2.0, "deviation": 1.0},
        "vector": {"empty": 0.25},
        "": {"label": 0.25},
    }


def test_the_last_bucket_is_a_bucket_and_not_unknown():
    price = ke.data.NumericColumn("price", transform="bucketize", buckets=4)
    recipe = ke.data.Recipe([price], label="click")
    table = ke.data.from_dataframe(rows(), recipe=recipe)
    assert table.preprocessor.profile["price"] == {"first": 0.2475, "last": 0.2525}
    assert said(table.split, rows(1)) == ""
    found = said(table.split, rows().with_columns(price=pl.col("price") * 100))
    assert "'price': 99% of the numbers lie in the last bucket, 25% in training" in found
    assert "unseen" not in found
    assert "first bucket" in said(table.split, rows().with_columns(price=pl.col("price") / 100))
