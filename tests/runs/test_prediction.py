import gzip

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs.runner import RunFolder
from tests.assertions import raises_value_error
from tests.backends import call
from tests.runs.runs import make_config

pl = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def trained(finished):
    """A run on ids, its test rows and their probabilities."""
    config, result = finished
    data = ke.runs.load_data(config)
    features = {name: data.test.features[name] for name in data.schema.names}
    model = ke.runs.load_model(result.folder)
    probabilities = 1 / (1 + np.exp(-call(model, features)[:, 0].astype("float64")))
    return result.folder, pl.DataFrame(features), probabilities


@pytest.mark.parametrize(
    ("source", "target"), [("csv", "parquet"), ("csv.gz", "csv"), ("parquet", "csv")]
)
def test_rows_come_back_with_probabilities(trained, tmp_path, source, target):
    folder, rows, probabilities = trained
    # Whatever else is in the file is kept as it is.
    rows = rows.with_columns(note=pl.Series([f"007, {i}" for i in range(len(rows))]))
    path = tmp_path / f"rows.{source}"
    text = rows.write_csv().encode()
    if source == "parquet":
        rows.write_parquet(path)
    else:
        path.write_bytes(gzip.compress(text) if source == "csv.gz" else text)
    out = tmp_path / f"out.{target}"
    assert ke.runs.predict_file(folder, path, out, batch_size=40) == len(rows)
    result = pl.read_csv(out) if target == "csv" else pl.read_parquet(out)
    assert result.columns == [*rows.columns, "probability"]
    np.testing.assert_allclose(result["probability"].to_numpy(), probabilities, atol=1e-6)
    assert result["note"].to_list() == rows["note"].to_list()
    assert [p.name for p in sorted(tmp_path.iterdir())] == sorted([path.name, out.name])


class TestWrongInput:
    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("item", "30", ["line 73", "'item'", "an id from 0 to 29", "'30'"]),
            ("item", "x", ["line 73", "'item'", "a whole number", "'x'"]),
            ("item", "", ["line 73", "'item'", "an empty field"]),
            ("number_1", "3,5", ["line 73", "'number_1'", "a finite number", "'3,5'"]),
            ("number_1", "inf", ["line 73", "a finite number"]),
        ],
    )
    def test_values_are_named_and_nothing_is_written(self, trained, tmp_path, column, value, words):
        folder, rows, _ = trained
        texts = rows[column].cast(pl.String).to_list()
        texts[71] = value
        path = tmp_path / "rows.csv"
        rows.with_columns(pl.Series(column, texts)).write_csv(path)
        with raises_value_error(str(path), *words):
            ke.runs.predict_file(folder, path, tmp_path / "out.csv", batch_size=50)
        assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]

    def test_columns(self, trained, tmp_path):
        folder, rows, _ = trained
        rows.drop("item", "user").write_csv(tmp_path / "rows.csv")
        with raises_value_error("Missing: user, item"):
            ke.runs.predict_file(folder, tmp_path / "rows.csv", tmp_path / "out.csv")
        rows.with_columns(probability=0.5).write_csv(tmp_path / "rows.csv")
        with raises_value_error("'probability'", "Rename"):
            ke.runs.predict_file(folder, tmp_path / "rows.csv", tmp_path / "out.csv")

    def test_lines(self, trained, tmp_path):
        folder, rows, _ = trained
        path = tmp_path / "rows.csv"
        path.write_text(rows.write_csv() + "1,2\n")
        with raises_value_error(str(path), "line 130", f"{rows.width} fields", "2 fields"):
            ke.runs.predict_file(folder, path, tmp_path / "out.csv")
        assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]

    def test_files(self, trained, tmp_path):
        folder, rows, _ = trained
        with raises_value_error("out.txt", ".csv or .parquet"):
            ke.runs.predict_file(folder, "rows.csv", tmp_path / "out.txt")
        with pytest.raises(FileNotFoundError, match="no such file"):
            ke.runs.predict_file(folder, tmp_path / "rows.csv", tmp_path / "out.csv")
        rows.head(0).write_parquet(tmp_path / "rows.parquet")
        with raises_value_error("none"):
            ke.runs.predict_file(folder, tmp_path / "rows.parquet", tmp_path / "out.csv")


class TestSchemaOnly:
    def encode(self, frame, *features, vocabularies=None):
        schema = ke.FeatureSchema(features)
        return ke.data.Preprocessor.from_schema(schema, vocabularies).encode(frame)

    def test_raw_values_by_vocabulary(self):
        words = ke.data.Vocabulary(("b", "a"))
        numbers = ke.data.Vocabulary((70, 50))
        frame = pl.DataFrame({"w": ["a", "z", ""], "n": ["50", "70", "1"], "h": ["50 1", "", "70"]})
        features, bad = self.encode(
            frame,
            ke.Categorical("w", words.size),
            ke.Categorical("n", numbers.size),
            ke.Sequence("h", numbers.size, 3, table="n"),
            vocabularies={"w": words, "n": numbers},
        )
        assert not bad
        np.testing.assert_array_equal(features["w"], [2, 3, 3])
        np.testing.assert_array_equal(features["n"], [2, 1, 3])
        np.testing.assert_array_equal(features["h"], [[2, 3, 0], [0, 0, 0], [1, 0, 0]])

    @pytest.mark.parametrize("as_text", [False, True])
    def test_lists_of_ids_and_vectors(self, as_text):
        lists = {"h": [[1, 2, 3], [], [4]], "v": [[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]]}
        if as_text:
            lists = {
                name: [" ".join(map(str, x)) for x in values] for name, values in lists.items()
            }
        features, _ = self.encode(pl.DataFrame(lists), ke.Sequence("h", 5, 2), ke.Embedding("v", 2))
        np.testing.assert_array_equal(features["h"], [[2, 3], [0, 0], [4, 0]])
        np.testing.assert_array_equal(features["v"], [[0.5, 1], [2, 3], [4, 5]])
        assert features["h"].dtype == np.int32
        assert features["v"].dtype == np.float32

    @pytest.mark.parametrize(
        ("values", "feature", "words"),
        [
            ([[1], [9]], ke.Sequence("x", 5, 2), ["an id from 0 to 4", "[9]"]),
            ([[1], [None]], ke.Sequence("x", 5, 2), ["an id from 0 to 4", "[None]"]),
            (["1", "1 b"], ke.Sequence("x", 5, 2), ["a list of whole numbers", "'1 b'"]),
            ([[1.0], [1.0, 2.0]], ke.Embedding("x", 1), ["1 numbers", "[1.0, 2.0]"]),
            ([[1.0], None], ke.Embedding("x", 1), ["1 numbers", "an empty field"]),
            ([[1.0], [float("nan")]], ke.Embedding("x", 1), ["1 finite numbers", "[nan]"]),
            ([1.0, None], ke.Numeric("x"), ["a finite number", "an empty field"]),
            ([1, 2.5], ke.Categorical("x", 5), ["a whole number", "2.5"]),
        ],
    )
    def test_wrong_values(self, values, feature, words):
        _, (problem,) = self.encode(pl.DataFrame({"x": values}, strict=False), feature)
        assert (problem.row, problem.column) == (1, "x")
        assert [problem.expected, problem.received] == words


def test_vocabularies_travel_with_the_run(tmp_path):
    config = make_config(tmp_path)
    data = ke.runs.load_data(config)
    words = ke.data.Vocabulary(("b", "a"))
    folder = RunFolder(config)
    preprocessor = ke.data.Preprocessor.from_schema(data.schema, {"item": words})
    with folder.locked():
        folder.create(ke.runs.Data(data.schema, *[data.train] * 3, preprocessor))
    saved = ke.data.Preprocessor.load(folder.path / "preprocessor")
    assert saved.vocabularies == {"item": words}
    assert saved == preprocessor


def test_a_run_needs_no_file_of_vectors(tmp_path):
    config = make_config(tmp_path)
    data = ke.runs.load_data(config)
    file = tmp_path / "vectors.parquet"
    pl.DataFrame({"id": [7], "vector": [[0.5, 2.0]]}).write_parquet(file)
    recipe = ke.data.Recipe([ke.data.PretrainedColumn("item", file, dim=2)], label="click")
    rows = pl.DataFrame({"item": [7, 8], "click": [0, 1]})
    table = ke.data.from_dataframe(rows, recipe=recipe)
    folder = RunFolder(config)
    with folder.locked():
        folder.create(ke.runs.Data(table.schema, *[data.train] * 3, table.preprocessor))
        file.unlink()
        folder.create(ke.runs.Data(table.schema, *[data.train] * 3, table.preprocessor))
    saved = ke.data.Preprocessor.load(folder.path / "preprocessor")
    assert saved.features(rows)["item"].tolist() == [[0.5, 2.0], [0.0, 0.0]]
