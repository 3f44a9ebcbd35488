"""Columns of numbers with a transform, through all ways that rows take."""

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.numbers import row_sample
from keras_elastor.data.numbers.number_transform import NumberTransform
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

RNG = np.random.default_rng(0)
KINDS = ("standard", "log", "quantile", "bucketize")


def table(rows):
    price = RNG.lognormal(1, 2, rows).astype("float32")
    missing = RNG.random(rows) < 0.1
    return pl.DataFrame(
        {
            "item": RNG.choice(["a", "b", "c"], rows),
            "price": pl.Series(price, dtype=pl.Float64).set(pl.Series(missing), None),
            "click": RNG.integers(0, 2, rows),
        }
    )


def recipe():
    columns = [
        ke.data.NumericColumn(kind, "median", source="price", transform=kind) for kind in KINDS
    ]
    return ke.data.Recipe([ke.data.CategoricalColumn("item"), *columns], label="click")


def expected(train, rows):
    """What each transform makes of some rows, NaN where missing."""
    numbers = {
        name: frame["price"].to_numpy().astype("float32")
        for name, frame in (("train", train), ("rows", rows))
    }
    return {
        kind: NumberTransform.fit(kind, numbers["train"], "median", 32)(numbers["rows"])
        for kind in KINDS
    }


def test_fitted_on_training_rows_only():
    train, new = table(500), table(100)
    data = ke.data.from_dataframe(train, recipe=recipe())
    assert data.schema["bucketize"] == ke.Categorical("bucketize", 33)
    assert data.schema["quantile"] == ke.Numeric("quantile")
    for rows, features in ((train, data.train.features), (new, data.features(new))):
        for kind, numbers in expected(train, rows).items():
            np.testing.assert_array_equal(features[kind], numbers)
    assert abs(data.train.features["standard"].std() - 1) < 0.1
    assert set(np.unique(data.train.features["bucketize"])) <= set(range(1, 33))


def test_kept_with_the_preprocessor(tmp_path):
    train, new = table(300), table(50)
    preprocessor = ke.data.from_dataframe(train, recipe=recipe()).preprocessor
    preprocessor.save(tmp_path / "kept")
    features = ke.data.Preprocessor.load(tmp_path / "kept").features(new)
    for name, values in preprocessor.features(new).items():
        np.testing.assert_array_equal(features[name], values)
    with raises_value_error("standard", "Preprocessor.fit"):
        ke.data.Preprocessor(preprocessor.recipe, preprocessor.vocabularies)


@pytest.mark.parametrize("sample_rows", [2**17, 1000], ids=["all rows", "some rows"])
def test_prepared_folder_is_the_same_as_the_table(tmp_path, monkeypatch, sample_rows):
    monkeypatch.setattr(row_sample, "SAMPLE_ROWS", sample_rows)
    train, valid = table(3000), table(200)
    train.write_csv(tmp_path / "train.csv")
    valid.write_parquet(tmp_path / "valid.parquet")
    files = {"train": tmp_path / "train.csv", "valid": tmp_path / "valid.parquet"}
    # Several segments, which are read in parallel.
    ke.data.prepare(files, recipe(), tmp_path / "out", segment_bytes=10_000, progress=False)
    data = ke.data.from_dataframe(train, recipe=recipe())
    prepared = ke.data.Preprocessor.load(tmp_path / "out")
    assert prepared.transforms == data.preprocessor.transforms
    batches = ke.data.load(tmp_path / "out", "valid", batch_size=200)
    features = next(iter(batches.as_numpy_iterator()))[0]
    for name, values in data.features(valid).items():
        np.testing.assert_array_equal(features[name], values)


def test_a_number_that_must_be_there():
    with raises_value_error("Row 1", "price", "an empty field"):
        ke.data.from_dataframe(
            pl.DataFrame({"price": [1.0, None], "label": [0, 1]}),
            recipe=ke.data.Recipe([ke.data.NumericColumn("price", None, transform="log")]),
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"transform": "log2"}, ["price", "transform", "log2", "quantile"]),
        ({"fill": "median"}, ["price", "fill", "median", "no transform"]),
        ({"fill": "mean", "transform": "log"}, ["price", "fill", "mean"]),
        ({"transform": "bucketize", "buckets": 1}, ["price", "buckets", "1"]),
    ],
)
def test_bad_arguments(arguments, words):
    with raises_value_error(*words):
        ke.data.NumericColumn("price", **arguments)


def test_integers_and_text_are_transformed_by_their_number():
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["1", "2.0", "3e0"], "label": [0, 1, 1]})
    columns = [ke.data.NumericColumn(name, transform="standard") for name in "ab"]
    features = ke.data.from_dataframe(frame, recipe=ke.data.Recipe(columns)).train.features
    np.testing.assert_allclose(features["a"], [-(1.5**0.5), 0, 1.5**0.5], atol=1e-6)
    np.testing.assert_array_equal(features["a"], features["b"])
