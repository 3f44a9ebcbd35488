"""Hash buckets and crossed columns: the same ids by every way into the library."""

import hashlib  # noqa: TID251
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.reading.crossed_values import combined_codes
from tests.assertions import raises_value_error

FRAME = pl.DataFrame(
    {
        "user": [101, 102, None, 101],
        "item": ["a", "b", "ä|c", None],
        "seen": ["a^b", "", "zz", "b^^a^q"],
        "gender": ["f", "m", "f", None],
        "age": [30.0, 30.0, None, 41.0],
        "click": [1, 0, 0, 1],
    }
)
DTYPES = ("string", "integer")
HASHED = ke.data.Recipe(
    [
        ke.data.CategoricalColumn("user", dtype="integer", hash_buckets=50),
        ke.data.CategoricalColumn("item", hash_buckets=7),
        ke.data.SequenceColumn("seen", 3, table="item", hash_buckets=7),
        ke.data.CrossedColumn(["gender", "item"], name="cross", hash_buckets=10),
    ],
    label="click",
)
CROSSED = ke.data.Recipe(
    [
        ke.data.CrossedColumn(["gender", "age"], dtypes=["string", "integer"]),
        ke.data.CrossedColumn(["gender", "age"], name="filled", fill="?", dtypes=DTYPES),
        ke.data.CrossedColumn(["gender", "item"], min_count=2),
    ],
    label="click",
)


def bucket(text, buckets):
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets + 1


HASHED_IDS = {
    "user": [bucket("101", 50), bucket("102", 50), 51, bucket("101", 50)],
    "item": [bucket("a", 7), bucket("b", 7), bucket("ä|c", 7), 8],
    "seen": [
        [bucket("a", 7), bucket("b", 7), 0],
        [0, 0, 0],
        [bucket("zz", 7), 0, 0],
        [0, bucket("a", 7), bucket("q", 7)],
    ],
    "cross": [bucket("f|a", 10), bucket("m|b", 10), bucket("f|ä\\|c", 10), 11],
}
CROSSED_IDS = {
    "gender_x_age": [1, 2, 3, 3],
    "filled": [2, 4, 3, 1],
    "gender_x_item": [1, 1, 1, 1],
}


@pytest.mark.parametrize(("recipe", "ids"), [(HASHED, HASHED_IDS), (CROSSED, CROSSED_IDS)])
def test_every_way_gives_the_same_ids(tmp_path, recipe, ids):
    assert ke.data.Recipe.from_json(recipe.to_json()) == recipe
    table = ke.data.from_dataframe(FRAME, recipe=recipe)
    found = {name: values.tolist() for name, values in table.train.features.items()}
    assert found == ids
    table.preprocessor.save(tmp_path / "preprocessor")
    loaded = ke.data.Preprocessor.load(tmp_path / "preprocessor")
    assert loaded.vocabularies == table.preprocessor.vocabularies
    pandas = FRAME.drop("click").to_pandas()
    assert {name: values.tolist() for name, values in loaded.features(pandas).items()} == ids
    FRAME.write_csv(tmp_path / "rows.csv")
    FRAME.write_parquet(tmp_path / "rows.parquet")
    for suffix in ("csv", "parquet"):
        for _ in range(2):  # The second call finds the work of the first one.
            ke.data.prepare(
                {"train": tmp_path / f"rows.{suffix}"}, recipe, tmp_path / suffix, progress=False
            )
        (features, _), *_ = ke.data.load(tmp_path / suffix, "train", batch_size=4)
        assert {name: values.numpy().tolist() for name, values in features.items()} == ids
        assert ke.data.Preprocessor.load(tmp_path / suffix).schema == table.schema
    model = ke.models.LogisticRegression(table.schema)
    predictor = ke.Predictor(model, table.preprocessor)
    predictor.save(tmp_path / "predictor")
    expected = predictor.predict(FRAME)["click"]
    logits = model.predict(table.train.features, verbose=0)[:, 0]
    np.testing.assert_allclose(expected, 1 / (1 + np.exp(-logits)), rtol=1e-5)
    out = tmp_path / "out.csv"
    ke.runs.predict_file(tmp_path / "predictor", tmp_path / "rows.csv", out)
    np.testing.assert_allclose(pl.read_csv(out)["probability"], expected, rtol=1e-6)


@pytest.mark.backend_free
class TestHashBuckets:
    def test_a_value_has_one_id_however_it_is_stored(self):
        recipe = ke.data.Recipe([ke.data.CategoricalColumn("user", hash_buckets=1000)], "click")
        preprocessor = ke.data.Preprocessor(recipe, {"user": ke.data.HashBuckets(1000)})
        stored = [
            pl.Series([101]),
            pl.Series([101.0]),
            pl.Series(["101"]),
            pl.Series(["101"], dtype=pl.Categorical),
            pl.Series([Decimal("101.00")]),
            pl.Series([101], dtype=pl.UInt8),
        ]
        ids = {int(preprocessor.features({"user": values})["user"][0]) for values in stored}
        assert ids == {bucket("101", 1000)}
        pandas = pd.DataFrame({"user": pd.array([101, None], dtype="Int64")})
        assert preprocessor.features(pandas)["user"].tolist() == [bucket("101", 1000), 1001]

    def test_every_bucket_is_used_and_about_as_often(self):
        ids = ke.data.HashBuckets(100).encode(pl.Series(np.arange(100_000)))
        counts = np.bincount(ids, minlength=102)
        assert counts[0] == counts[101] == 0
        # Five standard deviations of a count of 1,000.
        assert np.abs(counts[1:101] - 1000).max() < 5 * 1000**0.5

    def test_nothing_is_out_of_vocabulary(self):
        data = ke.data.from_dataframe(FRAME, recipe=HASHED)
        rows = {"user": [999], "item": ["new"], "seen": ["new"], "gender": ["x"]}
        found = data.features(rows)
        assert found["item"].tolist() == [bucket("new", 7)]
        assert found["seen"].tolist() == [[bucket("new", 7), 0, 0]]
        assert found["cross"].tolist() == [bucket("x|new", 10)]

    def test_wrong_arguments_are_named(self):
        with raises_value_error("'item'", "hash_buckets", "0"):
            ke.data.CategoricalColumn("item", hash_buckets=0)
        with raises_value_error("'item'", "min_count", "1 with `hash_buckets`"):
            ke.data.CategoricalColumn("item", hash_buckets=10, min_count=2)
        with raises_value_error("'seen'", "table 'item'", "hash_buckets=7", "hash_buckets=8"):
            ke.data.Recipe(
                [
                    ke.data.CategoricalColumn("item", hash_buckets=7),
                    ke.data.SequenceColumn("seen", 3, table="item", hash_buckets=8),
                ]
            )
        with raises_value_error("buckets", "'many'"):
            ke.data.HashBuckets("many")


@pytest.mark.backend_free
class TestCrossedColumn:
    def test_no_two_combinations_have_one_text(self):
        parts = ["a", "b", "|", "\\", "a|", "|b", "a\\", "\\|b", "a_b", ""]
        rows = [(one, other) for one in parts for other in parts if one and other]
        frame = pl.DataFrame(rows, schema=["one", "other"], orient="row")
        recipe = ke.data.Recipe([ke.data.CrossedColumn(["one", "other"], name="both")])
        data = ke.data.from_dataframe(frame.with_columns(label=pl.lit(1)), recipe=recipe)
        assert len(set(data.train.features["both"].tolist())) == len(rows)
        assert r"\\|\|" in data.preprocessor.vocabularies["both"].values

    def test_equal_values_of_other_types_are_one_combination(self):
        data = ke.data.from_dataframe(FRAME, recipe=CROSSED)
        rows = pl.DataFrame({"gender": ["m"], "age": [30], "item": ["b"]})
        assert data.features(rows)["gender_x_age"].tolist() == [2]

    def test_many_columns_of_many_values(self):
        """More combinations are possible than an integer of 64 bits can count."""
        codes = [np.array([0, 5, 5, 0, 5]) for _ in range(12)]
        codes[7] = np.array([0, 5, 5, 1, 5])
        combined = combined_codes(codes, [10**6] * 12)
        _, places = np.unique(combined, return_inverse=True)
        assert places[1] == places[2] == places[4]
        assert len(set(places.tolist())) == 3

    def test_wrong_arguments_are_named(self):
        for columns in ("gender", ["gender"], ["a", "a"], ["a", 1]):
            with raises_value_error("columns", "two or more", repr(columns)):
                ke.data.CrossedColumn(columns)
        with raises_value_error("'click'", "label"):
            ke.data.Recipe([ke.data.CrossedColumn(["gender", "click"])], label="click")
        with raises_value_error("Missing: age"):
            ke.data.from_dataframe(FRAME.drop("age"), recipe=CROSSED)

    def test_a_value_of_another_type_is_named(self):
        frame = FRAME.with_columns(age=pl.Series([30.0, float("inf"), None, 41.0]))
        with raises_value_error("Row 1", "column 'age'", "inf"):
            ke.data.from_dataframe(frame, recipe=CROSSED)
