import json
import logging
import pathlib
import re

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.training.run_callback import RunCallback
from tests.assertions import raises_value_error
from tests.training.runs import make_config, make_config_with_dropout, read_metrics


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and its folder."""
    config = make_config(tmp_path_factory.mktemp("runs"))
    return config, ke.training.run(config)


class TestRecords:
    def test_files(self, finished):
        config, result = finished
        folder = result.folder
        assert folder == pathlib.Path(config.folder) / config.run_id
        names = {path.name for path in folder.iterdir()}
        assert names >= {
            "config.json",
            "schema.json",
            "versions.json",
            "metrics.jsonl",
            "best.weights.h5",
            "last.weights.h5",
            "logits.npy",
            "log.txt",
            "result.json",
            "table.md",
        }
        assert "checkpoints" not in names
        assert ke.training.RunConfig.from_file(folder / "config.json") == config
        versions = json.loads((folder / "versions.json").read_text())
        assert versions["backend"] == keras.backend.backend()
        assert versions["versions"]["keras"] == keras.__version__
        log = (folder / "log.txt").read_text()
        assert "Step 7, epoch 1: loss " in log
        assert "Finished" in log

    def test_evaluations(self, finished):
        _, result = finished
        lines = read_metrics(result.folder)
        assert [line["step"] for line in lines] == [7, 14, 21, 28]
        assert [line["epoch"] for line in lines] == [1, 2, 3, 3]
        assert set(lines[0]) == {
            *("step", "epoch", "learning_rate", "auc", "logloss", "gauc"),
            *("monitor", "gain", "loss"),
        }
        assert result.steps == 30
        best = max(lines, key=lambda line: line["auc"])
        assert result.best_step == best["step"]
        assert result.metrics["valid"]["auc"] == best["auc"]

    def test_best_weights_have_the_metrics_of_the_result(self, finished):
        config, result = finished
        data = ke.training.load_data(config)
        model = ke.training.load_model(result.folder)
        for split in ("valid", "test"):
            metrics = ke.evaluate(model, getattr(data, split).dataset(64))
            assert result.metrics[split] == pytest.approx(metrics, abs=1e-6)
        logits = np.load(result.folder / "logits.npy")
        assert logits.shape == (128, 1)
        auc = ke.metrics.exact_auc(data.test.labels, logits)
        assert result.metrics["test"]["auc"] == pytest.approx(auc, abs=1e-12)

    def test_table(self, finished):
        _, result = finished
        lines = (result.folder / "table.md").read_text().splitlines()
        assert lines[0] == "| split | auc | logloss | gauc |"
        assert lines[3].startswith(f"| test | {result.metrics['test']['auc']:.6f} |")

    def test_events(self, finished):
        pytest.importorskip("tensorboard")
        (path,) = (finished[1].folder / "tensorboard").iterdir()
        assert b"logloss" in path.read_bytes()

    def test_a_finished_run_is_not_repeated(self, finished, monkeypatch):
        config, result = finished
        monkeypatch.setattr("keras_elastor.training.runner.load_data", None)
        assert ke.training.run(config) == result


def test_the_same_seed_gives_the_same_bits(finished, tmp_path):
    _, first = finished
    # What the process has drawn before does not matter.
    keras.utils.set_random_seed(77)
    second = ke.training.run(make_config(tmp_path))
    files = [result.folder / "metrics.jsonl" for result in (first, second)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert first.metrics == second.metrics


def test_evaluates_per_epoch_and_stops(tmp_path):
    protocol = {"patience": 1, "min_delta": 1.0, "learning_rate": 0.01}
    result = ke.training.run(make_config(tmp_path, protocol=protocol, epochs=9))
    lines = read_metrics(result.folder)
    assert [line["step"] for line in lines] == [10, 20]
    assert [line["gain"] for line in lines] == [True, False]
    assert result.steps == 20
    assert result.best_step == 10


class PowerCutError(Exception):
    """Stands for a power cut."""


def stop_at(monkeypatch, step):
    """Let training fail after this step, as suddenly as Python can."""
    original = RunCallback.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        original(self, batch, logs)
        if self.step == step:
            raise PowerCutError

    monkeypatch.setattr(RunCallback, "on_train_batch_end", on_train_batch_end)


def assert_same(result, expected):
    lines, wanted = read_metrics(result.folder), read_metrics(expected.folder)
    for line, want in zip(lines, wanted, strict=True):
        assert line == pytest.approx(want, abs=1e-6)
    assert result.metrics["test"] == pytest.approx(expected.metrics["test"], abs=1e-6)
    assert (result.steps, result.best_step) == (expected.steps, expected.best_step)


def run_with_a_stop(config, step, monkeypatch):
    """Stop after a step, call again, and check from where it went on."""
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(PowerCutError):
            ke.training.run(config)
    result = ke.training.run(config)
    # The power cut comes after the step's own checkpoint.
    checkpoint = max(step // 4 * 4, step // 7 * 7)
    assert f"from step {checkpoint}\n" in (result.folder / "log.txt").read_text()
    return result


@pytest.mark.parametrize(
    "step", [7, *(pytest.param(step, marks=pytest.mark.slow) for step in (1, 10, 13, 29))]
)
def test_resumes_after_any_step(finished, tmp_path, monkeypatch, step):
    config = make_config(tmp_path)
    assert_same(run_with_a_stop(config, step, monkeypatch), finished[1])


def test_resumes_the_random_numbers(tmp_path, monkeypatch):
    expected = ke.training.run(make_config_with_dropout(tmp_path / "a"))
    result = run_with_a_stop(make_config_with_dropout(tmp_path / "b"), 13, monkeypatch)
    assert_same(result, expected)


def test_a_damaged_checkpoint_falls_back_and_says_so(finished, tmp_path, monkeypatch):
    config = make_config(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, 22)
        with pytest.raises(PowerCutError):
            ke.training.run(config)
    folder = tmp_path / config.run_id
    newest = max((folder / "checkpoints").glob("step_*.npz"))
    newest.write_bytes(newest.read_bytes()[:-100])
    result = ke.training.run(config)
    log = (folder / "log.txt").read_text()
    assert f"{newest.name} is damaged" in log
    assert "from step 20" in log
    assert result.metrics["test"] == pytest.approx(finished[1].metrics["test"], abs=1e-6)


def test_a_wish_to_stop_saves_and_says_how_to_continue(finished, tmp_path, monkeypatch):
    config = make_config(tmp_path, checkpoint_steps=None)
    original = RunCallback.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        self.interrupts.wanted = self.step + 1 == 5
        original(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(RunCallback, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(
            ke.training.RunInterruptedError, match=r"after step 5.*the same call continues"
        ):
            ke.training.run(config)
    result = ke.training.run(config)
    assert "from step 5" in (result.folder / "log.txt").read_text()
    assert result.metrics["test"] == pytest.approx(finished[1].metrics["test"], abs=1e-6)


class TestFailure:
    def test_nan_is_traced_to_the_step_and_the_layer(self, tmp_path):
        config = make_config(tmp_path)
        data = ke.training.load_data(config)
        # Finite, as is the loss, but its gradient is not.
        data.train.features["number_1"][:] = 1e25
        with pytest.raises(ke.training.NonFiniteLossError) as error:
            ke.training.run(config, data)
        message = str(error.value)
        report = json.loads((tmp_path / config.run_id / "nan.json").read_text())
        assert f"step {report['step']}, first in the {report['where']}" in message
        assert report["step"] == 2
        assert re.fullmatch("weight '.*' of layer 'encoder'", report["where"])
        assert report["batch"]["number_1"]["mean"] == pytest.approx(1e25)
        assert "those of 'number_1', from" in message
        assert "\n" not in message

    def test_data_that_have_changed(self, tmp_path, monkeypatch):
        config = make_config(tmp_path)
        with monkeypatch.context() as patch:
            stop_at(patch, 2)
            with pytest.raises(PowerCutError):
                ke.training.run(config)
        path = tmp_path / config.run_id / "schema.json"
        path.write_text(path.read_text().replace("30", "31"))
        with pytest.raises(ke.training.RunError, match="data have changed"):
            ke.training.run(config)

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "runs").write_text("a file")
        with pytest.raises(ke.training.RunError, match=r"Cannot write .*runs"):
            ke.training.run(make_config(tmp_path / "runs"))

    def test_two_processes_in_one_folder(self, tmp_path):
        fcntl = pytest.importorskip("fcntl")
        config = make_config(tmp_path)
        folder = tmp_path / config.run_id
        folder.mkdir()
        with open(folder / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(ke.training.RunError, match="Another process is running"):
                ke.training.run(config)

    def test_an_evaluation_that_would_never_come(self, tmp_path):
        with raises_value_error("evaluate_every", "at most the 30 steps", "31"):
            ke.training.run(make_config(tmp_path, protocol={"evaluate_every": 31}))

    def test_validation_rows_of_one_class(self, tmp_path):
        config = make_config(tmp_path, epochs=1)
        data = ke.training.load_data(config)
        data.valid.labels[:] = 0
        with (
            pytest.warns(UserWarning, match="nan"),
            pytest.raises(ke.training.RunError, match=r"monitored auc.*clicks and non-clicks"),
        ):
            ke.training.run(config, data)

    def test_load_model_of_no_run(self, tmp_path):
        with raises_value_error(str(tmp_path), "config.json"):
            ke.training.load_model(tmp_path)


def test_the_log_ends_with_the_run(finished):
    assert not [
        handler
        for handler in logging.getLogger("keras_elastor").handlers
        if isinstance(handler, logging.FileHandler)
    ]
