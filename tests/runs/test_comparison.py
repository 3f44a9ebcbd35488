import csv
import dataclasses
import io
import itertools
import json
import math
import pathlib

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.datasets.rows import Data
from keras_elastor.metrics import exact_auc, log_loss_from_logits
from keras_elastor.runs import comparison, interrupts, runner
from tests.assertions import raises_value_error
from tests.runs.runs import make_config


def make_configs(folder, **changes):
    changes = {"epochs": 1, "protocol": {"learning_rate": 0.01}, **changes}
    models = {
        "narrow": {"name": "dnn", "arguments": {"hidden_units": [2], "embedding_dim": 2}},
        "wide": {"name": "dnn", "arguments": {"hidden_units": [16], "embedding_dim": 8}},
    }
    return [make_config(folder, name=name, model=m, **changes) for name, m in models.items()]


def run_without_training(config, data, verbose=False, deadline=math.inf):
    """In place of `run`: the better the wider model, with noise that follows from the seed."""
    folder = pathlib.Path(config.folder) / config.run_id
    if not (folder / "result.json").exists():
        folder.mkdir(parents=True)
        labels, rng = data.test.labels, np.random.default_rng(config.seed)
        signal = {"narrow": 0.5, "wide": 2.0}[config.name]
        logits = (signal * (labels - 0.5) + rng.normal(size=len(labels))).astype("float32")
        np.save(folder / "logits.npy", logits[:, None])
        metrics = {
            "auc": exact_auc(labels, logits),
            "logloss": log_loss_from_logits(labels, logits),
        }
        result = {"steps": 10, "best_step": 10, "metrics": {"test": metrics}}
        result["parameters"] = {"dense": len(config.name), "embedding": 9}
        (folder / "result.json").write_text(json.dumps(result))
    return ke.runs.RunResult(folder, **json.loads((folder / "result.json").read_text()))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison that was interrupted in the fourth of its runs and called again."""
    configs = make_configs(tmp_path_factory.mktemp("compared"))
    calls = []

    def run(config, *arguments):
        calls.append((config.name, config.seed))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run_without_training(config, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run", run)
        with pytest.raises(KeyboardInterrupt):
            ke.runs.compare(configs, seeds=[0, 1], num_resamples=50)
        times = finishing_times(configs[0].folder)
        assert len(times) == 3
        result = ke.runs.compare(configs, seeds=[0, 1], num_resamples=50)
    # The three finished runs were not trained again.
    assert times.items() <= finishing_times(configs[0].folder).items()
    assert calls[4:] == [("narrow", 0), ("wide", 0), ("narrow", 1), ("wide", 1)]
    return configs, result


def finishing_times(folder):
    paths = pathlib.Path(folder).glob("*/result.json")
    return {path: path.stat().st_mtime_ns for path in paths}


def test_values_are_those_of_the_runs(compared):
    configs, result = compared
    for config, model in zip(configs, result.models, strict=True):
        configs_of_runs = [dataclasses.replace(config, seed=seed) for seed in (0, 1)]
        runs = [run_without_training(each, None) for each in configs_of_runs]
        assert model.name == config.name
        for metric in ("auc", "logloss"):
            assert model.values[metric] == [run.metrics["test"][metric] for run in runs]
    first, second = (model.values["auc"] for model in result.models)
    difference = np.mean(second) - np.mean(first)
    interval = result.models[1].differences["auc"]
    assert interval.difference == pytest.approx(difference, abs=1e-12)
    assert 0 < interval.low <= interval.difference <= interval.high


def test_tables(compared):
    _, result = compared
    lines = (result.folder / "table.md").read_text().splitlines()
    assert lines == result.markdown().splitlines()
    assert lines[0].startswith("| model | dense parameters | test auc | sd of auc |")
    assert len(lines) == 4
    rows = list(csv.DictReader(io.StringIO((result.folder / "table.csv").read_text())))
    values = result.models[1].values["auc"]
    assert rows[1]["test auc"] == f"{np.mean(values):.5f}"
    assert rows[1]["sd of auc"] == f"{np.std(values, ddof=1):.5f}"
    assert rows[0]["difference of auc"] == "+0.00000"
    kept = json.loads((result.folder / "comparison.json").read_text())
    assert kept["seeds"] == [0, 1]
    assert [config["name"] for config in kept["configs"]] == ["narrow", "wide"]


def test_a_second_call_gives_the_same(compared):
    configs, expected = compared
    # By the real `run`, which trains nothing where a result is there.
    assert ke.runs.compare(configs, [0, 1], num_resamples=50).models == expected.models


class TestTimeBudget:
    """A clock that each run moves on by a minute; a run that would end too late is stopped."""

    @pytest.fixture
    def minutes(self, monkeypatch):
        passed = [0.0]

        def run(config, data, verbose=False, deadline=math.inf):
            done = (pathlib.Path(config.folder) / config.run_id / "result.json").exists()
            if not done:
                passed[0] = min(passed[0] + 60.0, max(deadline, passed[0]))
                if passed[0] >= deadline:
                    raise ke.runs.OutOfTimeError("Stopped after step 7")
            return run_without_training(config, data)

        monkeypatch.setattr(comparison, "run", run)
        monkeypatch.setattr(comparison.time, "monotonic", lambda: passed[0])
        return passed

    def test_what_is_not_finished_is_left_out_and_goes_on(self, minutes, tmp_path, caplog):
        configs = make_configs(tmp_path)
        arguments = {"seeds": [4, 0, 2], "num_resamples": 2}
        with pytest.raises(ke.runs.OutOfTimeError, match="No run was finished"):
            ke.runs.compare(configs, **arguments, time_budget=30)
        first = ke.runs.compare(configs, **arguments, time_budget="1m30s")
        assert [model.name for model in first.models] == ["narrow"]
        assert first.left_out == ("wide", "seed 0", "seed 2")
        assert "wide, seed 4: Stopped after step 7" in caplog.text
        text = (first.folder / "table.md").read_text()
        assert text.endswith("Left out, as the time was over: wide, seed 0, seed 2.\n")
        second = ke.runs.compare(configs, **arguments, time_budget="2.5m")
        assert [len(model.values["auc"]) for model in second.models] == [1, 1]
        assert second.left_out == ("seed 0", "seed 2")
        whole = ke.runs.compare(configs, **arguments, time_budget="1h")
        assert whole.left_out == ()
        assert whole.folder == first.folder
        assert [len(model.values["auc"]) for model in whole.models] == [3, 3]
        assert whole.models[0].values["auc"][0] == first.models[0].values["auc"][0]
        assert "Left out" not in (whole.folder / "table.md").read_text()

    @pytest.mark.parametrize("wrong", ["soon", "10 x", -1, 0, "5m3"])
    def test_wrong_budgets(self, wrong, tmp_path):
        with raises_value_error("10m", repr(wrong)):
            ke.runs.compare(make_configs(tmp_path), [0], time_budget=wrong)

    def test_a_run_stops_and_goes_on(self, tmp_path, monkeypatch):
        config = make_config(tmp_path, epochs=1)
        expected = ke.runs.run(dataclasses.replace(config, folder=str(tmp_path / "whole")))
        ticks = itertools.count()
        # Whatever looks at the clock moves it on: the deadline falls into the training.
        with monkeypatch.context() as patch:
            patch.setattr(interrupts.time, "monotonic", lambda: float(next(ticks)))
            with pytest.raises(ke.runs.OutOfTimeError, match="the same call continues"):
                ke.runs.run(config, deadline=15.0)
        monkeypatch.setattr(runner, "load_data", None)
        with pytest.raises(ke.runs.OutOfTimeError, match="before this run was"):
            ke.runs.run(config, deadline=0.0)
        monkeypatch.undo()
        found = ke.runs.run(config)
        assert found.metrics == expected.metrics


class TestWrong:
    def test_arguments_of_own_rows(self, tmp_path):
        with raises_value_error("`epochs`", "beside configs"):
            ke.runs.compare(make_configs(tmp_path), [0], epochs=3)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"epochs": 2}, ["'wide'", "'epochs'", "equal budget", "2"]),
            ({"batch_size": 32}, ["'batch_size'", "32"]),
            ({"protocol": {"patience": 1}}, ["'protocol.patience'", "1"]),
            ({"dataset": {"name": "synthetic"}}, ["'dataset'"]),
        ],
    )
    def test_unequal_budgets(self, changes, words, tmp_path):
        first, _ = make_configs(tmp_path)
        _, second = make_configs(tmp_path, **changes)
        with raises_value_error(*words):
            ke.runs.compare([first, second], [0])

    def test_learning_rates_may_differ(self, tmp_path):
        first, _ = make_configs(tmp_path)
        _, second = make_configs(tmp_path, protocol={"learning_rate": 0.1})
        comparison._check([first, second], [0])

    def test_names_and_seeds(self, tmp_path):
        config = make_configs(tmp_path)[0]
        with raises_value_error("`name`", "narrow, narrow"):
            ke.runs.compare([config, config], [0])
        with raises_value_error("every seed once", "[0, 0]"):
            ke.runs.compare([config], [0, 0])
        with raises_value_error("at least one"):
            ke.runs.compare([], [0])

    def test_no_test_rows(self, tmp_path, monkeypatch):
        config = make_configs(tmp_path)[0]
        data = ke.runs.load_data(config)
        empty = ke.data.Split({k: v[:0] for k, v in data.test.features.items()}, np.zeros(0))
        monkeypatch.setattr(
            comparison, "load_data", lambda config: dataclasses.replace(data, test=empty)
        )
        (model,) = ke.runs.compare([config], [0], num_resamples=2).models
        cells = model.cells()
        assert "test auc" not in cells
        (run,) = (path for path in tmp_path.iterdir() if not path.name.startswith("compare"))
        logits = np.load(run / "logits.npy")[:, 0]
        expected = ke.metrics.exact_auc(data.valid.labels, logits)
        assert cells["valid auc"] == f"{expected:.5f}"


def test_tasks_are_compared_by_the_names_of_their_labels(tmp_path, monkeypatch):
    """Of a task whose label some rows lack, the other rows count."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 2)).astype("float32")
    labels[::3, 1] = np.nan
    schema = ke.FeatureSchema([ke.Numeric("x")], label=("click", ke.Label("like", optional=True)))
    test = ke.data.Split({"x": labels[:, 0]}, labels)
    data = Data(schema, test, test, test)

    def run(config, *arguments):
        folder = tmp_path / config.name
        folder.mkdir()
        signal = {"narrow": 0.5, "wide": 2.0}[config.name]
        noise = np.random.default_rng(1).normal(size=(60, 2))
        logits = signal * (np.nan_to_num(labels) - 0.5) + noise
        np.save(folder / "logits.npy", logits.astype("float32"))
        has = ~np.isnan(labels[:, 1])
        metrics = {
            "auc_click": exact_auc(labels[:, 0], logits[:, 0]),
            "logloss_click": 0.5,
            "auc_like": exact_auc(labels[has, 1], logits[has, 1]),
            "logloss_like": 0.5,
        }
        return ke.runs.RunResult(folder, 1, 1, {"test": metrics}, {"dense": 1, "embedding": 1})

    monkeypatch.setattr(comparison, "run", run)
    first, second = ke.runs.compare(make_configs(tmp_path), [0], num_resamples=20, data=data).models
    for task in ("click", "like"):
        change = second.values[f"auc_{task}"][0] - first.values[f"auc_{task}"][0]
        assert second.differences[f"auc_{task}"].difference == pytest.approx(change, abs=1e-6)
        assert change > 0
    assert "difference of auc_like" in second.cells()
