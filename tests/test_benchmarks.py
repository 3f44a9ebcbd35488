"""What the scripts in `benchmarks/` compute."""

import importlib.util
import pathlib

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
