import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.runs.diagnosis import batch_statistics, first_bad_layer


@pytest.fixture
def model():
    schema = ke.FeatureSchema([ke.Categorical("item", 9), ke.Numeric("price")], group="user")
    return ke.models.DNN(schema, embedding_dim=3, hidden_units=[4])


FEATURES = {
    "item": np.array([1, 2], "int32"),
    "price": np.array([0.5, 2.0], "float32"),
    "user": np.array([7, 7], "int32"),
}


def test_a_healthy_model(model):
    assert first_bad_layer(model, FEATURES) is None


def test_the_first_layer_whose_output_is_not_finite(model):
    encoder = model.get_layer("encoder")
    encoder.numeric_vectors.assign(keras.ops.full((1, 3), 3e38))
    assert first_bad_layer(model, FEATURES) == "output of layer 'encoder'"
    encoder.numeric_vectors.assign(keras.ops.full((1, 3), 1e30))
    for weight in model.get_layer("head").weights:
        weight.assign(keras.ops.full(weight.shape, 1e30))
    assert first_bad_layer(model, FEATURES) == "output of layer 'head'"


def test_a_weight_that_is_not_finite(model):
    weight = model.get_layer("head").weights[0]
    weight.assign(keras.ops.full(weight.shape, float("nan")))
    assert first_bad_layer(model, FEATURES) == f"weight '{weight.path}' of layer 'head'"


def test_statistics():
    statistics = batch_statistics(FEATURES, np.array([0.0, 1.0]))
    assert statistics["price"] == {"min": 0.5, "mean": 1.25, "max": 2.0}
    assert statistics["label"]["mean"] == 0.5
