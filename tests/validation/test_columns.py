"""Columns of frames become the arrays that a model takes; a Split is what it holds."""

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.validation.columns import as_features, as_labels
from keras_elastor.validation.validation import guard
from tests.assertions import raises_value_error
from tests.validation.batches import SCHEMA, make_batch

pandas = pytest.importorskip("pandas")


def nullable(missing=False):
    features, label, _ = make_batch(3)
    item = [1, 2, None if missing else 3]
    columns = {
        **features,
        "item": pandas.Series(item, dtype="Int64"),
        "price": pandas.array([0.5, 1.5, 2.5], dtype="Float32"),
    }
    return columns, pandas.Series(label.astype("int64"), dtype="Int8")


def test_nullable_columns_in_a_dict_are_arrays():
    features, label = nullable()
    received, labels = guard((features, label), SCHEMA)
    assert received["item"].dtype == np.int64
    assert received["item"].tolist() == [1, 2, 3]
    assert received["price"].dtype == np.float32
    assert labels.dtype == np.int8
    assert ke.data.validate((features, label), SCHEMA) == 3


def test_a_missing_value_of_a_nullable_column_is_named():
    features, _ = nullable(missing=True)
    with raises_value_error("'item'", "row 2", "missing"):
        guard(features, SCHEMA)
    with raises_value_error("'item'", "row 2", "missing"):
        ke.data.validate(features, SCHEMA)


def test_lists_of_other_lengths_are_named():
    frame = pandas.DataFrame({"history": [[1, 2], [3]]})
    with raises_value_error("'history'", "lengths 1 to 2", "Pad"):
        as_features(frame)


def test_polars_columns():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"item": [1, None], "history": [[1, 2], [3, 4]]})
    assert as_features(frame.select("history"))["history"].tolist() == [[1, 2], [3, 4]]
    with raises_value_error("'item'", "row 1", "missing"):
        as_features(frame)


def test_labels_of_several_tasks_in_a_frame():
    frame = pandas.DataFrame({"click": [1, 0], "like": [0, 1]})
    np.testing.assert_array_equal(as_labels(frame), [[1, 0], [0, 1]])


def test_a_split_is_validated():
    features, label, weight = make_batch()
    assert ke.data.validate(ke.data.Split(features, label, weight), SCHEMA) == 8
    features["item"][5] = 50
    with raises_value_error("'item'", "row 5", "50"):
        ke.data.validate(ke.data.Split(features, label), SCHEMA)


@pytest.mark.parametrize("dataset", [3, None, np.ones(3)])
def test_what_is_no_dataset_is_named(dataset):
    with raises_value_error("expected a dict", type(dataset).__name__):
        ke.data.validate(dataset, SCHEMA)
