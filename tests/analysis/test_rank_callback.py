"""Ranks while a model trains: right, written down, and without any effect on the training."""

import json
import random

import keras
import numpy as np
import pandas as pd
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, make

ROWS = 60


def train(callbacks, name="RankMixer", epochs=2):
    """A model, trained on rows in random order, with dropout where it can have it."""
    keras.utils.set_random_seed(7)
    options = {"dropout": 0.3, "normalization": "batch"} if name == "DNN" else {}
    model = make(name, **options)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=["mae"])
    features, labels = random_batch(SCHEMA, batch=ROWS)
    history = model.fit(
        features, labels, batch_size=20, epochs=epochs, callbacks=callbacks, verbose=0
    )
    return model, history.history, (random.random(), np.random.random())


@pytest.mark.parametrize("name", ["DNN", "RankMixer"])
def test_changes_nothing_of_the_training(name):
    probe, _ = random_batch(SCHEMA, batch=40, seed=1)
    alone, history, drawn = train([], name)
    watched, watched_history, watched_drawn = train(
        [ke.analysis.RankCallback(probe, every=2, window=20)], name
    )
    assert watched_history == history
    assert watched_drawn == drawn
    for variable, other in zip(alone.variables, watched.variables, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(variable), keras.ops.convert_to_numpy(other)
        )


def test_measures_the_model_of_the_moment_and_writes_it_down(tmp_path):
    probe, _ = random_batch(SCHEMA, batch=50, seed=1)
    folder = tmp_path / "run"
    callback = ke.analysis.RankCallback(probe, folder=folder, max_rows=45, window=20)
    model, *_ = train([callback])
    frame = callback.frame()
    assert frame.step.unique().tolist() == [0, 3, 6]
    assert frame.epoch.unique().tolist() == [0, 1, 2]
    last = frame[frame.step == 6].drop(columns=["step", "epoch"]).reset_index(drop=True)
    views = ("tokens", "batch")
    expected = ke.analysis.layer_ranks(model, probe, max_rows=45, views=views, window=20)
    pd.testing.assert_frame_equal(last, expected)
    first = frame[frame.step == 0]["mean"].to_numpy()
    assert (first != last["mean"].to_numpy()).all()
    lines = [json.loads(line) for line in (folder / "ranks.jsonl").read_text().splitlines()]
    assert lines == callback.measurements


def test_every_number_of_steps(tmp_path):
    probe, _ = random_batch(SCHEMA, batch=20, seed=1)
    callback = ke.analysis.RankCallback(probe, every=4, folder=tmp_path, window=20)
    train([callback], epochs=3)
    frame = callback.frame()
    assert frame.step.unique().tolist() == [0, 4, 8]
    # A single window has no standard error.
    assert frame.standard_error[frame.view == "batch"].isna().all()
    lines = [json.loads(line) for line in (tmp_path / "ranks.jsonl").read_text().splitlines()]
    assert {line["standard_error"] for line in lines if line["view"] == "batch"} == {None}


def test_bad_input():
    probe, _ = random_batch(SCHEMA, batch=20, seed=1)
    with raises_value_error("every", "0"):
        ke.analysis.RankCallback(probe, every=0)
    with raises_value_error("'stabel'"):
        ke.analysis.RankCallback(probe, kinds=["stabel"])
    with raises_value_error("window=500", "20 rows"):
        train([ke.analysis.RankCallback(probe)])
    callback = ke.analysis.RankCallback(probe)
    callback.set_model(keras.Sequential(name="mine"))
    with raises_value_error("named stages", "mine"):
        callback.on_train_begin()
