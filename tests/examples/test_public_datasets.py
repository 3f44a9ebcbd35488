import os
import pathlib
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


def test_a_sample_takes_the_whole_path(tmp_path):
    result = run("movielens.py", "--sample", 600, "--epochs", 1, "--model", "dnn")
    assert result.returncode == 0, result.stderr
    assert "train: 600 rows" in result.stdout
    assert "test: auc 0." in result.stdout


def test_an_empty_folder_ends_in_exit_code_2(tmp_path):
    result = run("criteo.py", "--data-dir", tmp_path)
    assert result.returncode == 2
    assert "huggingface.co/datasets/reczoo/Criteo_x1" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", ["criteo.py", "avazu.py", "kuaivideo.py", "taobaoad.py"])
def test_every_script_runs_on_a_sample(script):
    result = run(script, "--sample", 20_000, "--epochs", 1)
    assert result.returncode == 0, result.stderr
    assert "test: auc 0." in result.stdout
