"""`keras-elastor tune`: what it prints, refuses and leaves behind."""

import io
import json
import pathlib
import re

import pytest

import keras_elastor as ke
import keras_elastor_command
from keras_elastor.commands import tune
from keras_elastor.commands.live_table import TrialTable
from keras_elastor.runs.config_files import read_file
from keras_elastor.tuning import worker, workers
from keras_elastor.tuning.execution import Job
from keras_elastor.tuning.result import SearchResult, make_trial

SMALL = [
    *("--dataset", "synthetic", "--epochs", "1", "--batch-size", "64"),
    *("--set", "dataset.arguments.train_rows=192", "--set", "dataset.arguments.valid_rows=128"),
    *("--set", "dataset.arguments.test_rows=128", "--set", "dataset.arguments.vocabulary_size=9"),
    *("--set", "dataset.arguments.num_categorical=3", "--set", "dataset.arguments.num_numeric=1"),
    *("--set", "model.arguments.embedding_dim=2"),
]


def command(*arguments):
    return keras_elastor_command.main(["tune", *SMALL, *map(str, arguments)])


def make_execution(trial, seed, values, auc):
    if auc is None:
        return ke.tuning.Execution(trial, seed, values, "failed", error="NonFiniteLossError: [nan]")
    metrics = {split: {"auc": auc, "logloss": 1 - auc} for split in ("valid", "test")}
    sizes = {"dense": 100 * (trial + 1), "flops": 10}
    return ke.tuning.Execution(trial, seed, values, "finished", metrics=metrics, **sizes)


@pytest.fixture
def without_training(monkeypatch):
    """Every trial has ended with an AUC that its number gives; the third fails."""
    done = []

    def search(search, max_dense=(), retry_failed=False, watch=None):
        done.append(search)
        data = ke.runs.load_data(search.run)
        trials = []
        for planned in ke.tuning.plan(search, data):
            aucs = [None if planned.number == 2 else 0.6 + 0.01 * planned.number + 0.001 * seed
                    for seed in search.seeds]  # fmt: skip
            executions = [
                make_execution(planned.number, seed, planned.values, auc)
                for seed, auc in zip(search.seeds, aucs, strict=True)
            ]
            trials.append(
                make_trial(planned.number, planned.values, executions, search.run, len(aucs))
            )
        result = SearchResult(search.path, search.run, trials, is_finished=True)
        result.write(max_dense)
        return result

    monkeypatch.setattr(tune, "search", search)
    return done


def test_a_dry_run_prints_trials_with_their_sizes_and_writes_nothing(tmp_path, capsys):
    path = tmp_path / "space.json"
    path.write_text(json.dumps({"hidden_units": [[4], [4, 4]]}))
    arguments = ("--models", "dnn", "--space", path, "--method", "grid", "--dry-run")
    assert command(*arguments, "--folder", tmp_path / "searches") == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.endswith(": 2 trials")
    # Four features of width 2 into 4 units, and these into the logit; the layer between has 4 x 4.
    assert lines == [
        "  0: hidden_units=[4]: 41 dense parameters, 72 FLOPs per row",
        "  1: hidden_units=[4, 4]: 61 dense parameters, 104 FLOPs per row",
    ]
    assert not (tmp_path / "searches").exists()


def test_the_best_and_the_best_of_a_size_are_configs_to_train(tmp_path, capsys, without_training):
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"learning_rate": [0.01, 0.02, 0.03, 0.04]}))
    arguments = ("--models", "dnn", "--space", space, "--method", "grid", "--max-dense", 250, 5)
    assert command(*arguments, "--folder", tmp_path / "searches") == 0
    out = capsys.readouterr().out
    assert "Trial 2 failed (learning_rate=0.03): NonFiniteLossError: [nan]\n" in out
    assert "Best: trial 3, 0.630000, learning_rate=0.04\n" in out
    assert "Best of at most 250 dense parameters: trial 1, 0.610000, learning_rate=0.02\n" in out
    assert "No trial of at most 5 dense parameters has finished\n" in out
    paths = [pathlib.Path(line.split()[-1]) for line in out.splitlines() if "--config" in line]
    rates = [ke.runs.RunConfig.from_file(path).protocol.learning_rate for path in paths]
    assert rates == [0.04, 0.02]
    assert ke.runs.RunConfig.from_file(paths[0]).folder == "runs"


def test_a_grid_ends_in_a_scaling_curve(tmp_path, capsys, without_training):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    arguments = ("--grid", "width", "--models", "dnn", "--widths", 2, 4, 8, 16, "--seeds", 0, 1)
    assert command(*arguments, "--folder", tmp_path) == 0
    out = capsys.readouterr().out
    (folder,) = tmp_path.glob("width_synthetic-*")
    names = {path.name for path in folder.iterdir()}
    curve = {"scaling.svg", "scaling.png", "scaling.csv", "scaling_executions.csv"}
    assert names >= {*curve, "scaling_fits.csv", "best.json", "table.csv", "table.md"}
    assert "width, DNN, logloss: no law is drawn: 3 sizes are too few for a law" in out
    lines = (folder / "scaling.csv").read_text().splitlines()
    assert lines[0].startswith("grid,model,trial,values,dense,flops,auc_mean,auc_std,")
    assert len(lines) == 4


def test_several_models_get_one_budget_and_one_space(tmp_path, monkeypatch, without_training):
    compared = []

    def compare_best(results, seeds, data):
        compared.append(([result.run.model.name for result in results], list(seeds)))
        return type("Comparison", (), {"markdown": lambda self: "", "folder": "f"})()

    monkeypatch.setattr(tune, "compare_best", compare_best)
    arguments = ("--models", "dnn", "dcn_v2", "--budget", "trials=3", "seconds=99")
    assert command(*arguments, "--folder", tmp_path, "--quiet") == 0
    assert compared == [(["dnn", "dcn_v2"], [1, 2, 3, 4, 5])]
    dnn, dcn = without_training
    assert (dnn.trials, dcn.trials) == (3, 3)
    assert dnn.with_test is False
    assert 0 < dcn.minutes <= dnn.minutes <= 99 / 60
    shared = set(dnn.space) & set(dcn.space)
    assert {"embedding_dim", "learning_rate"} <= shared
    assert all(dnn.space[name] == dcn.space[name] for name in shared)
    assert "batch_size" not in shared


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", "trials"), "--budget: expected trials=NUMBER, seconds=NUMBER or epochs="),
        (("--budget", "trials=0"), "of at least 1. Received: 'trials=0'"),
        (("--budget", "rows=5"), "Received: 'rows=5'"),
        (
            ("--budget", "trials=5", "--trials", "6"),
            "--budget trials=5: expected one number",
        ),
        (("--seconds", "0"), "--seconds: expected above 0. Received: 0.0"),
        (("--trials", "0"), "'trials': expected at least 1. Received: 0"),
        (("--workers", "-1"), "'workers': expected at least 0. Received: -1"),
        (("--models", "dnn", "dnn"), "--models: expected every model once. Received: dnn dnn"),
        (("--models", "dmn"), "Unknown model 'dmn'. Did you mean 'dnn'?"),
        (("--grid", "width", "--trials", "3"), "Expected --grid, whose trials are fixed"),
        (("--widths", "3"), "Expected --grid, whose sizes --widths and --depths are"),
        (("--space", "missing.yaml"), "missing.yaml"),
        (("--models", "dnn", "fm", "--name", "x"), "Expected one model for --name"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(arguments, message, tmp_path, capsys):
    if not {"--models", "--grid"} & set(arguments):
        arguments = ("--models", "dnn", *arguments)
    assert command(*arguments, "--folder", tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"hidden_unit": [[4]]}, "Did you mean 'hidden_units'?"),
        ({"hidden_units": [[4], ["a"]]}, "'hidden_units': expected values that dnn can take."),
        ({"dropout": {"min": 0, "max": 2.0}}, "'dropout': expected values that dnn can take."),
    ],
)
def test_an_impossible_space_is_named_before_anything_is_trained(space, message, tmp_path, capsys):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(space))
    folder = tmp_path / "searches"
    assert command("--models", "dnn", "--space", path, "--folder", folder) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(folder.glob("*/jobs"))


def test_without_test_rows_tuned_models_are_not_compared(tmp_path, capsys, monkeypatch):
    rows = range(9)
    schema = ke.FeatureSchema([ke.Categorical("user", 9)])
    monkeypatch.setattr(tune, "load_data", lambda run: ke.runs.Data(schema, rows, rows, ()))
    assert command("--models", "dnn", "deep_fm", "--folder", tmp_path) == 2
    error = capsys.readouterr().err
    assert "expected test rows, on which tuned models are compared" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_folder_of_another_search_is_refused(tmp_path, capsys, monkeypatch):
    path = tmp_path / "space.json"
    arguments = ("--models", "dnn", "--space", path, "--name", "mine", "--folder", tmp_path)
    monkeypatch.setattr("keras_elastor.tuning.runner._work", lambda *arguments: None)
    path.write_text(json.dumps({"hidden_units": [[2]]}))
    command(*arguments, "--workers", 0)
    path.write_text(json.dumps({"hidden_units": [[3]]}))
    assert command(*arguments, "--workers", 0) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "mine holds another search: its 'space' is" in error


@pytest.mark.backend_free
def test_the_table_shows_the_best_the_running_and_the_failed():
    console = pytest.importorskip("rich.console")
    config = ke.runs.RunConfig.from_dict(
        {"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}}
    )
    trials = []
    for number, auc in enumerate([0.61, 0.63, None, 0.62]):
        values = {"num_blocks": number}
        executions = [make_execution(number, 0, values, auc)]
        trials.append(make_trial(number, values, executions, config, 1))
    trials.append(make_trial(4, {"num_blocks": 4}, [], config, 1))
    table = TrialTable("searches/x", "valid auc")
    table(trials, [Job(pathlib.Path("job"), 4, 0, {})], 20)
    assert [line[0] for line in table.lines()] == ["1", "3", "0", "4", "2"]
    assert table.lines()[0] == ["1", "num_blocks=1", "200", "0.630000", "finished"]
    assert [line[4] for line in table.lines()[3:]] == [
        "running, seed 0",
        "failed: NonFiniteLossError: [nan]",
    ]
    # Nothing has ended since it is watched: no time to go by.
    assert table.progress == "4 of 20"
    trials[4] = make_trial(4, {}, [make_execution(4, 0, {}, 0.6)], config, 1)
    table(trials, [], 20)
    assert table.progress.startswith("5 of 20, about 0:0")
    shown = console.Console(width=100, record=True, file=io.StringIO())
    shown.print(table)
    assert "[nan]" in shown.export_text()


def test_a_search_goes_on_where_it_was_and_a_nan_costs_one_trial(tmp_path, capsys, monkeypatch):
    """In this process: stopped in the second of three trials, of which the last ends in NaN."""
    pytest.importorskip("rich")
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"learning_rate": [0.01, 0.02, 1e38]}))
    small = ("--set", "model.arguments.hidden_units=[2]", "--workers", 0)
    arguments = ("--models", "dnn", "--space", space, "--method", "grid", *small)
    arguments = (*arguments, "--folder", tmp_path / "s")
    jobs = []

    def stopped_at_the_second(folder):
        jobs.append(folder)
        return workers.INTERRUPTED if len(jobs) == 2 else worker.main(folder)

    monkeypatch.setattr(workers, "main", stopped_at_the_second)
    assert command(*arguments) == 130
    assert "The same call continues" in capsys.readouterr().err
    assert command(*arguments) == 0
    assert [job[-10:] for job in jobs] == ["0000_seed0", "0001_seed0", "0001_seed0", "0002_seed0"]
    out, log = capsys.readouterr()
    assert "Resumed 1 of 3 in" in log
    assert "Trial 2 failed (learning_rate=1e+38): NonFiniteLossError: " in out
    best = re.search(r"--config (\S+best\.json)", out)[1]
    assert ke.runs.RunConfig.from_file(best).protocol.learning_rate in (0.01, 0.02)
    assert command(*arguments, "--quiet") == 0
    assert len(jobs) == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_of_two_models_ends_in_a_comparison_on_unseen_rows(tmp_path, capsys):
    pytest.importorskip("rich")
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"hidden_units": [[2], [4]], "learning_rate": [0.01, 0.001]}))
    arguments = ("--models", "dnn", "fm", "--space", space, "--budget", "trials=2", "--workers", 2)
    final = ("--final-seeds", 0, 1)
    assert command(*arguments, *final, "--folder", tmp_path / "s") == 0
    out = capsys.readouterr().out
    (folder,) = (tmp_path / "s").glob("compare-*")
    compared = read_file(folder / "comparison.json")
    assert [model["split"] for model in compared["models"]] == ["test", "test"]
    assert "95 % interval of auc" in out
    for path in (tmp_path / "s").glob("*/executions.jsonl"):
        for line in path.read_text().splitlines():
            assert list(json.loads(line)["metrics"]) == ["valid"]
    assert command(*arguments, *final, "--folder", tmp_path / "s") == 0
