import importlib.util
import pathlib

import numpy as np
import pytest

import keras_elastor as ke
from tests.datasets.kuairand_files import impression, write_files

pytestmark = pytest.mark.usefixtures("traced_only")
SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "kuairand.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("kuairand_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_empty_folder_ends_in_three_lines_and_exit_code_2(script, tmp_path, capsys):
    assert script.main(["--data-dir", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    needed, place, source = output.err.splitlines()
    assert needed.startswith("Needed: log_standard_4_22_to_5_08_pure.csv, ")
    assert str(tmp_path) in place
    assert "https://zenodo.org/records/10439422" in source


def test_ctrl_c_ends_in_a_short_message(script, monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "run", interrupted)
    assert script.main(["--data-dir", "."]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def test_a_wrong_model_is_told_before_anything_is_read(script, capsys):
    with pytest.raises(SystemExit, match="2"):
        script.main(["--data-dir", ".", "--model", "transformer"])
    assert "rank_mixer" in capsys.readouterr().err


def test_every_model_can_be_chosen(script):
    assert list(script.MODELS) == ke.models.list_models()


@pytest.mark.parametrize(
    "model",
    [
        "rank_elastor",
        pytest.param("rank_mixer", marks=pytest.mark.slow),
        pytest.param("dnn", marks=pytest.mark.slow),
    ],
)
def test_trains_and_ends_with_a_table(script, tmp_path, capsys, model):
    generator = np.random.default_rng(0)
    log = [
        impression(
            *(int(generator.integers(4)), int(generator.integers(5)), 20220501 + i % 5, i // 5 % 2),
            time_ms=i,
        )
        for i in range(100)
    ]
    earlier = [impression(user, 1, 20220410) for user in range(4)]
    write_files(tmp_path, log, earlier)
    # Batches of one shape only: every further one is compiled anew.
    arguments = ["--data-dir", str(tmp_path), "--model", model, "--epochs", "1"]
    assert script.main([*arguments, "--batch-size", "20", "--seed", "1"]) == 0
    output = capsys.readouterr().out
    for word in ("40 impressions to train on, 40 to validate, 20 to test", model):
        assert word in output
    for row in ("backend", "dense parameters", "epochs", "seconds per epoch"):
        assert row in output
    for row in ("valid auc", "valid logloss", "valid gauc", "test auc"):
        value = output.partition(row)[2].split("│")[1]
        assert 0 <= float(value) <= 2


def test_two_tasks_have_metrics_of_their_own(script, tmp_path, capsys):
    drawn = np.random.default_rng(0).integers((4, 5, 2), size=(100, 3)).tolist()
    log = [
        impression(user, video, 20220501 + i % 5, i // 5 % 2, time_ms=i, long_view=long_view)
        for i, (user, video, long_view) in enumerate(drawn)
    ]
    write_files(tmp_path, log, [impression(user, 1, 20220410) for user in range(4)])
    arguments = [
        "--data-dir",
        str(tmp_path),
        "--model",
        "mmoe",
        "--labels",
        "is_click",
        "long_view",
    ]
    assert script.main([*arguments, "--epochs", "1", "--batch-size", "20"]) == 0
    output = capsys.readouterr().out
    for row in ("is_click, long_view", "valid auc_is_click", "test auc_long_view"):
        assert row in output
