"""The command line, called in this process and, where signals matter, in one of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import pytest

import keras_elastor as ke
import keras_elastor_command

pl = pytest.importorskip("polars")
SMALL = [
    *("--dataset", "synthetic", "--model", "dnn", "--epochs", "1", "--batch-size", "64", "--quiet"),
    *("--set", "dataset.arguments.train_rows=256"),
    *("--set", "dataset.arguments.valid_rows=192"),
    *("--set", "dataset.arguments.test_rows=128"),
    *("--set", "dataset.arguments.vocabulary_size=20"),
    *("--set", "dataset.arguments.num_categorical=3"),
    *("--set", "dataset.arguments.num_numeric=1"),
    *("--set", "model.arguments.hidden_units=[4]"),
]


def command(*arguments):
    return keras_elastor_command.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that the command line has trained."""
    folder = tmp_path_factory.mktemp("runs")
    assert command("train", *SMALL, "--folder", folder) == 0
    (run,) = folder.iterdir()
    return run


def test_train_prints_where_everything_is(trained, tmp_path, capsys):
    assert command("train", *SMALL, "--folder", tmp_path) == 0
    out = capsys.readouterr().out
    (run,) = tmp_path.iterdir()
    # The terminal may break a long line.
    assert str(run) in out.replace("\n", "")
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert f"{metrics['test']['auc']:.6f}" in out
    config = ke.training.RunConfig.from_file(run / "config.json")
    assert config.model.arguments == {"hidden_units": [4]}
    assert run.name == trained.name


def test_train_from_a_file_and_options_that_override_it(tmp_path, capsys):
    pytest.importorskip("yaml")
    path = tmp_path / "run.yaml"
    path.write_text(
        "dataset:\n  name: synthetic\n  arguments: {train_rows: 64, valid_rows: 64, test_rows: 64, "
        "num_categorical: 3, num_numeric: 0}\n"
        "model: {name: dnn, arguments: {hidden_units: [4]}}\n"
        "epochs: 1\nbatch_size: 64\nseed: 3\n"
    )
    arguments = ("--config", path, "--seed", 4, "--name", "x")
    with pytest.raises(SystemExit):
        command("train", *arguments)
    capsys.readouterr()
    assert command("train", *arguments[:-2], "--folder", tmp_path / "runs", "--quiet") == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert ke.training.RunConfig.from_file(run / "config.json").seed == 4


def test_list(capsys):
    assert command("list") == 0
    out = capsys.readouterr().out
    for name in ("RankElastor", "rank_mixer_100m", "kuairand_pure", "synthetic"):
        assert f"  {name}\n" in out
    assert command("list", "datasets") == 0
    assert "RankElastor" not in capsys.readouterr().out


def test_evaluate(trained, capsys):
    assert command("evaluate", trained, "--quiet") == 0
    metrics = json.loads((trained / "result.json").read_text())["metrics"]
    assert f"{metrics['test']['auc']:.6f}" in capsys.readouterr().out


def test_predict(trained, tmp_path, capsys):
    config = ke.training.RunConfig.from_file(trained / "config.json")
    data = ke.training.load_data(config)
    rows = pl.DataFrame({name: data.test.features[name] for name in data.schema.names})
    rows.write_csv(tmp_path / "rows.csv")
    out = tmp_path / "out.parquet"
    assert command("predict", trained, tmp_path / "rows.csv", out, "--quiet") == 0
    assert "128 rows" in capsys.readouterr().out
    auc = ke.metrics.exact_auc(data.test.labels, pl.read_parquet(out)["probability"].to_numpy())
    metrics = json.loads((trained / "result.json").read_text())["metrics"]
    assert auc == pytest.approx(metrics["test"]["auc"], abs=1e-5)


def test_compare(tmp_path, capsys):
    options = [o for o in SMALL if o not in ("--model", "dnn")]
    options = [o for o in options if "hidden_units" not in o]
    options = options[:-1] if options[-1] == "--set" else options
    arguments = ("--models", "dnn", "fm", "--seeds", 0, "--folder", tmp_path)
    assert command("compare", *options, *arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"^\| dnn \| .*\+0\.00000", out, flags=re.MULTILINE)
    assert re.search(r"^\| fm \| ", out, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "--model", "dnn"], 2, "--dataset"),
        (["train", "--dataset", "synthetic"], 2, "--model"),
        (["train", *SMALL, "--model", "dnnn"], 2, "Unknown model 'dnnn'. Did you mean"),
        (["train", *SMALL, "--set", "batchsize=3"], 2, "'batchsize'. Did you mean 'batch_size'?"),
        (["train", *SMALL, "--set", "batchsize"], 2, "KEY=VALUE"),
        (["train", *SMALL, "--set", "seed.x=1"], 2, "'seed'"),
        (["train", "--config", "/no/such.yaml"], 2, "/no/such.yaml"),
        (["train", "--dataset", "kuairand_pure", "--model", "dnn"], 2, "'data_dir'"),
        (
            ["train", "--dataset", "kuairand_pure", "--data-dir", "/no", "--model", "dnn"],
            2,
            "kuairand.com",
        ),
        (["evaluate", "/no/run"], 2, "/no/run"),
        (["compare", "--dataset", "synthetic", "--seeds", "0"], 2, "--configs or --models"),
    ],
)
def test_errors_take_one_line(arguments, code, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(*arguments) == code
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("keras-elastor: ")
    assert words in captured.err
    assert "Traceback" not in captured.err


def test_a_failed_run_has_its_own_code(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command("train", *SMALL, "--folder", tmp_path / "file") == 1
    assert "Cannot write" in capsys.readouterr().err


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="--dataset"):
        command("train", "--model", "dnn", "--debug")


@pytest.mark.parametrize("name", ["list", "train", "compare", "evaluate", "predict"])
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        command(name, "--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n  keras-elastor " + name in out


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "keras_elastor_command", *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_missing_backend_takes_one_line():
    process = start("list", KERAS_BACKEND="openvino")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, out
    assert err.count("\n") == 1
    assert "'openvino'" in err
    assert "--backend" in err


def test_help_needs_no_backend():
    process = start("train", "--help", KERAS_BACKEND="no_such_backend")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "--dataset" in out


def test_ctrl_c_saves_and_says_how_to_continue(tmp_path):
    arguments = ["train", *SMALL, "--epochs", "100000", "--folder", tmp_path]
    arguments += ["--set", "protocol.patience=1000000"]
    process = start(*arguments, KERAS_BACKEND=keras.backend.backend())
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert re.search(r"Stopped after step \d+. A checkpoint is in .* continues from there", err)
    assert list(tmp_path.glob("*/checkpoints/step_*.npz"))
