"""Columns may be called what people call them."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.utils.saving import exported_names
from tests.assertions import raises_value_error
from tests.backends import call
from tests.checks import random_batch

pytestmark = pytest.mark.usefixtures("traced_only")

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("x/y", 7),
        ke.Sequence("h/1", 7, 3, table="x/y"),
        ke.Sequence("é 用户", 5, 3),
        ke.Numeric("1st"),
        ke.Embedding("_x", 3),
        ke.Categorical("encoder", 4),
        ke.Numeric("head"),
        ke.Sequence("block_0", 4, 2, table="encoder"),
        ke.Embedding("deep", 2),
        ke.Categorical("linear", 3),
        ke.Numeric("a:b"),
        ke.Numeric("a b"),
        ke.Numeric(".."),
        ke.Sequence(" ", 3, 2),
    ]
)


@pytest.mark.parametrize("name", ["Wukong", "DeepFM"])
def test_a_model_trains_predicts_and_survives_saving(name, tmp_path):
    small = {"Wukong": {"num_blocks": 1, "block_units": [8]}, "DeepFM": {}}[name]
    model = ke.models.create(name, SCHEMA, embedding_dim=4, hidden_units=[8], **small)
    features, labels = random_batch(SCHEMA)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(features, labels, verbose=0)
    expected = call(model, features)
    assert len(np.unique(expected)) == len(expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(call(loaded, features), expected, atol=1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    other = ke.models.create(name, SCHEMA, embedding_dim=4, hidden_units=[8], **small)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(call(other, features), expected, atol=1e-6)


def test_tensors_have_their_features_names_and_layers_one_of_their_own():
    inputs = ke.models.make_inputs(SCHEMA)
    assert [tensor.name for tensor in inputs.values()] == list(SCHEMA.names)
    layers = [layer.name for layer in keras.Model(inputs, list(inputs.values())).layers]
    assert layers[:2] == ["x-2f-y_input", "h-2f-1_input"]
    assert len(set(layers)) == len(SCHEMA.names)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ke.Numeric("a\0b"),
        lambda: ke.Categorical("a\0b", 3),
        lambda: ke.Sequence("a\0b", 3, 2),
        lambda: ke.Embedding("a\0b", 3),
        lambda: ke.data.Recipe([ke.data.NumericColumn("a\0b")]),
    ],
)
def test_a_name_that_no_file_can_hold_is_refused(make):
    with raises_value_error("NUL", "'a\\x00b'", "Rename"):
        make()


# Keras' own export on JAX.
@pytest.mark.filterwarnings("ignore:The `native_serialization` parameter:DeprecationWarning")
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras exports no SavedModel there")
def test_features_of_any_name_are_exported(tmp_path):
    tf = pytest.importorskip("tensorflow")
    names = ("x/y", "x_2f_y", "1a", "é", "encoder", "X_Y", "p (€)")
    schema = ke.FeatureSchema([ke.Categorical(name, 9) for name in names])
    model = ke.models.LogisticRegression(schema)
    batch = {name: np.array([1, 2], "int32") for name in names}
    model.export(tmp_path / "exported", verbose=False)
    exported = exported_names(names)
    assert list(exported.values())[:3] == ["x_2f_y", "x_2f_y_", "input_1a"]
    serve = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"]
    inputs = {exported[name]: tf.constant(values) for name, values in batch.items()}
    (outputs,) = serve(**inputs).values()
    np.testing.assert_allclose(outputs.numpy(), model.predict(batch, verbose=0), atol=1e-6)
