"""What is set on a model after it was made is there again when it is loaded."""

import json

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.backends import numpy
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, SMALL, make

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

FEATURES, LABELS = random_batch(SCHEMA)


def reload(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    # As JSON: what was a tuple is a list.
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())
    return loaded


def flags(model):
    return [(variable.name, variable.trainable) for variable in model.variables]


def layers(model):
    return model._flatten_layers(include_self=False)


def check_equal(loaded, model):
    np.testing.assert_array_equal(
        loaded.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0)
    )
    assert [layer.trainable for layer in layers(loaded)] == [
        layer.trainable for layer in layers(model)
    ]
    assert [layer.dtype_policy.name for layer in layers(loaded)] == [
        layer.dtype_policy.name for layer in layers(model)
    ]
    assert flags(loaded) == flags(model)
    assert [len(loaded.trainable_variables), len(loaded.non_trainable_variables)] == [
        len(model.trainable_variables),
        len(model.non_trainable_variables),
    ]
    if not model.compiled:
        return
    mine = [numpy(variable) for variable in model.optimizer.variables]
    theirs = [numpy(variable) for variable in loaded.optimizer.variables]
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SMALL)
def test_a_frozen_encoder_stays_frozen(name):
    model = make(name)
    encoder = next(iter(layer for layer in model.layers if layer.trainable_variables))
    encoder.trainable = False
    copy = type(model).from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    assert flags(copy) == flags(model)
    assert len(copy.trainable_variables) == len(model.trainable_variables)
    assert len(copy.trainable_variables) < len(make(name).trainable_variables)


def freeze_encoder(model):
    model.get_layer("encoder").trainable = False


def freeze_all_but_an_inner_layer(model):
    model.trainable = False
    model.trainable = True
    model.get_layer("encoder").trainable = False
    inner = [layer for layer in model.get_layer("encoder")._flatten_layers() if layer.weights]
    inner[-1].trainable = True


def freeze_all(model):
    model.trainable = False


@pytest.mark.parametrize("freeze", [freeze_encoder, freeze_all_but_an_inner_layer])
def test_a_trained_model_with_frozen_layers(freeze, tmp_path):
    model = make("DNN")
    freeze(model)
    model.compile()
    model.fit(FEATURES, LABELS, verbose=0)
    loaded = reload(model, tmp_path)
    check_equal(loaded, model)
    model.fit(FEATURES, LABELS, verbose=0, shuffle=False)
    loaded.fit(FEATURES, LABELS, verbose=0, shuffle=False)
    check_equal(loaded, model)


def test_a_frozen_model(tmp_path):
    model = make("DNN")
    freeze_all(model)
    check_equal(reload(model, tmp_path), model)
    model.trainable = True
    check_equal(reload(model, tmp_path), model)


def test_a_global_policy_is_that_of_the_loaded_model(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make("DNN")
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = reload(model, tmp_path)
    check_equal(loaded, model)
    assert loaded.get_layer("encoder").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    plain = make("DNN")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        check_equal(reload(plain, tmp_path), plain)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_policy_set_on_a_layer(tmp_path):
    model = make("DNN")
    for layer in layers(model):
        if layer.name.startswith("dense"):
            layer.dtype_policy = "mixed_bfloat16"
    before = make("DNN").predict(FEATURES, verbose=0)
    assert not np.array_equal(model.predict(FEATURES, verbose=0), before)
    check_equal(reload(model, tmp_path), model)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["DNN", "DCNv2", "RankElastor"])
def test_a_quantized_model(name, tmp_path):
    model = make(name)
    before = model.predict(FEATURES, verbose=0)
    model.quantize("int8")
    after = model.predict(FEATURES, verbose=0)
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(after, before, atol=0.1)
    check_equal(reload(model, tmp_path), model)


def test_configs_of_earlier_versions_load():
    config = make("FM").get_config()
    del config["layer_state"], config["global_policy"]
    assert isinstance(ke.models.FM.from_config(config), ke.models.FM)


def test_what_is_set_on_layers_later(tmp_path):
    """As Keras keeps it for its own functional models."""
    model = ke.models.DNN(SCHEMA, hidden_units=[8, 8], dropout=0.5, normalization="layer")
    layers = model.get_layer("head").hidden.layers
    dropouts = [layer for layer in layers if isinstance(layer, keras.layers.Dropout)]
    norms = [layer for layer in layers if isinstance(layer, keras.layers.LayerNormalization)]
    dropouts[1].rate, norms[0].epsilon = 0.25, 0.1
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    layers = loaded.get_layer("head").hidden.layers
    rates = [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)]
    epsilons = [
        layer.epsilon for layer in layers if isinstance(layer, keras.layers.LayerNormalization)
    ]
    assert (rates, epsilons) == ([0.5, 0.25], [0.1, 1e-5])
    loaded.save(tmp_path / "again.keras")
    assert keras.models.load_model(tmp_path / "again.keras").get_config() == loaded.get_config()
