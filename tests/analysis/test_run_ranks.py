"""Ranks that a run's config asks for: written down, resumed, and without any effect on the run."""

import json
import logging
import random

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.analysis.run_ranks import read_lines, sample_rows
from tests.assertions import raises_value_error
from tests.backends import slow_but_on_pytorch
from tests.runs.runs import DNN, make_config, power_cut

ANALYSIS = {"every": 4, "rows": 48, "window": 16, "kinds": ["stable"]}
NORMALIZED = {**DNN, "arguments": {**DNN["arguments"], "normalization": "batch"}}


def random_states():
    """Where each generator of the process stands."""
    states = {"python": random.getstate(), "numpy": str(np.random.get_state())}
    if keras.backend.backend() == "torch":
        import torch

        states["torch"] = torch.get_rng_state().tolist()
    return states


def run_and_look(folder, monkeypatch, **changes):
    """The files of a run, all variables of its model at the end of the training, random states."""
    trained = []
    report = ke.runs.runner._report
    monkeypatch.setattr(
        "keras_elastor.runs.runner._report",
        lambda folder, model, data, callback: (
            trained.extend(
                keras.ops.convert_to_numpy(variable)
                for variable in (*model.variables, *model.optimizer.variables)
            ),
            report(folder, model, data, callback),
        )[1],
    )
    result = ke.runs.run(make_config(folder, model=NORMALIZED, **changes))
    states = random_states()
    names = ("metrics.jsonl", "result.json", "logits.npy", "table.md")
    return {name: (result.folder / name).read_bytes() for name in names}, trained, states


def test_a_run_is_the_same_with_and_without(tmp_path, monkeypatch):
    files, variables, states = run_and_look(tmp_path / "alone", monkeypatch)
    monkeypatch.undo()
    watched = run_and_look(tmp_path / "watched", monkeypatch, analysis=ANALYSIS)
    assert watched[0] == files
    assert len(watched[1]) == len(variables)
    for one, other in zip(watched[1], variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert watched[2] == states
    (folder,) = (tmp_path / "watched").iterdir()
    assert {line["step"] for line in read_lines(folder / "ranks.jsonl")} == {0, 4, 8, 12, 16, 20}
    # Its id does not tell, so that neither is trained twice.
    assert [path.name for path in (tmp_path / "alone").iterdir()] == [folder.name]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run that nothing has disturbed: config and folder."""
    config = make_config(tmp_path_factory.mktemp("watched"), analysis=ANALYSIS)
    return config, ke.runs.run(config).folder


@slow_but_on_pytorch
def test_the_last_weights_are_measured_on_the_rows_that_the_seed_chooses(watched):
    config, folder = watched
    data = ke.runs.load_data(config)
    rows = sample_rows(data.valid.dataset(50), data.schema, len(data.valid), 48, 0)
    model = ke.runs.load_model(folder)
    model.load_weights(folder / "last.weights.h5")
    ranks = ke.analysis.RankCallback(rows, kinds=["stable"], views=["tokens", "batch"], window=16)
    ranks.set_model(model)
    ranks.on_train_begin()
    when = {"step": 20, "epoch": 2}
    expected = [{**line, **when} for line in ranks.measurements]
    assert [line for line in read_lines(folder / "ranks.jsonl") if line["step"] == 20] == expected


@slow_but_on_pytorch
def test_events(watched):
    pytest.importorskip("tensorboard")
    (path,) = (watched[1] / "tensorboard").iterdir()
    content = path.read_bytes()
    assert b"ranks/encoder/tokens/stable" in content
    assert b"logloss" in content


@slow_but_on_pytorch
@pytest.mark.parametrize("step", [0, 8, 20])
def test_goes_on_where_the_run_goes_on(step, watched, tmp_path, monkeypatch):
    config = make_config(tmp_path, analysis=ANALYSIS)
    if step:
        # The run's own callback comes first: a checkpoint is there, its measurement is not.
        with power_cut(monkeypatch, step=step):
            ke.runs.run(config)
    (tmp_path / config.run_id).mkdir(exist_ok=True)
    with (tmp_path / config.run_id / "ranks.jsonl").open("a") as file:
        file.write('{"step": 21, "epoch": 2}\n{"step": 2')
    result = ke.runs.run(config)
    lines, expected = (read_lines(f / "ranks.jsonl") for f in (result.folder, watched[1]))
    assert lines == expected


@slow_but_on_pytorch
def test_a_finished_run_says_that_it_is_not_analysed(tmp_path, caplog):
    ke.runs.run(make_config(tmp_path))
    with caplog.at_level(logging.WARNING):
        result = ke.runs.run(make_config(tmp_path, analysis={}))
    assert "without the analysis" in caplog.text
    assert not (result.folder / "ranks.jsonl").exists()


def test_rows_are_a_random_sample_without_repetition():
    schema = ke.FeatureSchema([ke.Categorical("item", 999), ke.Sequence("history", 999, 2)])
    items = np.arange(200)
    rows = {"item": items, "history": np.stack([items, items + 300], axis=1)}

    def sample(size, seed):
        batches = ({name: v[i : i + 7] for name, v in rows.items()} for i in range(0, 200, 7))
        return sample_rows(batches, schema, 200, size, seed)

    before = str(np.random.get_state())
    one, same, other = (sample(50, seed) for seed in (0, 0, 1))
    assert str(np.random.get_state()) == before
    np.testing.assert_array_equal(one["item"], same["item"])
    assert set(one["item"]) != set(other["item"])
    assert len(set(one["item"].tolist())) == 50
    assert (np.diff(one["item"]) < 0).any(), "in no order"
    np.testing.assert_array_equal(one["history"], one["item"][:, None] + [0, 300])
    assert sorted(sample(999, 0)["item"].tolist()) == items.tolist()


def test_plain_values_round_trip(tmp_path):
    config = make_config(tmp_path, analysis={"every": 3})
    assert config.analysis == ke.analysis.RankAnalysis(every=3)
    plain = json.loads(json.dumps(config.to_dict()))
    assert ke.runs.RunConfig.from_dict(plain) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"evry": 3}, ["'analysis.evry'", "'every'"]),
        ({"every": 0}, ["'analysis.every'", "0"]),
        ({"every": 1.5}, ["'analysis.every'", "an integer", "1.5"]),
        ({"kinds": "stable"}, ["'analysis.kinds'", "a list", "'stable'"]),
        ({"kinds": ["stabel"]}, ["'stabel'"]),
        ({"seed": -1}, ["'analysis.seed'", "-1"]),
        ({"rows": 1}, ["rows", "1"]),
        (True, ["'analysis'", "keys and values", "True"]),
    ],
)
def test_wrong_values_are_named(values, words, tmp_path):
    with raises_value_error(*words):
        make_config(tmp_path, analysis=values)


def test_too_few_rows_are_said_before_the_first_step(tmp_path):
    with raises_value_error("window=500", "192 rows"):
        ke.runs.run(make_config(tmp_path, analysis={}))
