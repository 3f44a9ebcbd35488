import json

import keras
import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call

ROWS = pl.DataFrame(
    {
        "user": [1, 2, 3, 1, 2, 3, 1, 2],
        "item": ["a", "b", "a", None, "c", "b", "a", "a"],
        "seen": [["b"], [], ["c", "a"], None, ["a"], ["a", "b", "c"], ["z"], []],
        "price": [1.5, None, -2.0, 0.0, 3.0, 1.0, 2.0, 0.5],
        "click": [1, 0, 0, 1, 0, 1, 1, 0],
        "like": [0, 0, 1, 1, 0, 0, 1, 0],
    }
)


@pytest.fixture(scope="module")
def data():
    return ke.data.from_dataframe(ROWS, label=("click", "like"))


@pytest.fixture(scope="module")
def predictor(data):
    keras.utils.set_random_seed(0)
    model = ke.models.RankElastor(data.schema, embedding_dim=4, num_blocks=1)
    return ke.Predictor(model, data.preprocessor)


def probabilities(predictor, data):
    logits = call(predictor.model, {name: data.train.features[name] for name in data.schema.names})
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def test_a_column_of_probabilities_per_label(predictor, data):
    expected = probabilities(predictor, data)
    found = predictor.predict(ROWS)
    assert list(found) == ["click", "like"]
    for task, name in enumerate(found):
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], expected[:, task], rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_chunks_and_batches_change_nothing(predictor, monkeypatch, rows):
    whole = predictor.predict(ROWS)["click"]
    monkeypatch.setattr("keras_elastor.runs.predictor._CHUNK", 3)
    part = predictor.predict(ROWS.head(rows).to_dicts(), batch_size=2)["click"]
    np.testing.assert_allclose(part, whole[:rows], rtol=1e-5)


def test_wrong_rows_are_counted_from_the_first(predictor, monkeypatch):
    monkeypatch.setattr("keras_elastor.runs.predictor._CHUNK", 3)
    prices = ["1"] * 7 + ["x"]
    with raises_value_error("Row 7", "'price'", "a finite number", "'x'"):
        predictor.predict(ROWS.with_columns(price=pl.Series(prices)))
    with raises_value_error("Missing: item"):
        predictor.predict(ROWS.drop("item"))
    with raises_value_error("none"):
        predictor.predict(ROWS.head(0))
    with raises_value_error("batch_size", "0"):
        predictor.predict(ROWS, batch_size=0)


def test_another_preprocessor_is_refused(predictor):
    other = ke.data.from_dataframe(ROWS.drop("seen"), label=("click", "like"))
    with raises_value_error("features", "seen"):
        ke.Predictor(predictor.model, other.preprocessor)


def test_what_the_folder_holds(predictor, tmp_path):
    for _ in range(2):
        predictor.save(tmp_path / "kept")
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {"model.keras", "predictor.json", "preprocessor"}
    described = json.loads((tmp_path / "kept" / "predictor.json").read_text())
    assert described["versions"]["keras-elastor"] == ke.__version__
    assert described["backend"] == keras.backend.backend()
    (tmp_path / "kept" / "model.keras").write_bytes(b"?")
    with raises_value_error("model.keras", "keras-elastor"):
        ke.Predictor.load(tmp_path / "kept")
    (tmp_path / "kept" / "model.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.keras"):
        ke.Predictor.load(tmp_path / "kept")


def test_of_a_run_and_for_files(finished, tmp_path):
    config, result = finished
    split = ke.runs.load_data(config).test
    predictor = ke.Predictor.from_run(result.folder)
    assert set(predictor.card["metrics"]) == {"valid", "test"}
    assert predictor.card["run"] == result.folder.name
    assert predictor.card["data"]["name"] == "synthetic"
    rows = pl.DataFrame({name: split.features[name] for name in predictor.preprocessor.sources})
    found = predictor.predict(rows)[predictor.labels[0]]
    auc = ke.metrics.exact_auc(split.labels, found)
    assert auc == pytest.approx(result.metrics["test"]["auc"], abs=1e-5)
    # A folder that was saved serves the files that a run serves.
    predictor.save(tmp_path / "kept")
    rows.write_csv(tmp_path / "rows.csv")
    for folder in (result.folder, tmp_path / "kept"):
        ke.runs.predict_file(folder, tmp_path / "rows.csv", tmp_path / "out.parquet")
        written = pl.read_parquet(tmp_path / "out.parquet")["probability"]
        np.testing.assert_allclose(written, found, rtol=1e-5)


def test_an_arrow_stream_is_predicted_batch_by_batch():
    pa = pytest.importorskip("pyarrow")
    rows = [{"item": item, "click": click} for item, click in (("a", 1), ("b", 0), ("c", 1))]
    data = ke.data.from_dataframe(rows, label="click")
    predictor = ke.Predictor(ke.models.LogisticRegression(data.schema), data.preprocessor)
    asked = pa.table({"item": ["a", "c", "z", "b", None]})
    expected = predictor.predict(asked)["click"]
    stream = pa.RecordBatchReader.from_batches(asked.schema, asked.to_batches(max_chunksize=2))
    np.testing.assert_array_equal(predictor.predict(stream)["click"], expected)
    wrong = pa.RecordBatchReader.from_batches(asked.schema, [])
    with pytest.raises(ValueError, match="Expected rows to predict"):
        predictor.predict(wrong)


def test_the_card_says_what_is_known(tmp_path):
    rows = [{"item": "a", "click": 1}, {"item": "b", "click": 0}]
    data = ke.data.from_dataframe(rows, label="click")
    model = ke.models.LogisticRegression(data.schema)
    made = ke.Predictor(model, data.preprocessor, card={"metrics": {"auc": 0.5}})
    made.save(tmp_path / "saved")
    card = ke.Predictor.load(tmp_path / "saved").card
    assert card == made.card
    assert card["metrics"] == {"auc": 0.5}
    assert card["model"] == "LogisticRegression"
    assert sum(card["parameters"].values()) == model.count_params()
    assert {"made", "backend", "versions", "machine"} <= set(card)
