"""Small runs for the tests."""

import json

import keras

import keras_elastor as ke

DNN = {"name": "dnn", "arguments": {"embedding_dim": 4, "hidden_units": [8]}}


def make_config(folder, **changes):
    """Thirty steps; evaluations and checkpoints at different ones."""
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
        "protocol": {"learning_rate": 0.01, "evaluate_every": 7, "patience": 9},
        "batch_size": 64,
        "epochs": 3,
        "checkpoint_steps": 4,
        "folder": str(folder),
        "seed": 5,
        **changes,
    }
    return ke.training.RunConfig.from_dict(values)


def make_config_with_dropout(folder, **changes):
    """The same with a model that draws random numbers in every step."""
    tokenizer = ke.layers.SharedTokenizer(4, 4, [8], dropout=0.3)
    mixing = ke.layers.Residual(ke.layers.TokenMixing())
    block = ke.layers.MixerBlock(mixing, ke.layers.Residual(ke.layers.PerTokenFFN([4])))
    arguments = {
        "embedding_dim": 4,
        "tokenizer": keras.saving.serialize_keras_object(tokenizer),
        "block": keras.saving.serialize_keras_object(block),
    }
    return make_config(folder, model={"name": "rank_elastor", "arguments": arguments}, **changes)


def read_metrics(folder):
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
