import json
import logging
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs.interrupts import Interrupts
from keras_elastor.runs.run_callback import RunCallback
from keras_elastor.runs.run_folder import RunFolder
from tests.assertions import raises_value_error
from tests.disks import largest_file
from tests.runs.runs import PROTOCOLS, assert_same, make_config, power_cut, read_metrics


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
        assert ke.runs.RunConfig.from_file(folder / "config.json") == config
        versions = json.loads((folder / "versions.json").read_text())
        assert versions["backend"] == keras.backend.backend()
        assert versions["versions"]["keras"] == keras.__version__
        log = (folder / "log.txt").read_text()
        assert "Step 7, epoch 1: loss " in log
        assert "Finished" in log

    def test_evaluations(self, finished):
        _, result = finished
        lines = read_metrics(result.folder)
        assert [line["step"] for line in lines] == [7, 14]
        assert [line["epoch"] for line in lines] == [1, 2]
        assert set(lines[0]) == {
            *("step", "epoch", "learning_rate", "auc", "logloss", "gauc"),
            *("monitor", "gain", "loss"),
        }
        assert result.steps == 20
        best = max(lines, key=lambda line: line["auc"])
        assert result.best_step == best["step"]
        assert result.metrics["valid"]["auc"] == best["auc"]

    def test_best_weights_have_the_metrics_of_the_result(self, finished):
        config, result = finished
        data = ke.runs.load_data(config)
        model = ke.runs.load_model(result.folder)
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
        monkeypatch.setattr("keras_elastor.runs.runner.load_data", None)
        assert ke.runs.run(config) == result


def test_evaluates_per_epoch_and_stops(tmp_path):
    protocol = {"patience": 1, "min_delta": 1.0, "learning_rate": 0.01}
    result = ke.runs.run(make_config(tmp_path, protocol=protocol, epochs=9))
    lines = read_metrics(result.folder)
    assert [line["step"] for line in lines] == [10, 20]
    assert [line["gain"] for line in lines] == [True, False]
    assert result.steps == 20
    assert result.best_step == 10


@pytest.fixture(scope="module", params=sorted(PROTOCOLS))
def disturbed(request, tmp_path_factory, finished_by):
    """A run that was stopped in an evaluation, lost power and a checkpoint, and was called again.

    Its log after each of the three calls, and a run that nothing has disturbed.
    """
    config = make_config(tmp_path_factory.mktemp("disturbed"), protocol=PROTOCOLS[request.param])
    undisturbed = finished_by(request.param)[1]
    folder = pathlib.Path(config.folder) / config.run_id
    # What the process has drawn before does not matter.
    keras.utils.set_random_seed(77)
    original, logs = RunCallback.evaluate_now, []

    def evaluate_now(self):
        self.interrupts.pressed = True
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunCallback, "evaluate_now", evaluate_now)
        with pytest.raises(
            ke.runs.RunInterruptedError, match=r"in an evaluation.*the same call continues"
        ):
            ke.runs.run(config)
        logs.append((folder / "log.txt").read_text())
        patch.undo()
        with power_cut(patch, 18):
            ke.runs.run(config)
        logs.append((folder / "log.txt").read_text())
    newest = max((folder / "checkpoints").glob("step_*.npz"))
    newest.write_bytes(newest.read_bytes()[:-100])
    result = ke.runs.run(config)
    logs.append((folder / "log.txt").read_text())
    return result, logs, undisturbed


class TestResume:
    def test_gives_the_same_bits(self, disturbed):
        result, _, undisturbed = disturbed
        files = [run.folder / "metrics.jsonl" for run in (result, undisturbed)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert result.metrics == undisturbed.metrics
        assert_same(result, undisturbed)

    def test_an_evaluation_that_was_stopped_is_made_up_for(self, disturbed):
        _, (first, second, _), _ = disturbed
        assert "Step 7" not in first
        assert "from step 7\n" in second
        assert second.index("from step 7\n") < second.index("Step 7, epoch 1: loss ")

    def test_a_damaged_checkpoint_falls_back_and_says_so(self, disturbed):
        _, (_, second, third), _ = disturbed
        assert "is damaged" not in second
        assert "step_0000000016.npz is damaged" in third
        assert "from step 14\n" in third

    @pytest.mark.slow
    @pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
    @pytest.mark.parametrize("step", [1, 7, 10, 13, 19])
    def test_after_any_step(self, step, protocol, finished_by, tmp_path, monkeypatch):
        config = make_config(tmp_path, protocol=PROTOCOLS[protocol])
        with power_cut(monkeypatch, step):
            ke.runs.run(config)
        result = ke.runs.run(config)
        # The power cut comes after the step's own checkpoint.
        checkpoint = max(step // 4 * 4, step // 7 * 7)
        assert f"from step {checkpoint}\n" in (result.folder / "log.txt").read_text()
        assert_same(result, finished_by(protocol)[1])


class TestFailure:
    def test_nan_is_traced_to_the_step_and_the_layer(self, tmp_path):
        config = make_config(tmp_path)
        data = ke.runs.load_data(config)
        # Finite, as is the loss, but its gradient is not.
        data.train.features["number_1"][:] = 1e25
        with pytest.raises(ke.runs.NonFiniteLossError) as error:
            ke.runs.run(config, data)
        message = str(error.value)
        report = json.loads((tmp_path / config.run_id / "nan.json").read_text())
        assert f"step {report['step']}, first in the {report['where']}" in message
        assert report["step"] == 2
        assert re.fullmatch("weight '.*' of layer 'encoder'", report["where"])
        assert report["batch"]["number_1"]["mean"] == pytest.approx(1e25)
        assert "those of 'number_1', from" in message
        assert "\n" not in message

    def test_data_that_have_changed(self, tmp_path):
        config = make_config(tmp_path)
        folder = RunFolder(config)
        with folder.locked():
            folder.create(ke.runs.load_data(config))
        path = folder.path / "schema.json"
        path.write_text(path.read_text().replace("30", "31"))
        with pytest.raises(ke.runs.RunError, match="data have changed"):
            ke.runs.run(config)
        path.write_text("{")
        with pytest.raises(ke.runs.RunError, match=r"schema\.json, line 1.*damaged"):
            ke.runs.run(config)

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "runs").write_text("a file")
        with pytest.raises(OSError, match=r"Cannot write .*runs"):
            ke.runs.run(make_config(tmp_path / "runs"))

    def test_two_processes_in_one_folder(self, tmp_path):
        fcntl = pytest.importorskip("fcntl")
        config = make_config(tmp_path)
        folder = tmp_path / config.run_id
        folder.mkdir()
        with open(folder / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(RuntimeError, match="another process is writing"):
                ke.runs.run(config)

    def test_an_evaluation_that_would_never_come(self, tmp_path):
        with raises_value_error("evaluate_every", "at most the 20 steps", "21"):
            ke.runs.run(make_config(tmp_path, protocol={"evaluate_every": 21}))

    # `pytest.warns` would keep each of TensorFlow's many warnings, which takes seconds.
    @pytest.mark.filterwarnings("ignore:.*nan")
    def test_validation_rows_of_one_class(self, tmp_path):
        config = make_config(tmp_path, epochs=1)
        data = ke.runs.load_data(config)
        data.valid.labels[:] = 0
        with pytest.raises(ke.runs.RunError, match=r"monitored auc.*clicks and non-clicks"):
            ke.runs.run(config, data)

    def test_load_model_of_no_run(self, tmp_path):
        with raises_value_error(str(tmp_path), "config.json"):
            ke.runs.load_model(tmp_path)

    def test_load_model_of_a_damaged_run(self, finished, tmp_path):
        folder = tmp_path / "copy"
        shutil.copytree(finished[1].folder, folder)
        weights = folder / "best.weights.h5"
        weights.write_bytes(weights.read_bytes()[:-500])
        with raises_value_error(str(weights), "damaged", f"Delete {folder}"):
            ke.runs.load_model(folder)
        (folder / "schema.json").write_text("{}")
        with raises_value_error(str(folder / "schema.json"), "'features'", "damaged"):
            ke.runs.load_model(folder)
        (folder / "config.json").write_text('{"batch_size": 3,\n')
        with raises_value_error(str(folder / "config.json"), "line 2"):
            ke.runs.load_model(folder)

    @pytest.mark.parametrize("text", ['{"steps": 3}', '{"steps":', "[]"])
    def test_a_damaged_result(self, text, tmp_path):
        config = make_config(tmp_path)
        path = tmp_path / config.run_id / "result.json"
        path.parent.mkdir()
        path.write_text(text)
        with pytest.raises(ke.runs.RunError, match=r"result\.json.*damaged: delete"):
            ke.runs.run(config)

    def test_best_weights_that_are_damaged(self, tmp_path):
        folder = RunFolder(make_config(tmp_path))
        callback = RunCallback(folder, [], 10, Interrupts())
        callback.set_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
        callback.step = 7
        callback.save_best()
        callback.restore_best()
        path = folder.best_path(7)
        content = bytearray(path.read_bytes())
        content[-9] ^= 1
        path.write_bytes(content)
        with pytest.raises(ke.runs.RunError, match=rf"{path.name}, are damaged.*Delete"):
            callback.restore_best()

    def test_a_disk_that_refuses_large_files(self, tmp_path):
        config = make_config(tmp_path)
        with (
            largest_file(2_000),
            pytest.raises(OSError, match=r"Cannot write .*step_0000000000\.npz: "),
        ):
            ke.runs.run(config)
        assert not list((tmp_path / config.run_id / "checkpoints").iterdir())

    def test_a_disk_that_refuses_weights(self, tmp_path):
        folder = RunFolder(make_config(tmp_path))
        model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(200)])
        path = tmp_path / "best.weights.h5"
        path.write_text("before")
        with largest_file(50_000), pytest.raises(OSError, match="Cannot write"):
            folder.save_weights(model, path)
        assert path.read_text() == "before"
        assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_log_ends_with_the_run(finished):
    assert not [
        handler
        for handler in logging.getLogger("keras_elastor").handlers
        if isinstance(handler, logging.FileHandler)
    ]
