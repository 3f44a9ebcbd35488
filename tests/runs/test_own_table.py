"""A table of one's own, trained and compared on in a few lines, and on the command line."""

import json

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.runs import own_table
from keras_elastor_command import main
from tests.assertions import raises_value_error


def table(rows=600):
    generator = np.random.default_rng(0)
    item, price = generator.integers(0, 5, rows), generator.normal(10.0, 2.0, rows)
    click = generator.random(rows) < 1 / (1 + np.exp(2.0 - item))
    return pl.DataFrame(
        {
            "item": [f"i{i}" for i in item],
            "price": price,
            "day": np.arange(rows) // 20,
            "click": click.astype(int),
        }
    )


TRAIN = ["train", "--table", "clicks.csv", "--label", "click", "--model", "dnn"]
COMPARE = ["compare", "--table", "clicks.csv", "--label", "click"]
ARGUMENTS = {"label": "click", "drop": ["day"], "numeric": ["price"]}


def test_parts_are_those_of_the_split_and_fitted_on_the_training_rows():
    rows = table().with_columns(
        item=pl.when(pl.col("day") >= 24).then(pl.lit("new")).otherwise("item")
    )
    data = ke.datasets.from_table(
        rows, "click", 0.1, 0.1, split_by="time", split_column="day", numeric=["price"]
    )
    assert [len(split) for split in (data.train, data.valid, data.test)] == [480, 60, 60]
    assert "day" not in data.schema.names
    # A value of the last days is unknown, as it would be in production.
    assert set(data.valid.features["item"].tolist()) == {data.schema["item"].vocabulary_size - 1}
    np.testing.assert_allclose(data.train.features["price"].mean(), 0.0, atol=1e-6)
    np.testing.assert_array_equal(data.test.labels, rows["click"][540:].to_numpy())


@pytest.mark.backend_free
def test_a_result_is_kept_and_asked_raw_rows(tmp_path):
    data = ke.datasets.from_table(table(), **ARGUMENTS)
    protocol = ke.training.KerasProtocol({"name": "adam", "learning_rate": 0.03}, loss=None)
    arguments = {"protocol": protocol, "epochs": 3, "folder": tmp_path, "batch_size": 64}
    result = ke.runs.train(data, "dnn", {"hidden_units": [8]}, **arguments)
    assert result.metrics["test"]["auc"] > 0.6
    predictor = ke.Predictor.from_run(result.folder)
    found = predictor.predict(table().head(3).drop("click"))["click"]
    split = data.table.split(table().head(3))
    expected = predictor.predict_features(split.features)["click"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # The same rows and arguments are the same run, other rows another.
    again = ke.runs.train(data, "dnn", {"hidden_units": [8]}, **arguments)
    assert again == result
    other = ke.datasets.from_table(table(), **ARGUMENTS, seed=1)
    longer = ke.runs.train(other, "dnn", {"hidden_units": [8]}, **arguments)
    assert longer.folder != result.folder


@pytest.mark.backend_free
def test_training_rows_with_others_beside_them(tmp_path):
    train, valid = ke.data.train_test_split(table(), 0.3)
    encoded = ke.data.from_dataframe(train, **ARGUMENTS)
    found = ke.runs.compare(
        encoded,
        [0],
        ["logistic_regression", "fm"],
        valid=valid,
        epochs=1,
        folder=tmp_path,
        num_resamples=20,
    )
    assert [model.split for model in found.models] == ["valid", "valid"]
    assert (found.folder / "table.md").is_file()


@pytest.mark.backend_free
def test_what_is_missing_is_named(tmp_path):
    encoded = ke.data.from_dataframe(table(), **ARGUMENTS)
    with raises_value_error("`valid`", "from_table"):
        ke.runs.train(encoded)
    with raises_value_error("ke.datasets.from_table", "DataFrame"):
        ke.runs.train(table())
    data = ke.datasets.from_table(table(), **ARGUMENTS)
    with raises_value_error("split already"):
        ke.runs.train(data, valid=table())
    with raises_value_error("clik", "item, price"):
        ke.datasets.from_table(table(), label="clik")
    with raises_value_error("0.9", "0.2"):
        ke.datasets.from_table(table(), "click", valid_size=0.9, test_size=0.2)


@pytest.mark.backend_free
def test_a_count_is_trained_on_as_a_count(tmp_path):
    rows = table().with_columns(clicks=pl.col("click") * 3).drop("click")
    data = ke.datasets.from_table(rows, ke.Label("clicks", "count"), drop=["day"])
    protocol = ke.training.KerasProtocol(loss=None, monitor={"deviance": -1.0})
    result = ke.runs.train(data, "dnn", protocol=protocol, epochs=1, folder=tmp_path)
    assert set(result.metrics["test"]) == {"deviance", "mae", "rmse"}


class TestCommands:
    pytestmark = pytest.mark.backend_free

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        table().write_csv("clicks.csv")

    def test_infer_writes_what_a_person_would(self, capsys):
        arguments = ["infer", "clicks.csv", "--label", "click", "--output"]
        assert main([*arguments, "recipe.yaml"]) == 0
        with open("recipe.yaml") as file:
            lines = file.read().splitlines()
        assert "- {type: CategoricalColumn, name: item}" in lines
        assert lines[-1] == "label: click"
        assert "train --table clicks.csv --recipe recipe.yaml" in capsys.readouterr().out
        assert main([*arguments, "recipe.json"]) == 0
        with open("recipe.json") as file:
            recipe = ke.data.Recipe.from_config(json.load(file))
        assert recipe == ke.data.infer_recipe(ke.datasets.table.read_table("clicks.csv"), "click")

    def test_train_on_a_table(self, capsys):
        train = ["train", "--table", "clicks.csv", "--model", "dnn", "--epochs", "1", "--quiet"]
        hidden = ["--set", "model.arguments.hidden_units=[8]"]
        assert main([*train, *hidden, "--label", "click"]) == 0
        shown = capsys.readouterr().out
        assert "item    category" in shown
        run = shown.split("Everything is in ")[1].strip()
        config = ke.runs.RunConfig.from_file(f"{run}/config.json")
        assert config.batch_size == 64
        assert config.protocol == ke.training.KerasProtocol(loss=None)
        assert main(["predict", run, "clicks.csv", "found.csv", "--quiet"]) == 0
        assert pl.read_csv("found.csv")["probability"].is_between(0, 1).all()
        assert main(["evaluate", run, "--quiet"]) == 0
        assert main(["infer", "clicks.csv", "--label", "click", "--output", "mine.yaml"]) == 0
        assert main([*train, *hidden, "--recipe", "mine.yaml"]) == 0

    def test_compare_on_a_table(self, capsys, monkeypatch):
        pytest.importorskip("sklearn")
        monkeypatch.setattr(own_table, "MODELS", ("logistic_regression", "fm"))
        compare = ["compare", "--table", "clicks.csv", "--label", "click", "--epochs", "1"]
        compare += ["--seeds", "0", "--quiet"]
        assert main([*compare, "--time-budget", "1h"]) == 0
        shown = capsys.readouterr().out
        assert [line.split(" | ")[0] for line in shown.splitlines() if line.startswith("| ")] == [
            "| model",
            "| gradient_boosting",
            "| logistic_regression",
            "| fm",
        ]
        assert "Left out" not in shown
        # What was finished stands in the table without training, however short the time.
        assert main([*compare, "--time-budget", "0.001s", "--no-floor"]) == 0
        shown = capsys.readouterr().out
        assert "| fm |" in shown
        assert "gradient_boosting" not in shown

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["compare", "--seeds", "0"], ["--models", "--table"]),
            ([*COMPARE, "--time-budget", "soon"], ["soon", "10m"]),
            ([*COMPARE, "--no-floor", "--models", "gradient_boosting"], ["--no-floor", "both"]),
            (["train", "--label", "click", "--model", "dnn"], ["--table"]),
            (["train", "--table", "a.csv", "--dataset", "synthetic", "--model", "dnn"], ["either"]),
            (["train", "--table", "a.csv", "--model", "dnn"], ["a.csv", "no such file"]),
            (["train", "--table", "clicks.csv", "--model", "dnn"], ["label", "item, price"]),
            (["infer", "clicks.csv", "--label", "x", "--output", "r.yaml"], ["x", "item, price"]),
            (["infer", "clicks.csv", "--label", "click", "--output", "r.txt"], [".yaml", "r.txt"]),
            (
                [*TRAIN, "--set", "dataset.arguments.split_bi=time"],
                ["split_bi", "split_by"],
            ),
        ],
    )
    def test_mistakes_are_one_line(self, arguments, words, capsys):
        assert main(arguments) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        for word in words:
            assert word in message

    def test_unreadable_tables_are_named(self):
        with open("bad.parquet", "wb") as file:
            file.write(b"PAR1 no")
        with raises_value_error("bad.parquet", "not a readable table"):
            ke.datasets.table.read_table("bad.parquet")
        with open("tabs.tsv", "w") as file:
            file.write("item\tclick\na\t1\n")
        assert ke.datasets.table.read_table("tabs.tsv").columns == ["item", "click"]
