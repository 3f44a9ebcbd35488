"""Layers stand in place of widths in every model that has an MLP."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, make

FEATURES, LABELS = random_batch(SCHEMA)
# The arguments of each model that hold the widths of an MLP.
TOWERS = {
    "AutoInt": ["hidden_units"],
    "DCNv2": ["parallel_units", "stacked_units"],
    "DIN": ["hidden_units", "attention_units"],
    "DLRM": ["hidden_units", "bottom_units"],
    "DNN": ["hidden_units"],
    "DeepFM": ["hidden_units"],
    "FinalMLP": ["first_units", "second_units", "gate_units"],
    "GDCN": ["parallel_units", "stacked_units"],
    "WideAndDeep": ["hidden_units"],
    "Wukong": ["hidden_units", "block_units"],
    "xDeepFM": ["hidden_units"],
}


def test_a_layer_takes_the_place_of_a_width_by_hand():
    tower = keras.layers.Dense(3, use_bias=False, kernel_initializer="ones")
    mlp = ke.layers.MLP([tower, 2], activation=None)
    inputs = np.arange(8.0).reshape(2, 4).astype("float32")
    outputs = call(mlp, inputs)
    copy, dense = mlp.layers
    assert copy is not tower
    sums = np.repeat(inputs.sum(axis=1, keepdims=True), 3, axis=1)
    np.testing.assert_allclose(outputs, sums @ numpy(dense.kernel), rtol=1e-5)
    assert mlp.compute_output_shape((None, 4)) == (None, 2)
    assert mlp.hidden_output_shapes((None, 4)) == [(None, 3)]


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name, found in TOWERS.items() for argument in found]
)
def test_every_tower_of_every_model_can_be_a_layer(name, argument, tmp_path):
    tower = keras.layers.Dense(6, activation="tanh", name="mine")
    model = make(name, **{argument: tower})
    config = model.get_config()[argument]
    assert "tanh" in str(config)
    found = [one for one in model._flatten_layers() if one.name == "mine"]
    assert {one.units for one in found} == {6}
    expected = call(model, FEATURES)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(call(loaded, FEATURES), expected)


def test_stages_of_layers_and_widths():
    model = make("DNN", hidden_units=[keras.layers.Dense(7), 4])
    stages = call(model.intermediates(), FEATURES)
    shapes = {name: stage.shape[1:] for name, stage in stages.items() if name != "encoder"}
    assert shapes == {"head_hidden_0": (7,), "head_hidden_1": (4,)}


def test_lists_of_rates_count_layers():
    with raises_value_error("dropout", "2"):
        ke.layers.MLP([keras.layers.Dense(3), 2], dropout=[0.1])
