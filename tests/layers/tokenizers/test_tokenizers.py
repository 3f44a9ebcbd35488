"""The tokenizers against numpy."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import call_layer, random_inputs


def rms(x):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)


def dense(layer, x):
    return x @ numpy(layer.kernel).astype("float64") + numpy(layer.bias)


def flat_norm(tokenizer, inputs):
    flat = inputs.astype("float64").reshape(len(inputs), -1)
    return rms(flat) * numpy(tokenizer.norm.gamma)


def test_slice_tokenizer_pads_what_does_not_divide():
    inputs = random_inputs((5, 3))
    layer, outputs = call_layer(ke.layers.SliceTokenizer(4, 8), inputs, (3, 4, 8))
    flat = np.pad(inputs.reshape(3, 15), ((0, 0), (0, 1)))
    for token in range(4):
        kernel = numpy(layer.projection.kernel)[token]
        expected = flat[:, 4 * token : 4 * token + 4] @ kernel
        np.testing.assert_allclose(outputs[:, token], expected, atol=1e-5)


def mlp_twin(layer, x, normalization):
    if normalization:
        first, norm, _, output = layer.mlp.layers
        hidden = rms(dense(first, x)) * numpy(norm.gamma)
    else:
        first, _, output = layer.mlp.layers
        hidden = dense(first, x)
    return dense(output, np.maximum(hidden, 0))


@pytest.mark.parametrize("normalization", ["rms", None])
def test_shared_tokenizer(normalization):
    inputs = random_inputs((6, 4))
    layer, outputs = call_layer(
        ke.layers.SharedTokenizer(
            3,
            5,
            [7],
            normalization=normalization,
            dropout=0.0,
        ),
        inputs,
        (3, 3, 5),
    )
    slices = flat_norm(layer, inputs).reshape(3, 3, 8)
    np.testing.assert_allclose(outputs, mlp_twin(layer, slices, normalization), atol=1e-5)


@pytest.mark.parametrize("normalization", ["rms", None])
def test_flat_tokenizer(normalization):
    inputs = random_inputs((6, 4))
    layer, outputs = call_layer(
        ke.layers.FlatTokenizer(
            3,
            5,
            [7],
            normalization=normalization,
            dropout=0.0,
        ),
        inputs,
        (3, 3, 5),
    )
    tokens = mlp_twin(layer, flat_norm(layer, inputs), normalization).reshape(3, 3, 5)
    np.testing.assert_allclose(outputs, tokens, atol=1e-5)


def test_reshape_tokenizer():
    inputs = random_inputs((6, 4))
    layer, outputs = call_layer(ke.layers.ReshapeTokenizer(3, 8), inputs, (3, 3, 8))
    np.testing.assert_allclose(outputs, flat_norm(layer, inputs).reshape(3, 3, 8), atol=1e-5)


def test_dropout_works_in_training_alone():
    inputs = random_inputs((6, 4), batch=32)
    layer = ke.layers.SharedTokenizer(3, 5, [64], dropout=0.5)
    plain = call(layer, inputs)
    np.testing.assert_array_equal(call(layer, inputs, training=False), plain)
    assert not np.allclose(call(layer, inputs, training=True), plain)


def test_wrong_shapes_are_named():
    with raises_value_error("6 * 4 = 24", "num_tokens=5"):
        ke.layers.SharedTokenizer(5, 8)(np.zeros((1, 6, 4)))
    with raises_value_error("6 * 4 = 24", "num_tokens=3", "token_dim=7"):
        ke.layers.ReshapeTokenizer(3, 7)(np.zeros((1, 6, 4)))
    with raises_value_error("num_tokens", "0"):
        ke.layers.SliceTokenizer(0, 7)
