"""What the scripts in `benchmarks/` compute."""

import importlib.util
import pathlib

import numpy as np
import pytest

from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_own_code_equals_that_of_libraries(tmp_path, monkeypatch, capsys):
    module = load("own_code")
    small = {"ROWS": 2000, "KNOWN": 3000, "PASSES": 1, "RESULTS": tmp_path / "own_code.csv"}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    module.main()
    lines = (tmp_path / "own_code.csv").read_text().splitlines()
    assert len(lines) == 1 + len(capsys.readouterr().out.splitlines()) == 10


def test_own_code_that_differs_is_an_error(tmp_path, monkeypatch):
    module = load("own_code")
    monkeypatch.setattr(module, "ROWS", 2000)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "own_code.csv")
    monkeypatch.setattr(module, "add_up", lambda parts: parts[0])
    monkeypatch.setattr(module, "KNOWN", 3000)
    with raises_value_error("add_up", "equal results"):
        module.main()


def test_own_table_measures_each_run_once(tmp_path, monkeypatch, capsys):
    pl = pytest.importorskip("polars")
    pytest.importorskip("sklearn")
    module = load("own_table")
    rng = np.random.default_rng(0)
    item = rng.integers(0, 5, 400)
    clicked = (rng.random(400) < 0.1 + 0.15 * item).astype(int)
    table = pl.DataFrame({"item": [f"i{i}" for i in item], "label": clicked})
    monkeypatch.setattr(module, "TABLES", {"adult": lambda cache: table})
    monkeypatch.setattr(module, "RESULTS", tmp_path / "own_table.csv")
    models = ["--models", "gradient_boosting", "pytorch_widedeep", "--seeds", "0", "1"]
    arguments = ["own_table.py", "--cache", str(tmp_path), "--folder", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", [*arguments, *models])
    module.main()
    shown = capsys.readouterr().out
    assert "--widedeep-python was not given" in shown
    lines = pl.read_csv(tmp_path / "own_table.csv")
    assert lines["seed"].to_list() == [0, 1]
    assert lines["train_rows"].to_list() == [320, 320]
    logits = np.load(tmp_path / "runs" / "adult-gradient_boosting-1.npy")
    labels = np.load(tmp_path / "runs" / "adult-labels-0.npy")
    assert lines["auc"][1] == pytest.approx(share_in_order(labels, logits), abs=1e-12)
    assert f"| adult | gradient_boosting | {lines['auc'].mean():.4f} ±" in shown
    assert "+0.0000 [+0.0000, +0.0000]" in shown
    module.main()
    assert pl.read_csv(tmp_path / "own_table.csv").equals(lines)


def share_in_order(labels, logits):
    """The share of pairs that are in order, counted one by one."""
    pairs = logits[labels == 1][:, None] - logits[labels == 0]
    return ((pairs > 0) + 0.5 * (pairs == 0)).mean()
