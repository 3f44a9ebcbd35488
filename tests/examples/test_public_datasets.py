import os
import pathlib
import runpy
import subprocess
import sys

import keras
import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


@pytest.fixture
def run_here(monkeypatch):
    """Runs a script in this process, which has its libraries already, and returns its exit code."""

    def run_here(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.syspath_prepend(EXAMPLES)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return end.value.code

    return run_here


def test_a_sample_takes_the_whole_path(run_here, capsys):
    arguments = ["--sample", "600", "--epochs", "1", "--model", "dnn"]
    assert run_here("movielens.py", *arguments) == 0
    output = capsys.readouterr().out
    assert "train: 600 rows" in output
    assert "test: auc 0." in output


def test_an_empty_folder_ends_in_exit_code_2(run_here, tmp_path, capsys):
    assert run_here("criteo.py", "--data-dir", tmp_path) == 2
    assert "huggingface.co/datasets/reczoo/Criteo_x1" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("script", ["criteo.py", "avazu.py", "kuaivideo.py", "taobaoad.py"])
def test_every_script_runs_on_a_sample(script):
    result = run(script, "--sample", 20_000, "--epochs", 1)
    assert result.returncode == 0, result.stderr
    assert "test: auc 0." in result.stdout
