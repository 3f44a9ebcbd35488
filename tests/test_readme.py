"""The README's code runs as it stands."""

import gzip
import json
import pathlib
import re
import statistics

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.models.registry import find_model
from tests.models.baselines.test_presets import SCHEMAS

pytestmark = pytest.mark.usefixtures("traced_only")
ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def make_table(rows):
    pl = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user": rng.integers(0, 30, rows),
            "item": rng.choice(["a", "b", "c"], rows),
            "price": rng.normal(size=rows),
            "click": np.arange(rows) % 2,
        }
    )


def test_training_on_an_own_table(tmp_path, monkeypatch, capsys):
    table = make_table(400)
    table.write_parquet(tmp_path / "impressions.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    output = capsys.readouterr().out
    metrics = re.findall(r"(\w+) \{'auc': 0\.\d+, 'logloss': \d\.\d+\}", output)
    assert metrics == ["deep_fm", "rank_elastor"]
    assert "column" in output
    probability = output.strip().splitlines()[-1]
    assert re.fullmatch(r"\[0\.\d+\]", probability)
    code = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(code) <= 25


def test_training_on_large_files(tmp_path, monkeypatch):
    table = make_table(90)
    monkeypatch.chdir(tmp_path)
    table[:30].write_csv("day1.csv")
    (tmp_path / "day2.csv.gz").write_bytes(gzip.compress(table[30:60].write_csv().encode()))
    table[60:].write_parquet("day3.parquet")
    names = {"ke": ke}
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    names["model"].compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    names["model"].fit(names["train"], validation_data=names["valid"], shuffle=False, verbose=0)
    rows = {name: split.rows for name, split in names["manifest"].splits.items()}
    assert rows == {"train": 60, "valid": 30}


def test_the_protocol():
    source = ke.data.synthetic(num_categorical=3, num_numeric=1, vocabulary_size=20)
    train, valid = (
        ke.data.Split(*source.arrays(300, split)).dataset(100) for split in ("train", "valid")
    )
    names = {"ke": ke, "schema": source.schema, "train": train, "valid": valid}
    exec(compile(BLOCKS[2], "README.md", "exec"), names)
    assert names["model"].stop_training


def test_the_block():
    names = {"ke": ke}
    exec(compile(BLOCKS[3], "README.md", "exec"), names)
    assert names["block"](np.ones((2, 4, 8), "float32")).shape == (2, 4, 8)


@pytest.mark.backend_free
def test_the_map_names_what_exists():
    for path in re.findall(r"^\| `([^`]+)`", README.split("## Map")[1], flags=re.MULTILINE):
        assert (ROOT / path).exists(), path


def table_of_models():
    """The cells of README's table of models, by model."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", README.split("## Models")[1], flags=re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


@pytest.mark.backend_free
def test_the_table_of_models_says_what_was_measured():
    log = ROOT / "results" / "kuairand_models.jsonl"
    runs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    table = table_of_models()
    names = [find_model(name).model.__name__ for name in ke.models.list_models()]
    assert sorted(table) == sorted(names)
    for name, (_, _, parameters, auc) in table.items():
        of_model = [run for run in runs if run["model"] == name]
        if auc == "not measured":
            assert not of_model
            continue
        assert [run["seed"] for run in of_model] == [0, 1, 2]
        assert {f"{run['dense_params']:,}" for run in of_model} == {parameters}
        values = [run["valid"]["auc"] for run in of_model]
        assert auc == f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


@pytest.mark.backend_free
@pytest.mark.usefixtures("without_drawing")
def test_the_table_of_models_has_the_sizes_of_the_presets():
    for name, (_, preset, *_) in table_of_models().items():
        if preset == "not published":
            assert not find_model(name).model.presets
            continue
        size, preset_name = re.fullmatch(r"([\d,]+) \(`(\w+)`\)", preset).groups()
        dataset = "_".join(preset_name.split("_")[-2:])
        model = ke.models.create(preset_name, SCHEMAS.get(dataset, SCHEMAS["criteo_x1"])[1])
        assert type(model).__name__ == name
        assert f"{model.count_dense_params():,}" == size
