"""KerasTuner's chief and workers, started by the script of one search."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

import keras_elastor as ke
from keras_elastor.tuning.several_machines import is_one_of_several, search_with_others

ROOT = pathlib.Path(__file__).parents[2]
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
SMALL = {
    **{"train_rows": 192, "valid_rows": 128, "test_rows": 64},
    **{"num_categorical": 3, "num_numeric": 1, "vocabulary_size": 9},
}


@pytest.mark.backend_free
def test_all_variables_or_none_make_a_process_one_of_several(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not is_one_of_several()
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    missing = "Missing: KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_PORT"
    with pytest.raises(ValueError, match=missing):
        is_one_of_several()
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    assert is_one_of_several()
    run = ke.runs.RunConfig.from_dict({"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}})
    with pytest.raises(ValueError, match="a search with a space"):
        search_with_others(ke.tuning.Search(run, points=[{"epochs": 1}]))


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_chief_and_two_workers_search_together(tmp_path):
    pytest.importorskip("keras_tuner")
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"hidden_units": [[2], [4]], "learning_rate": [0.001, 0.01]}))
    command = [sys.executable, "-W", "ignore", str(ROOT / "tuning" / "search.py")]
    command += ["--dataset", "synthetic", "--models", "dnn", "--space", str(space), "--trials", "4"]
    command += ["--budget", "epochs=1", "--batch-size", "64", "--folder", str(tmp_path / "s")]
    for key, value in SMALL.items():
        command += ["--set", f"dataset.arguments.{key}={value}"]
    shared = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **shared, "KERASTUNER_TUNER_ID": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("chief", "tuner0", "tuner1")
    ]
    outputs = [process.communicate(timeout=800)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert "Best: trial" in outputs[0]
    assert all("This worker is done" in output for output in outputs[1:])
    (folder,) = (tmp_path / "s").iterdir()
    lines = [json.loads(line) for line in (folder / "executions.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["finished"] * 4
    assert len({json.dumps(line["values"]) for line in lines}) == 4
    best = ke.runs.RunConfig.from_file(folder / "best.json")
    scores = [line["metrics"]["valid"]["auc"] for line in lines]
    chosen = lines[scores.index(max(scores))]["values"]
    assert best.model.arguments["hidden_units"] == chosen["hidden_units"]
