"""Numbers embedded by periodic and piecewise-linear functions: values, place in the encoder."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_inputs

NUMBERS = random_inputs((3,))
SCHEMA = ke.FeatureSchema([ke.Numeric("price"), ke.Categorical("item", 9), ke.Numeric("age")])


def test_periodic_is_its_equation():
    layer = ke.layers.PeriodicEmbedding(5, num_frequencies=4, frequency_stddev=0.7)
    outputs = call(layer, NUMBERS)
    frequencies, kernel, bias = (numpy(weight).astype(np.float64) for weight in layer.weights)
    angles = 2 * np.pi * NUMBERS[:, :, None].astype(np.float64) * frequencies
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    expected = np.maximum(np.einsum("bnf,nfd->bnd", waves, kernel) + bias, 0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert frequencies.shape == (3, 4)
    assert abs(frequencies.std() - 0.7) < 0.5


def test_piecewise_linear_begins_as_a_line_and_bends_at_its_edges():
    layer = ke.layers.PiecewiseLinearEmbedding(1, edges=[0.0, 1.0, 3.0])
    layer.build((None, 1))
    layer.vectors.assign([[[2.0]]])
    layer.bias.assign([[0.5]])
    numbers = np.array([[-1.0], [0.0], [0.5], [1.0], [2.0], [5.0]], "float32")
    np.testing.assert_allclose(call(layer, numbers)[:, 0, 0], 2 * numbers[:, 0] + 0.5, atol=1e-6)
    layer.kernel.assign([[[10.0], [100.0]]])
    # Slopes: 2 + 10 / 1 below the edge 1, 2 + 100 / 2 above it.
    added = np.array([-10.0, 0.0, 5.0, 10.0, 10.0 + 50.0, 10.0 + 200.0])
    expected = 2 * numbers[:, 0] + 0.5 + added
    np.testing.assert_allclose(call(layer, numbers)[:, 0, 0], expected, atol=1e-5)


def test_default_edges_hold_equal_shares_of_normal_numbers():
    edges = ke.layers.PiecewiseLinearEmbedding().edges
    assert len(edges) == 17
    drawn = np.random.default_rng(0).standard_normal(100_000)
    shares = np.histogram(drawn, [-np.inf, *edges[1:-1], np.inf])[0] / len(drawn)
    np.testing.assert_allclose(shares, 1 / 16, atol=0.004)


@pytest.mark.parametrize(
    "layer",
    [
        ke.layers.PeriodicEmbedding(frequency_stddev=0.5),
        ke.layers.PiecewiseLinearEmbedding(edges=[-1.0, 1.0]),
    ],
    ids=["periodic", "piecewise linear"],
)
def test_encoder_embeds_each_number_by_its_own_weights(layer, tmp_path):
    encoder = {"embedding_dim": 4, "numeric_embedding": layer}
    model = ke.models.DNN(SCHEMA, encoder=encoder, hidden_units=[8])
    batch = {
        "price": np.array([0.5, -2.0], "float32"),
        "item": np.array([1, 2], "int32"),
        "age": np.array([0.5, 1.0], "float32"),
    }
    embeddings = model.intermediates(["encoder"]).predict(batch, verbose=0)["encoder"]
    inner = model.get_layer("encoder").numbers
    alone = call(inner, np.stack([batch["price"], batch["age"]], axis=1))
    np.testing.assert_allclose(embeddings[:, [0, 2]], alone, atol=1e-6)
    # Equal numbers of two features are embedded differently.
    assert np.abs(embeddings[0, 0] - embeddings[0, 2]).max() > 1e-3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(batch, verbose=0)
    np.testing.assert_array_equal(loaded.predict(batch, verbose=0), expected)


def test_bad_arguments():
    with raises_value_error("increase", "[1.0, 0.0]"):
        ke.layers.PiecewiseLinearEmbedding(edges=[1.0, 0.0])
    with raises_value_error("frequency_stddev", "0.0"):
        ke.layers.PeriodicEmbedding(frequency_stddev=0.0)
    with raises_value_error("num_frequencies"):
        ke.layers.PeriodicEmbedding(num_frequencies=0)
    with raises_value_error("numeric_embedding", "'periodic'"):
        ke.layers.FeatureEncoder(SCHEMA, numeric_embedding="periodic")
