"""The hidden layers of towers are stages, computed by the model's own weights."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.backends import call, numpy
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, make

FEATURES, _ = random_batch(SCHEMA)


def relu(values, dense):
    return np.maximum(values @ numpy(dense.kernel) + numpy(dense.bias), 0.0)


def test_stages_are_the_hidden_layers_by_hand():
    model = make("DNN", hidden_units=(6, 5))
    stages = call(model.intermediates(), FEATURES)
    assert list(stages) == ["encoder", "head_hidden_0", "head_hidden_1"]
    first, second = model.get_layer("head").hidden.layers[::2]
    values = stages["encoder"].reshape(len(stages["encoder"]), -1)
    for name, dense in (("head_hidden_0", first), ("head_hidden_1", second)):
        values = relu(values, dense)
        np.testing.assert_allclose(stages[name], values, atol=1e-5)
    logits = model.get_layer("head").logits
    expected = values @ numpy(logits.kernel) + numpy(logits.bias)
    np.testing.assert_allclose(call(model, FEATURES), expected, atol=1e-5)


def test_stages_follow_what_is_trained():
    model = make("DNN", hidden_units=(6,))
    view = model.intermediates(["head_hidden_0"])
    dense = model.get_layer("head").hidden.layers[0]
    dense.bias.assign(np.full(6, 100.0, "float32"))
    before = call(view, FEATURES)["head_hidden_0"]
    dense.bias.assign(np.full(6, 101.0, "float32"))
    np.testing.assert_allclose(call(view, FEATURES)["head_hidden_0"], before + 1.0, rtol=1e-5)


def test_norm_and_activation_belong_to_their_layer():
    model = make("DNN", hidden_units=(6, 5), normalization="batch", activation="tanh", dropout=0.5)
    stages = call(model.intermediates(), FEATURES)
    dense, norm, *_ = model.get_layer("head").hidden.layers
    values = stages["encoder"].reshape(len(stages["encoder"]), -1)
    values = values @ numpy(dense.kernel) + numpy(dense.bias)
    values = np.tanh(values / np.sqrt(1.0 + norm.epsilon))
    np.testing.assert_allclose(stages["head_hidden_0"], values, atol=1e-5)


HIDDEN = {
    "AutoInt": ({"hidden_units": (6, 5)}, {"deep_hidden_0": 6, "deep_hidden_1": 5}),
    "DCNv2": (
        {"parallel_units": (6, 5), "stacked_units": (4, 3)},
        {"stacked_hidden_0": 4, "stacked": 3, "parallel_hidden_0": 6, "parallel": 5},
    ),
    "DIN": ({"hidden_units": (6, 5)}, {"head_hidden_0": 6, "head_hidden_1": 5}),
    "DLRM": (
        {"bottom_units": (7,), "hidden_units": (6, 5)},
        {"bottom_hidden_0": 7, "bottom": 4, "head_hidden_0": 6, "head_hidden_1": 5},
    ),
    "DeepFM": ({"hidden_units": (6, 5)}, {"deep_hidden_0": 6, "deep_hidden_1": 5}),
    "FinalMLP": (
        {"first_units": (6, 4), "second_units": (4,)},
        {"stream_1_hidden_0": 6, "stream_1": 4, "stream_2": 4},
    ),
    "GDCN": ({"parallel_units": (6, 5)}, {"parallel_hidden_0": 6, "parallel": 5}),
    "MaskNet": (
        {"serial_units": (), "parallel_units": (4, 4), "hidden_units": (6, 5)},
        {"head_hidden_0": 6, "head_hidden_1": 5},
    ),
    "WideAndDeep": ({"hidden_units": (6, 5)}, {"deep_hidden_0": 6, "deep_hidden_1": 5}),
    "Wukong": ({"hidden_units": (6, 5)}, {"head_hidden_0": 6, "head_hidden_1": 5}),
    "xDeepFM": ({"hidden_units": (6, 5)}, {"deep_hidden_0": 6, "deep_hidden_1": 5}),
}
TOWERS = ("head", "deep", "bottom", "parallel", "stacked", "stream")


@pytest.mark.parametrize("name", HIDDEN)
def test_every_hidden_layer_of_every_tower_is_a_stage(name):
    arguments, widths = HIDDEN[name]
    model = make(name, **arguments)
    tensors = model.intermediates().output
    found = {stage: tensors[stage].shape[-1] for stage in tensors if stage.startswith(TOWERS)}
    assert list(found.items()) == list(widths.items())
    # Computed beside the graph: the model has neither weights nor layers more.
    assert not any(layer.name.endswith("_hidden") for layer in model.layers)
    assert sum(layer.count_params() for layer in model.layers) == model.count_params()


@pytest.mark.parametrize("name", ["DNN", "DeepFM", "Wukong", "DLRM"])
def test_a_tower_without_hidden_layers_has_no_such_stages(name):
    model = make(name, hidden_units=())
    assert not [stage for stage in model.stage_names if "head_" in stage or "deep_" in stage]
    assert np.isfinite(call(model.intermediates(), FEATURES)["encoder"]).all()


def test_stages_of_a_loaded_model(tmp_path):
    model = make("FinalMLP", first_units=(6, 4), second_units=(7, 4), gate_units=None)
    expected = call(model.intermediates(), FEATURES)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    stages = call(loaded.intermediates(), FEATURES)
    assert list(stages) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(stages[name], values)


def test_ranks_of_hidden_layers():
    model = make("DNN", hidden_units=(6, 5))
    features, _ = random_batch(SCHEMA, batch=40)
    ranks = ke.analysis.layer_ranks(model, features, kinds=["stable"], window=20)
    lines = ranks[ranks.stage == "head_hidden_1"]
    values = call(model.intermediates(), features)["head_hidden_1"].reshape(2, 20, 5)
    assert lines["view"].tolist() == ["batch"]
    expected = ke.analysis.effective_rank(values, "stable").mean()
    assert lines["mean"].tolist() == pytest.approx([expected], rel=1e-4)
