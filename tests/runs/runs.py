"""Small runs for the tests."""

import contextlib
import json

import keras
import pytest

import keras_elastor as ke
from keras_elastor.runs.run_callback import RunCallback

# Dropout, as a run that is resumed must draw the same random numbers.
DNN = {"name": "dnn", "arguments": {"embedding_dim": 4, "hidden_units": [8], "dropout": 0.2}}

# Both protocols, with a state that a resumed run needs: a learning rate that was lowered, or a
# schedule and tables that are drawn anew at the second epoch.
PROTOCOLS = {
    "fuxictr": {"learning_rate": 0.01, "evaluate_every": 7, "patience": 9},
    "keras": {
        "name": "keras",
        "optimizer": {
            "name": "adamw",
            "learning_rate": {
                "name": "cosine_decay",
                "initial_learning_rate": 0.01,
                "decay_steps": 15,
            },
        },
        "evaluate_every": 7,
        "patience": 9,
        "redraw_embeddings": True,
    },
}


def make_config(folder, **changes):
    """Twenty steps; evaluations and checkpoints at different ones."""
    values = {
        "dataset": {
            "name": "synthetic",
            "arguments": {
                "num_categorical": 3,
                "num_numeric": 1,
                "vocabulary_size": 30,
                "seed": 3,
                "train_rows": 640,
                # Whole batches, as every other size is compiled anew.
                "valid_rows": 192,
                "test_rows": 128,
            },
        },
        "model": DNN,
        "protocol": PROTOCOLS["fuxictr"],
        "batch_size": 64,
        "epochs": 2,
        "checkpoint_steps": 4,
        "folder": str(folder),
        "seed": 5,
        **changes,
    }
    return ke.runs.RunConfig.from_dict(values)


def make_config_with_layers(folder, **changes):
    """The same with a model that is made of layers."""
    tokenizer = ke.layers.SharedTokenizer(4, 4, [8], dropout=0.3)
    mixing = ke.layers.Residual(ke.layers.TokenMixing())
    block = ke.layers.MixerBlock(mixing, ke.layers.Residual(ke.layers.PerTokenFFN([4])))
    arguments = {
        "embedding_dim": 4,
        "tokenizer": keras.saving.serialize_keras_object(tokenizer),
        "block": keras.saving.serialize_keras_object(block),
    }
    return make_config(folder, model={"name": "rank_elastor", "arguments": arguments}, **changes)


class PowerCutError(Exception):
    """Stands for a power cut."""


@contextlib.contextmanager
def power_cut(monkeypatch, step):
    """Inside this context training fails after this step, as suddenly as Python can."""
    original = RunCallback.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        original(self, batch, logs)
        if self.step == step:
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(RunCallback, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(PowerCutError):
            yield


def read_metrics(folder):
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same(result, expected):
    """Two runs have measured the same."""
    lines, wanted = read_metrics(result.folder), read_metrics(expected.folder)
    for line, want in zip(lines, wanted, strict=True):
        assert line == pytest.approx(want, abs=1e-6)
    assert result.metrics["test"] == pytest.approx(expected.metrics["test"], abs=1e-6)
    assert (result.steps, result.best_step) == (expected.steps, expected.best_step)
