import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

COLUMNS = {
    "item": ["a", "b", None],
    "seen": [["b"], [], ["c", "a"]],
    "price": [1.5, None, -2.0],
}
LABELED = {**COLUMNS, "click": [1, 0, 0], "w": [1.0, 0.5, 2.0], "user": [7, 7, 9]}
RECIPE = ke.data.Recipe(
    [
        ke.data.CategoricalColumn("item"),
        ke.data.SequenceColumn("seen", 2, table="item"),
        ke.data.NumericColumn("price"),
    ],
    label="click",
    group="user",
    weight="w",
)
IDS = {"item": [1, 2, 4], "seen": [[2, 0], [0, 0], [3, 1]], "price": [1.5, 0.0, -2.0]}


@pytest.fixture
def preprocessor():
    return ke.data.Preprocessor(RECIPE, {"item": ke.data.Vocabulary(("a", "b", "c"))})


def as_lists(features):
    return {name: values.tolist() for name, values in features.items()}


KINDS = {
    "polars": pl.DataFrame,
    "pandas": pd.DataFrame,
    "arrow": lambda columns: pl.DataFrame(columns).to_arrow(),
    "batch": lambda columns: pl.DataFrame(columns).to_arrow().to_batches()[0],
    "dicts": lambda columns: pl.DataFrame(columns).to_dicts(),
    "lists": dict,
    "arrays": lambda columns: {**columns, "price": np.array([1.5, np.nan, -2.0])},
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind(preprocessor, kind):
    make = KINDS[kind]
    assert as_lists(preprocessor.features(make(COLUMNS))) == IDS
    split = preprocessor.split(make(LABELED))
    assert as_lists(split.features) == IDS
    assert as_lists(split.group) == {"user": [7, 7, 9]}
    assert split.labels.tolist() == [1, 0, 0]
    assert split.weights.tolist() == [1.0, 0.5, 2.0]
    table = ke.data.from_dataframe(make(LABELED), recipe=RECIPE)
    assert table.preprocessor.vocabularies["item"].values == ("a", "b", "c")


def test_one_row_in_which_everything_is_missing(preprocessor):
    features = preprocessor.features([{"item": None, "seen": None, "price": None}])
    assert as_lists(features) == {"item": [4], "seen": [[0, 0]], "price": [0.0]}


def test_wrong_rows_are_named(preprocessor):
    with raises_value_error("set", "list of one dict per row"):
        preprocessor.features({1})
    with raises_value_error("'item'", "'a'", "list of one dict"):
        preprocessor.features({"item": "a", "seen": ["b"], "price": 1.0})
    with raises_value_error("one length", "'price': 2"):
        preprocessor.features({**COLUMNS, "price": [1.0, 2.0]})
    with raises_value_error("'price'", "one type", "'x' in row 2", "1.0 in row 0"):
        preprocessor.features({**COLUMNS, "price": [1.0, None, "x"]})
    with raises_value_error("Missing: seen", "item, price"):
        preprocessor.features([{"item": "a", "price": 1.0}])
    with raises_value_error("Row 1", "'price'", "a finite number", "'x'"):
        preprocessor.features({**COLUMNS, "price": ["1", "x", "3"]})
    with raises_value_error("Row 2", "'click'", "0 or 1", "3"):
        preprocessor.split({**LABELED, "click": [0, 1, 3]})
    with raises_value_error("Missing: w"):
        preprocessor.split({name: LABELED[name] for name in LABELED if name != "w"})


def test_ids_and_raw_values_are_told_by_row_in_one_table():
    schema = ke.FeatureSchema(
        [ke.Categorical("id", 5), ke.Numeric("x"), ke.Embedding("v", 2), ke.Sequence("h", 5, 2)]
    )
    preprocessor = ke.data.Preprocessor.from_schema(schema)
    right = {"id": [1, 2, 3], "x": [0.5, 1, 2], "v": [[1, 2]] * 3, "h": [[1, 2, 3], [], [4]]}
    assert as_lists(preprocessor.features(right)) == {
        **right,
        "h": [[2, 3], [0, 0], [4, 0]],
    }
    with raises_value_error("Row 2", "'id'", "an id from 0 to 4", "9", "table: 1"):
        preprocessor.features({**right, "id": [1, 2, 9]})
    _, bad = preprocessor.encode(
        pl.DataFrame({**right, "id": [1, 2, 9], "x": [0.5, float("inf"), 2.0]})
    )
    assert [(problem.row, problem.column) for problem in bad] == [(1, "x"), (2, "id")]
    with raises_value_error("a list of 2 numbers", "Row 0", "'v'"):
        preprocessor.features({**right, "v": [1.0, 2.0, 3.0]})
    with raises_value_error("recipe", "features"):
        preprocessor.split(right)


def test_a_table_without_vocabulary_is_named():
    with raises_value_error("Missing: item"):
        ke.data.Preprocessor(RECIPE, {})


class TestFolder:
    @pytest.mark.parametrize("kind", ["recipe", "schema", "ids"])
    def test_round_trip(self, preprocessor, tmp_path, kind):
        schema = ke.FeatureSchema([ke.Categorical("item", 5), ke.Numeric("price")])
        if kind == "schema":
            preprocessor = ke.data.Preprocessor.from_schema(schema, preprocessor.vocabularies)
        if kind == "ids":
            preprocessor = ke.data.Preprocessor.from_schema(schema)
        # Saved again, it replaces what was there.
        for _ in range(2):
            preprocessor.save(tmp_path / "saved")
        loaded = ke.data.Preprocessor.load(tmp_path / "saved")
        assert loaded.recipe == preprocessor.recipe
        assert loaded.schema == preprocessor.schema
        assert loaded.vocabularies == preprocessor.vocabularies
        rows = {**COLUMNS, "price": [1.0, 2.0, 3.0]}
        rows |= {"item": [4, 0, 1]} if kind == "ids" else {}
        assert as_lists(loaded.features(rows)) == as_lists(preprocessor.features(rows))
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    def test_the_one_of_prepared_files(self, preprocessor, tmp_path):
        pl.DataFrame(LABELED).write_parquet(tmp_path / "train.parquet")
        files = {"train": tmp_path / "train.parquet"}
        ke.data.prepare(files, RECIPE, tmp_path / "out", progress=False)
        prepared = ke.data.Preprocessor.load(tmp_path / "out")
        assert as_lists(prepared.features(COLUMNS)) == IDS

    def test_something_else_is_left_alone(self, preprocessor, tmp_path):
        (tmp_path / "thesis.tex").write_text("")
        with pytest.raises(FileExistsError, match=r"preprocessor\.json"):
            preprocessor.save(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_failed_save_leaves_the_earlier_one(self, preprocessor, tmp_path, monkeypatch):
        preprocessor.save(tmp_path / "saved")

        def refuse(*arguments):
            raise OSError("disk full")

        monkeypatch.setattr(ke.data.Vocabulary, "save", refuse)
        with pytest.raises(OSError, match="disk full"):
            preprocessor.save(tmp_path / "saved")
        assert ke.data.Preprocessor.load(tmp_path / "saved").recipe == RECIPE
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    def test_damage_is_named(self, preprocessor, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"preprocessor\.json.*no such file"):
            ke.data.Preprocessor.load(tmp_path)
        preprocessor.save(tmp_path / "saved")
        file = tmp_path / "saved" / "preprocessor.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps({**config, "format": 1}))
        with raises_value_error("preprocessor.json", "format 3", "1"):
            ke.data.Preprocessor.load(tmp_path / "saved")
        file.write_text(json.dumps(config))
        (words,) = (tmp_path / "saved" / "vocabularies").iterdir()
        words.write_text('{"values": ["a"]}')
        with raises_value_error("vocabularies", "schema"):
            ke.data.Preprocessor.load(tmp_path / "saved")
        words.unlink()
        with pytest.raises(FileNotFoundError, match="000_item"):
            ke.data.Preprocessor.load(tmp_path / "saved")


@pytest.mark.backend_free
def test_encodes_and_checks_without_tensorflow(preprocessor, tmp_path):
    pytest.importorskip("jax")
    preprocessor.save(tmp_path / "saved")
    code = f"""
import sys
import numpy as np
import keras_elastor as ke
from keras_elastor.validation.validation import guard
schema = ke.FeatureSchema([ke.Numeric("price")])
guard({{"price": np.zeros(2)}}, schema)
guard(({{"price": np.zeros(2)}} for _ in range(2)), schema)
assert ke.data.validate([{{"price": np.zeros(2)}}], schema) == 2
assert not {{"tensorflow", "torch"}} & set(sys.modules)
sys.modules["tensorflow"] = None
features = ke.data.Preprocessor.load({str(tmp_path / "saved")!r}).features({COLUMNS!r})
print({{name: values.tolist() for name, values in features.items()}} == {IDS!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr


def test_a_doubled_column_is_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 0]], columns=["user", "user", "click"])
    with pytest.raises(ValueError, match="'user' and 'user'"):
        ke.data.from_dataframe(frame, label="click")
