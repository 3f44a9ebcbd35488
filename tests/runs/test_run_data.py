"""Runs on prepared folders, whose rows stay on the disk."""

import shutil

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs.run_folder import require_same_data
from tests.assertions import raises_value_error
from tests.backends import call
from tests.data.raw_files import RECIPE, make_rows, write_csv
from tests.runs.runs import make_config, power_cut, read_metrics

pl = pytest.importorskip("polars")


def prepare(folder, **rows):
    """Prepare raw rows in several shards."""
    files = {}
    for seed, (split, count) in enumerate(rows.items()):
        files[split] = write_csv(folder / f"{split}.csv", make_rows(count, seed))
    ke.data.prepare(files, RECIPE, folder / "out", segment_bytes=4_000, progress=False)
    return folder / "out"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"), train=600, valid=128, test=128)


def config_of(prepared, folder, **arguments):
    dataset = {"name": "prepared", "arguments": {"data_dir": str(prepared), **arguments}}
    return make_config(folder, dataset=dataset, epochs=2)


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    """A run on prepared rows that nothing has disturbed."""
    config = config_of(prepared, tmp_path_factory.mktemp("runs"))
    return config, ke.runs.run(config)


def test_metrics_are_those_of_the_rows(finished, prepared):
    _, result = finished
    assert result.steps == 20
    model = ke.runs.load_model(result.folder)
    for split in ("valid", "test"):
        metrics = ke.evaluate(model, ke.data.load(prepared, split, 64))
        assert result.metrics[split] == pytest.approx(metrics, abs=1e-6)


def test_resumes_at_the_same_rows(finished, prepared, tmp_path, monkeypatch):
    config = config_of(prepared, tmp_path)
    with power_cut(monkeypatch, 13):
        ke.runs.run(config)
    result = ke.runs.run(config)
    assert "from step 12\n" in (result.folder / "log.txt").read_text()
    files = [run.folder / "metrics.jsonl" for run in (result, finished[1])]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert result.metrics == finished[1].metrics
    assert len(read_metrics(result.folder)) == 2


def test_is_compared_on_the_labels_of_the_test_rows(finished, prepared):
    config, result = finished
    # The only run is there already.
    (model,) = ke.runs.compare([config], [config.seed], num_resamples=2).models
    assert model.values["auc"] == [result.metrics["test"]["auc"]]
    data = ke.runs.load_data(config)
    labels = pl.read_csv(prepared.parent / "test.csv")["click"].to_numpy()
    np.testing.assert_array_equal(data.test.labels, labels)
    assert (len(data.train), len(data.valid), len(data.test)) == (600, 128, 128)


def test_raw_rows_are_predicted_by_the_recipe(finished, prepared, tmp_path):
    _, result = finished
    path = write_csv(tmp_path / "raw.csv", make_rows(128, 2).drop("click", "weight"))
    ke.runs.predict_file(result.folder, path, tmp_path / "out.csv", batch_size=50)
    features, *_ = next(iter(ke.data.load(prepared, "test", 128)))
    model = ke.runs.load_model(result.folder)
    logits = call(model, {name: features[name].numpy() for name in model.schema.names})[:, 0]
    out = pl.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(out["probability"], 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert out.columns == [*pl.read_csv(path).columns, "probability"]


class TestIdentity:
    def test_follows_the_content_and_not_the_place(self, prepared, tmp_path):
        run_id = config_of(prepared, "runs").run_id
        shutil.copytree(prepared, tmp_path / "copy")
        assert config_of(tmp_path / "copy", "runs").run_id == run_id
        other = prepare(tmp_path, train=600, valid=127)
        assert config_of(other, "runs").run_id != run_id

    def test_other_rows_are_refused(self, finished, tmp_path):
        _, result = finished
        data = ke.runs.load_data(config_of(prepare(tmp_path, train=99, valid=9), "runs"))
        with pytest.raises(ke.runs.RunError, match=r"differs from that of the dataset"):
            require_same_data(result.folder, data)


class TestSplits:
    def test_test_rows_may_be_those_to_choose_by(self, tmp_path):
        folder = prepare(tmp_path, train=99, test=9)
        data = ke.runs.load_data(config_of(folder, "runs", valid="test"))
        assert len(data.valid) == len(data.test) == 9
        with raises_value_error(str(folder), "valid='valid'", "there are: train, test"):
            ke.runs.load_data(config_of(folder, "runs"))

    def test_without_test_rows_models_are_judged_on_the_others(self, tmp_path):
        folder = prepare(tmp_path, train=99, valid=9)
        data = ke.runs.load_data(config_of(folder, "runs"))
        assert (data.judged, len(data.test)) == ("valid", 0)

    def test_no_prepared_data(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"manifest\.json. Prepare it"):
            ke.runs.run(config_of(tmp_path, tmp_path / "runs"))
        with raises_value_error("'criteo_x1' must be prepared", "keras-elastor prepare"):
            ke.runs.load_data(make_config(tmp_path, dataset={"name": "criteo_x1"}))
