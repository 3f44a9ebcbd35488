"""Pretrained vectors: the same by every way into the library, and wrong files named."""

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

FRAME = pl.DataFrame(
    {"item": [11, 12, None, 99], "click": [1, 0, 0, 1], "price": [1.0, 2.0, 3.0, 4.0]}
)
VECTORS = {"11": [0.5, -1.0, 2.0], "12": [3.0, 0.25, 0.0]}
EXPECTED = [VECTORS["11"], VECTORS["12"], [0.0] * 3, [0.0] * 3]


def write(path, ids, vectors):
    pl.DataFrame({"id": ids, "vector": vectors}).write_parquet(path)
    return path


def recipe_of(path, **arguments):
    arguments = {"dim": 3, "key": "item", "dtype": "integer", **arguments}
    columns = [
        ke.data.CategoricalColumn("item", dtype="integer"),
        ke.data.PretrainedColumn("vector", path, **arguments),
    ]
    return ke.data.Recipe(columns, label="click")


@pytest.mark.parametrize("ids", [[11, 12], ["11", "12"], [11.0, 12.0]])
def test_every_way_gives_the_same_vectors(tmp_path, ids):
    path = write(tmp_path / "vectors.parquet", ids, list(VECTORS.values()))
    recipe = recipe_of(path)
    assert ke.data.Recipe.from_json(recipe.to_json()) == recipe
    table = ke.data.from_dataframe(FRAME, recipe=recipe)
    assert table.schema["vector"] == ke.Embedding("vector", 3)
    assert table.train.features["vector"].dtype == np.float32
    assert table.train.features["vector"].tolist() == EXPECTED
    FRAME.write_csv(tmp_path / "rows.csv")
    for _ in range(2):  # The second call finds the work of the first one.
        ke.data.prepare(
            {"train": tmp_path / "rows.csv"}, recipe, tmp_path / "prepared", progress=False
        )
    (features, _), *_ = ke.data.load(tmp_path / "prepared", "train", batch_size=4)
    assert features["vector"].numpy().tolist() == EXPECTED
    model = ke.models.FM(table.schema, embedding_dim=4)
    model.compile()
    model.fit(table.train.features, table.train.labels, verbose=0)
    predictor = ke.Predictor(model, table.preprocessor)
    predictor.save(tmp_path / "predictor")
    expected = predictor.predict(FRAME)["click"]
    # What is saved needs the file no more.
    path.unlink()
    prepared = ke.data.Preprocessor.load(tmp_path / "prepared")
    assert prepared.features(FRAME)["vector"].tolist() == EXPECTED
    loaded = ke.Predictor.load(tmp_path / "predictor")
    np.testing.assert_allclose(loaded.predict(FRAME.to_pandas())["click"], expected, rtol=1e-6)
    ke.runs.predict_file(tmp_path / "predictor", tmp_path / "rows.csv", tmp_path / "out.csv")
    np.testing.assert_allclose(
        pl.read_csv(tmp_path / "out.csv")["probability"], expected, rtol=1e-6
    )
    extended = loaded.preprocessor.extend({"item": [77]})
    assert extended.features(FRAME)["vector"].tolist() == EXPECTED
    grown = ke.models.grow(loaded.model, extended.schema)
    np.testing.assert_allclose(
        ke.Predictor(grown, extended).predict(FRAME.head(2))["click"], expected[:2], rtol=1e-5
    )


def test_other_vectors_are_another_preparation(tmp_path):
    path = write(tmp_path / "vectors.parquet", [11, 12], list(VECTORS.values()))
    FRAME.write_parquet(tmp_path / "rows.parquet")
    files = {"train": tmp_path / "rows.parquet"}
    ke.data.prepare(files, recipe_of(path), tmp_path / "prepared", progress=False)
    write(path, [11, 12], [[0.0] * 3, [1.0] * 3])
    with pytest.raises(FileExistsError, match="options"):
        ke.data.prepare(files, recipe_of(path), tmp_path / "prepared", progress=False)


@pytest.mark.backend_free
class TestFiles:
    def test_rows_of_a_matrix_are_ids(self, tmp_path):
        path = tmp_path / "vectors.npy"
        np.save(path, np.arange(39, dtype="float64").reshape(13, 3))
        table = ke.data.from_dataframe(FRAME, recipe=recipe_of(path))
        assert table.train.features["vector"][:2].tolist() == [[33, 34, 35], [36, 37, 38]]
        assert not table.train.features["vector"][2:].any()

    def test_columns_of_other_names_and_arrays(self, tmp_path):
        path = tmp_path / "vectors.parquet"
        arrays = pl.Series(list(VECTORS.values()), dtype=pl.Array(pl.Float32, 3))
        pl.DataFrame({"asin": [11, 12], "clip": arrays}).write_parquet(path)
        recipe = recipe_of(path, id_column="asin", vector_column="clip")
        table = ke.data.from_dataframe(FRAME, recipe=recipe)
        assert table.train.features["vector"].tolist() == EXPECTED
        with raises_value_error("vectors.parquet", "'id' and 'vector'", "asin, clip"):
            ke.data.from_dataframe(FRAME, recipe=recipe_of(path))

    @pytest.mark.parametrize(
        ("ids", "vectors", "words"),
        [
            ([11, 12], [[1.0] * 3, [1.0] * 2], ["row 1", "3 numbers", "(2,)"]),
            ([11, 12], [[1.0] * 3, None], ["row 1", "3 numbers", "none"]),
            ([11, 12], [[1.0] * 3, [1.0, None, 2.0]], ["row 1", "None"]),
            ([11, 12], [[1.0] * 3, [1.0, float("nan"), 2.0]], ["row 1", "finite"]),
            ([11, 11], [[1.0] * 3] * 2, ["row 1", "once", "11"]),
            ([11, None], [[1.0] * 3] * 2, ["row 1", "an id"]),
            ([11, 12], ["a", "b"], ["row 0", "3 numbers"]),
        ],
    )
    def test_what_is_wrong_in_a_file_is_named(self, tmp_path, ids, vectors, words):
        path = write(tmp_path / "vectors.parquet", ids, vectors)
        with raises_value_error("vectors.parquet", *words):
            ke.data.from_dataframe(FRAME, recipe=recipe_of(path))

    def test_what_is_no_file_of_vectors_is_named(self, tmp_path):
        path = tmp_path / "vectors.npy"
        np.save(path, np.zeros(3))
        with raises_value_error("vectors.npy", "matrix (ids, 3)", "shape (3,)"):
            ke.data.from_dataframe(FRAME, recipe=recipe_of(path))
        path.write_text("no vectors")
        with raises_value_error("vectors.npy", "not a readable file of vectors"):
            ke.data.from_dataframe(FRAME, recipe=recipe_of(path))
        with pytest.raises(FileNotFoundError, match="nothing"):
            ke.data.from_dataframe(FRAME, recipe=recipe_of(tmp_path / "nothing.npy"))

    def test_wrong_arguments_are_named(self):
        with raises_value_error("'v'", "dim", "0"):
            ke.data.PretrainedColumn("v", "vectors.npy", dim=0)
        with raises_value_error("'v'", "vectors", "3"):
            ke.data.PretrainedColumn("v", 3, dim=1)
        with raises_value_error("'v'", "dtype", "'float'"):
            ke.data.PretrainedColumn("v", "vectors.npy", dim=1, dtype="float")
