"""Whatever writes says in one line what the disk refuses, and leaves nothing half written."""

import keras
import numpy as np
import pandas as pd
import pytest

import keras_elastor as ke
from keras_elastor.runs.run_folder import RunFolder, _bytes_of_weights
from tests.disks import largest_file
from tests.runs.runs import make_config

# What is written does not depend on the backend.
pytestmark = pytest.mark.backend_free

ROWS = {
    "item": [f"item {number:030d}" for number in range(400)],
    "price": np.linspace(0, 1, 400),
    "click": [0, 1] * 200,
}
RANKS = pd.DataFrame(
    [("encoder", "stable", "tokens", 3.0, 0.1, 2.0, 3.0, 4.0, 100)],
    columns=["stage", "kind", "view", "mean", "standard_error", "q10", "q50", "q90", "rows"],
)


@pytest.fixture(scope="module")
def predictor():
    data = ke.data.from_dataframe(ROWS, label="click")
    keras.utils.set_random_seed(0)
    model = ke.models.LogisticRegression(data.schema)
    return ke.Predictor(model, data.preprocessor)


@pytest.fixture(scope="module")
def files(predictor, tmp_path_factory):
    """A folder with what others read: raw rows and a predictor."""
    folder = tmp_path_factory.mktemp("files")
    pd.DataFrame(ROWS).to_csv(folder / "rows.csv", index=False)
    predictor.save(folder / "predictor")
    return folder


def predict(suffix):
    return lambda folder, files, predictor: ke.runs.predict_file(
        files / "predictor", files / "rows.csv", folder / f"out.{suffix}"
    )


WRITERS = {
    "Vocabulary": lambda folder, files, predictor: predictor.preprocessor.vocabularies["item"].save(
        folder / "words.json"
    ),
    "Preprocessor": lambda folder, files, predictor: predictor.preprocessor.save(folder / "saved"),
    "Predictor": lambda folder, files, predictor: predictor.save(folder / "saved"),
    "predict_file to CSV": predict("csv"),
    "predict_file to Parquet": predict("parquet"),
    "prepare": lambda folder, files, predictor: ke.data.prepare(
        {"train": files / "rows.csv"}, predictor.preprocessor.recipe, folder / "out", progress=False
    ),
    "run": lambda folder, files, predictor: ke.runs.run(make_config(folder)),
    "write_sample": lambda folder, files, predictor: ke.datasets.write_sample(
        "avazu_x4", folder, rows=100
    ),
    "write_sample of vectors": lambda folder, files, predictor: ke.datasets.write_sample(
        "kuaivideo_x1", folder, rows=2
    ),
    "picture": lambda folder, files, predictor: ke.analysis.plot_rank_trajectories(
        {"A": RANKS}, path=folder / "ranks.svg"
    ),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
class TestWriter:
    def test_a_disk_that_is_full(self, write, files, predictor, tmp_path):
        with largest_file(2000), pytest.raises(OSError, match="Cannot write ") as error:
            write(tmp_path, files, predictor)
        assert str(error.value).endswith("larger than allowed. Raise the limit and try again")
        assert [path for path in tmp_path.rglob("*") if path.name.startswith(".part")] == []
        write(tmp_path, files, predictor)

    def test_a_file_in_the_way(self, write, files, predictor, tmp_path):
        (tmp_path / "file").write_text("precious")
        with pytest.raises(OSError, match=r"^Cannot write .*file.*: .* Choose another") as error:
            write(tmp_path / "file", files, predictor)
        assert "\n" not in str(error.value)
        assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("name", ["Preprocessor", "Predictor", "Vocabulary", "predict_file to CSV"])
def test_what_was_there_before_stays(name, files, predictor, tmp_path):
    WRITERS[name](tmp_path, files, predictor)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with largest_file(2000), pytest.raises(OSError, match="Cannot write"):
        WRITERS[name](tmp_path, files, predictor)
    assert {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")} == before


def test_predict_file_into_no_folder(files, tmp_path):
    with pytest.raises(OSError, match=r"out\.csv: there is no such folder. Make it"):
        predict("csv")(tmp_path / "none", files, None)


@pytest.mark.parametrize("size", [0, 2000, 20_000, 50_000, 100_000, 200_000, 300_000])
def test_weights_for_which_there_is_no_room(size, tmp_path):
    # HDF5 itself would end the process.
    model = keras.Sequential([keras.Input((60,)), *(keras.layers.Dense(60) for _ in range(20))])
    folder = RunFolder(make_config(tmp_path))
    with largest_file(size), pytest.raises(OSError, match=r"^Cannot write .*larger than allowed"):
        folder.save_weights(model, tmp_path / "best.weights.h5")
    assert list(tmp_path.iterdir()) == []
    folder.save_weights(model, tmp_path / "best.weights.h5")
    assert _bytes_of_weights(model) > (tmp_path / "best.weights.h5").stat().st_size > 300_000


@pytest.mark.parametrize("size", [0, 300, 800, 1000, 2048, 4000, 6000, 10_000, 20_000])
def test_weights_that_end_at_any_place(size, predictor, tmp_path):
    model = keras.Sequential([keras.Input((60,)), keras.layers.Dense(60)])
    saver = ke.Predictor.__new__(ke.Predictor)
    saver.model, saver.preprocessor = model, predictor.preprocessor
    with largest_file(size), pytest.raises(OSError, match=r"^Cannot write .*larger than allowed"):
        saver.save(tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []
