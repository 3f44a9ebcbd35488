import numpy as np
import pandas as pd
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

TABLE = {
    "user": [7, 7, 9, 11],
    "item": ["a", "b", "a", None],
    "vip": [True, False, None, True],
    "price": [1.5, None, -2.0, 0.0],
    "seen": [["b"], [], ["c", "a"], None],
    "click": [1, 0, 0, 1],
    "weight": [1.0, 0.5, 1.0, 1.0],
}
POLARS = pl.DataFrame(TABLE)
PANDAS = pd.DataFrame(TABLE, index=[3, 1, 4, 1])


@pytest.mark.parametrize("frame", [POLARS, PANDAS], ids=["polars", "pandas"])
def test_infers_encodes_and_explains(frame):
    table = ke.data.from_dataframe(frame, label="click", group="user", weight="weight")
    assert table.schema == ke.FeatureSchema(
        [
            ke.Categorical("user", 5),
            ke.Categorical("item", 4),
            ke.Categorical("vip", 4),
            ke.Numeric("price"),
            ke.Sequence("seen", 5, 2),
        ],
        label="click",
        group="user",
    )
    features = {name: values.tolist() for name, values in table.train.columns.items()}
    assert features == {
        "user": [1, 1, 2, 3],
        "item": [1, 2, 1, 3],
        "vip": [1, 2, 3, 1],
        # Normal quantiles of the shares 5/6, 1/2 and 1/6; the missing one is the median, 0.
        "price": [pytest.approx(0.967422), 0.0, pytest.approx(-0.967422), 0.0],
        "seen": [[2, 0], [0, 0], [3, 1], [0, 0]],
        "user_group": [7, 7, 9, 11],
    }
    assert table.train.labels.tolist() == [1, 0, 0, 1]
    assert table.train.weights.tolist() == [1.0, 0.5, 1.0, 1.0]
    assert ke.data.validate(table.train.dataset(3), table.schema) == 4


def test_a_person_corrects_the_recipe_as_text():
    text = ke.data.infer_recipe(POLARS.drop("seen"), "click", weight="weight").to_json()
    wrong = '"name": "user",\n      "dtype": "integer",\n      "min_count": 1'
    assert wrong in text
    recipe = ke.data.Recipe.from_json(text.replace(wrong, wrong.replace("1", "2")))
    table = ke.data.from_dataframe(POLARS, recipe=recipe)
    assert table.train.features["user"].tolist() == [1, 1, 2, 2]


def test_new_rows_have_the_same_ids():
    table = ke.data.from_dataframe(POLARS, label="click", group="user", weight="weight")
    new = pd.DataFrame(
        {
            "item": ["b", "z", None],
            "user": [11, 8, 7],
            "vip": [False, True, True],
            "price": [1.0, 2.0, np.nan],
            "seen": [["a", "b", "c"], [], ["z"]],
        }
    )
    features = table.features(new)
    assert features["item"].tolist() == [2, 3, 3]
    assert features["user"].tolist() == [3, 4, 1]
    assert features["seen"].tolist() == [[2, 3], [0, 0], [4, 0]]
    assert set(features) == set(table.schema.names)
    valid = table.split(POLARS[:2])
    assert valid.group["user_group"].tolist() == [7, 7]
    model = ke.models.DNN(table.schema, embedding_dim=2, hidden_units=(3,))
    assert model.predict(features, verbose=0).shape == (3, 1)


def test_agrees_with_prepared_files(tmp_path):
    flat = POLARS.drop("seen", "vip")
    flat.write_parquet(tmp_path / "train.parquet")
    table = ke.data.from_dataframe(flat, "click", "user", "weight")
    files = {"train": tmp_path / "train.parquet"}
    ke.data.prepare(files, table.recipe, tmp_path / "out", progress=False)
    features, label, weight = next(iter(ke.data.load(tmp_path / "out", "train", 4)))
    for name, values in table.train.features.items():
        np.testing.assert_array_equal(features[name], values)
    np.testing.assert_array_equal(label, table.train.labels)
    np.testing.assert_array_equal(weight, table.train.weights)


def test_several_tasks():
    table = ke.data.from_dataframe(
        pl.DataFrame({"x": [1.0, 2.0], "a": [0, 1], "b": [True, True]}), label=("a", "b")
    )
    assert table.train.labels.tolist() == [[0, 1], [1, 1]]


def test_wrong_tables_are_named():
    with raises_value_error("list", "DataFrame"):
        ke.data.from_dataframe([1])
    with raises_value_error("'waited'", "Duration", "drop"):
        ke.data.from_dataframe(POLARS.with_columns(waited=pl.duration(hours=1)), "click")
    with raises_value_error("Missing: label", "click"):
        ke.data.from_dataframe(POLARS)
    with raises_value_error("Row 1", "'click'", "2"):
        ke.data.from_dataframe(POLARS.with_columns(click=pl.Series([1, 2, 3, 0])), "click")
    with raises_value_error("Row 0", "'price'", "inf"):
        ke.data.from_dataframe(POLARS.with_columns(price=pl.lit(float("inf"))), "click")
    with raises_value_error("'x'", "one type"):
        ke.data.from_dataframe(pd.DataFrame({"x": [1, "a"], "label": [0, 1]}))
    table = ke.data.from_dataframe(POLARS, "click", weight="weight")
    with raises_value_error("Missing: vip"):
        table.features(POLARS.drop("vip"))


def test_a_label_whose_name_is_a_number():
    frame = pd.DataFrame({0: ["a", "b"], 1: [0, 1]})
    with raises_value_error("label=1", "as text: '1'"):
        ke.data.from_dataframe(frame, label=1)
    data = ke.data.from_dataframe(frame, label="1")
    assert data.train.labels.tolist() == [0, 1]
    assert tuple(data.schema.names) == ("0",)


OPTIONAL = ("click", ke.Label("rating", "regression", optional=True))


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame], ids=["polars", "pandas"])
def test_an_empty_label_of_an_optional_task_is_missing(frame):
    rows = frame({"item": list("abca"), "click": [1, 0, 0, 1], "rating": [2.5, None, 4.0, None]})
    table = ke.data.from_dataframe(rows, label=OPTIONAL)
    np.testing.assert_array_equal(table.train.labels, [[1, 2.5], [0, np.nan], [0, 4], [1, np.nan]])
    with raises_value_error("Row 1", "rating", "a finite number as label."):
        ke.data.from_dataframe(rows, label=("click", ke.Label("rating", "regression")))


def test_a_wrong_label_of_an_optional_task_is_wrong():
    rows = {"item": list("ab"), "click": [1, 0], "rating": ["2", "many"]}
    with raises_value_error("rating", "a finite number as label, or nothing", "many"):
        ke.data.from_dataframe(rows, label=OPTIONAL)
