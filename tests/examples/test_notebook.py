"""The notebook runs from the first cell to the last."""

import contextlib
import io
import json
import pathlib
import warnings

import keras
import pytest

NOTEBOOK = pathlib.Path(__file__).parents[2] / "examples" / "your_own_table.ipynb"


def read_cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    # The cell that starts a process of its own finds the package and the backend there.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    output, names = io.StringIO(), {}
    # In a notebook warnings are no errors.
    with warnings.catch_warnings(), contextlib.redirect_stdout(output):
        warnings.simplefilter("default")
        for cell in read_cells():
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    text = output.getvalue()
    for said in ("Left out: Unnamed: 0", "number, buckets", "DataShiftWarning", "rank_elastor"):
        assert said in text
    floor, deep_fm, _ = names["comparison"].models
    assert floor.name == "gradient_boosting"
    assert min(deep_fm.values["auc"]) > 0.7


@pytest.mark.backend_free
def test_what_is_kept_in_it_is_small_and_of_no_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 200_000
    for trace in ("/home/", "/work/", "/root/", "/tmp/", "site-packages", "Traceback"):
        assert trace not in text
    code = [cell for cell in read_cells() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
