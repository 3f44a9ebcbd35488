"""The command line, called in this process and, where signals matter, in one of its own."""

import contextlib
import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import keras
import pytest

import keras_elastor as ke
import keras_elastor_command
from keras_elastor import cli
from keras_elastor.commands.run_options import LineHandler
from tests.data.raw_files import RECIPE, make_rows, write_csv

pl = pytest.importorskip("polars")
pytestmark = pytest.mark.usefixtures("traced_only")
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
def printed_and_trained(tmp_path_factory):
    """What the command line prints while it trains, and the folder of the run."""
    folder, out = tmp_path_factory.mktemp("runs"), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert command("train", *SMALL, "--folder", folder) == 0
    (run,) = folder.iterdir()
    return out.getvalue(), run


@pytest.fixture
def trained(printed_and_trained):
    """The folder of a run that the command line has trained."""
    return printed_and_trained[1]


def test_train_prints_where_everything_is(printed_and_trained):
    out, run = printed_and_trained
    # The terminal may break a long line.
    assert str(run) in out.replace("\n", "")
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert f"{metrics['test']['auc']:.6f}" in out
    config = ke.runs.RunConfig.from_file(run / "config.json")
    assert config.model.arguments == {"hidden_units": [4]}


def test_train_from_a_file_and_options_that_override_it(tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    path = tmp_path / "run.yaml"
    path.write_text(
        "dataset:\n  name: synthetic\n  arguments: {train_rows: 64, valid_rows: 64, test_rows: 64, "
        "num_categorical: 3, num_numeric: 0}\n"
        "model: {name: dnn, arguments: {hidden_units: [4]}}\n"
        "epochs: 1\nbatch_size: 64\nseed: 3\n"
    )
    configs = []
    monkeypatch.setattr(cli, "run", lambda config, rows, verbose: configs.append(config) or 1 / 0)
    assert command("train", "--config", path, "--seed", 4, "--set", "protocol.patience=3") == 1
    assert command("train", "--config", path, "--protocol", "keras") == 1
    config, by_keras = configs
    assert by_keras.protocol == ke.training.KerasProtocol()
    assert (config.seed, config.protocol.patience, config.batch_size) == (4, 3, 64)
    assert config.model.arguments == {"hidden_units": [4]}


def test_list(capsys):
    assert command("list") == 0
    out = capsys.readouterr().out
    for name in ("rank_elastor", "rank_mixer_100m", "kuairand_pure", "synthetic"):
        assert f"  {name}\n" in out
    assert command("list", "datasets") == 0
    assert "rank_elastor" not in capsys.readouterr().out


def test_evaluate(trained, capsys):
    assert command("evaluate", trained, "--quiet") == 0
    metrics = json.loads((trained / "result.json").read_text())["metrics"]
    assert f"{metrics['test']['auc']:.6f}" in capsys.readouterr().out


def test_predict(trained, tmp_path, capsys):
    config = ke.runs.RunConfig.from_file(trained / "config.json")
    data = ke.runs.load_data(config)
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
    arguments = ("--models", "logistic_regression", "fm", "--seeds", 0, "--folder", tmp_path)
    arguments += ("--plot", tmp_path / "picture.svg")
    assert command("compare", *options, *arguments) == 0
    out = capsys.readouterr().out
    (path,) = tmp_path.glob("fm_synthetic-*/result.json")
    auc = json.loads(path.read_text())["metrics"]["test"]["auc"]
    assert re.search(r"^\| logistic_regression \| .*\+0\.00000", out, flags=re.MULTILINE)
    assert re.search(rf"^\| fm \| 0 \| {auc:.5f} \|", out, flags=re.MULTILINE)
    assert {path.suffix for path in tmp_path.glob("picture.*")} == {".svg", ".png", ".csv"}


class TestPrepare:
    def test_own_files_and_the_training_on_them(self, tmp_path, capsys):
        frame = make_rows(120)
        (tmp_path / "recipe.json").write_text(RECIPE.to_json())
        write_csv(tmp_path / "day1.csv", frame[:40])
        wrong = frame[40:90].with_columns(click=pl.Series(["2", *frame["click"][41:90]]))
        write_csv(tmp_path / "day2.csv.gz", wrong)
        write_csv(tmp_path / "day3.csv", frame[90:])
        arguments = ["prepare", "--recipe", tmp_path / "recipe.json", "--output", tmp_path / "out"]
        arguments += ["--files", f"train={tmp_path}/day1.csv", f"train={tmp_path}/day2.csv.gz"]
        arguments += [f"test={tmp_path}/day3.csv", "--quiet"]
        assert command(*arguments) == 2
        err = capsys.readouterr().err
        assert re.search(r"day2\.csv\.gz, line 2, column 'click': expected .* Received: '2'", err)
        arguments[arguments.index(tmp_path / "out")] = tmp_path / "skipped"
        assert command(*arguments, "--on-error", "skip") == 0
        out = capsys.readouterr().out
        assert re.search(r"^train: 89 rows, .* % clicks, 1 rows left out$", out, re.MULTILINE)
        assert str(tmp_path / "skipped" / "rejected.jsonl") in out
        program, *training = shlex.split(out.splitlines()[-1])
        assert program == "keras-elastor"
        training += ["--model", "dnn", "--set", "model.arguments.hidden_units=[4]", "--quiet"]
        training += ["--epochs", 1, "--batch-size", 64, "--folder", tmp_path / "runs"]
        assert command(*training) == 0
        (run,) = (tmp_path / "runs").iterdir()
        assert ke.runs.RunConfig.from_file(run / "config.json").dataset.arguments == {
            "data_dir": str(tmp_path / "skipped"),
            "valid": "test",
        }

    def test_a_public_dataset(self, tmp_path, capsys):
        ke.datasets.write_sample("avazu_x4", tmp_path / "raw", rows=30)
        arguments = ["prepare", "--dataset", "avazu_x4", "--data-dir", tmp_path / "raw"]
        arguments += ["--output", tmp_path / "out", "--quiet"]
        assert command(*arguments) == 2
        assert "MD5" in capsys.readouterr().err
        assert command(*arguments, "--no-check-md5") == 0
        out = capsys.readouterr().out
        assert "train: 30 rows" in out
        assert out.endswith(f"--data-dir {tmp_path / 'out'} --model dcn_v2_avazu_x4\n")


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
        (["analyze", "/no/run", "--out", "a.html"], 2, "/no/run: expected the folder of a run"),
        (
            ["compare", "--dataset", "synthetic", "--seeds", "0"],
            2,
            "--models, --configs, or --table",
        ),
        (["train", "--dataset", "criteo_x1", "--model", "dnn"], 2, "keras-elastor prepare"),
        (
            ["train", "--dataset", "prepared", "--data-dir", "/no", "--model", "dnn"],
            2,
            "/no: expected prepared data",
        ),
        (["prepare", "--output", "x"], 2, "--dataset and --data-dir, or --recipe and --files"),
        (["prepare", "--dataset", "criteo_x1", "--output", "x"], 2, "huggingface.co"),
        (
            ["prepare", "--dataset", "criteo", "--data-dir", "x", "--output", "x"],
            2,
            "Did you mean 'criteo_x4'?",
        ),
        (
            ["prepare", "--dataset", "synthetic", "--data-dir", "x", "--output", "x"],
            2,
            "a run reads as it is",
        ),
        (["prepare", "--recipe", "/no.json", "--output", "x"], 2, "train=day1.csv"),
        (
            ["prepare", "--recipe", "/no.json", "--files", "train=a", "--output", "x"],
            2,
            "/no.json",
        ),
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


@pytest.mark.parametrize(
    "name", ["list", "prepare", "train", "compare", "evaluate", "analyze", "predict"]
)
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        command(name, "--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n  keras-elastor " + name in out


# Where the tests run in the background, their processes would inherit that Ctrl-C is ignored.
MAIN = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("keras_elastor_command", run_name="__main__")
"""


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", MAIN, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.backend_free
def test_a_missing_backend_takes_one_line():
    process = start("train", "--dataset", "synthetic", "--model", "dnn", KERAS_BACKEND="openvino")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, out
    assert err.count("\n") == 1
    assert "'openvino'" in err
    assert "--backend" in err


@pytest.mark.backend_free
def test_help_needs_no_backend():
    process = start("train", "--help", KERAS_BACKEND="no_such_backend")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "--dataset" in out


# Its `keras` is a file that imports no backend.
@pytest.mark.backend_free
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_keras_is_imported_takes_one_line(number, tmp_path):
    # One long sleep would miss a signal that arrives just before it.
    (tmp_path / "keras.py").write_text(
        "import time\nprint('importing', flush=True)\nwhile True: time.sleep(0.01)"
    )
    # It would be imported first.
    (tmp_path / "tensorflow.py").touch()
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    process = start("train", *SMALL, PYTHONPATH=path)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.fullmatch("keras-elastor: stopped. The same command continues .*\n", err)


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


def test_log_lines_take_the_place_of_a_progress_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    written = []
    for stream in (Terminal(), io.StringIO()):
        handler = LineHandler(stream)
        handler.emit(logging.makeLogRecord({"msg": "evaluated"}))
        written.append(stream.getvalue())
    assert written == ["\r\x1b[Kevaluated\n", "evaluated\n"]


def test_what_needs_no_keras_does_not_import_it():
    code = "import sys; from keras_elastor_command import main; main(sys.argv[1:])"
    code += "; print('keras' in sys.modules)"
    for arguments in (
        ["train", "--model", "dnn"],
        ["compare", "--dataset", "synthetic", "--seeds", "0"],
        ["prepare", "--output", "x"],
        ["list", "protocols"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        *listed, keras_is_imported = done.stdout.splitlines()
        assert keras_is_imported == "False"
        if arguments[0] == "list":
            assert listed == ["protocols:", "  fuxictr", "  keras"]
        else:
            assert done.stderr.startswith("keras-elastor: Expected")


@pytest.mark.backend_free
def test_output_that_nobody_reads_on_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "keras_elastor_command", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")
