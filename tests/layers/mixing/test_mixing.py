"""TokenMixing, FullMixing and SegmentMixing against hand-computed cases and dense matrices."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import call_layer, random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")


def dense_operator(layer, tokens, token_dim):
    """The matrix of a linear layer on the flat vector, by its effect on each unit vector."""
    size = tokens * token_dim
    units = np.eye(size, dtype="float32").reshape(size, tokens, token_dim)
    offset = call(layer, np.zeros((1, tokens, token_dim), "float32")).reshape(-1)
    return call(layer, units).reshape(size, size).T - offset[:, None]


def commutation_matrix(tokens):
    """K with K vec(A) = vec(A^T) for square A."""
    order = np.arange(tokens * tokens).reshape(tokens, tokens).T.reshape(-1)
    return np.eye(tokens * tokens)[order]


def test_token_mixing():
    layer, _outputs = call_layer(ke.layers.TokenMixing(), random_inputs((4, 8)), (3, 4, 8))
    assert layer.count_params() == 0
    inputs = np.arange(8, dtype="float32").reshape(1, 2, 4)
    assert call(layer, inputs[:, :, :4]).tolist() == [[[0, 1, 4, 5], [2, 3, 6, 7]]]


def test_token_mixing_is_an_involution_when_heads_equal_tokens():
    inputs = random_inputs((6, 12))
    layer = ke.layers.TokenMixing()
    np.testing.assert_array_equal(call(layer, layer(inputs)), inputs)


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_token_mixing_with_other_heads(heads):
    inputs = random_inputs((4, 6))
    _layer, outputs = call_layer(ke.layers.TokenMixing(heads), inputs, (3, heads, 24 // heads))
    for head in range(heads):
        width = 6 // heads
        expected = inputs[:, :, head * width : (head + 1) * width].reshape(3, -1)
        np.testing.assert_array_equal(outputs[:, head], expected)


def test_token_mixing_is_the_commutation_matrix():
    expected = np.kron(commutation_matrix(3), np.eye(2))
    np.testing.assert_array_equal(dense_operator(ke.layers.TokenMixing(), 3, 6), expected)


def test_token_mixing_names_the_widths_that_fit():
    with raises_value_error("4 heads", "width 10", "8 and 12"):
        ke.layers.TokenMixing()(np.zeros((1, 4, 10)))
    with raises_value_error("(batch, tokens, token_dim)", "(1, 4)"):
        ke.layers.TokenMixing()(np.zeros((1, 4)))
    with raises_value_error("num_heads"):
        ke.layers.TokenMixing(0)


@pytest.mark.parametrize("block_size", [1, 2, 3, 4, 6, 24])
@pytest.mark.parametrize("use_bias", [True, False])
def test_full_mixing_is_the_kronecker_product(block_size, use_bias):
    layer, _ = call_layer(
        ke.layers.FullMixing(
            block_size,
            use_bias,
            bias_initializer="random_normal",
        ),
        random_inputs((4, 6)),
        (3, 4, 6),
    )
    kernel = numpy(layer.kernel)
    assert kernel.shape == (24 // block_size, 24 // block_size)
    expected = np.kron(kernel.T, np.eye(block_size))
    np.testing.assert_allclose(dense_operator(layer, 4, 6), expected, atol=1e-5)
    offset = call(layer, np.zeros((1, 4, 6), "float32")).reshape(-1)
    np.testing.assert_allclose(offset, numpy(layer.bias) if use_bias else 0, atol=1e-6)


def test_full_mixing_holds_rank_mixers_mixing():
    tokens, token_dim = 3, 6
    layer = ke.layers.FullMixing(block_size=token_dim // tokens, use_bias=False)
    inputs = random_inputs((tokens, token_dim))
    layer.build(inputs.shape)
    layer.kernel.assign(commutation_matrix(tokens).T)
    expected = numpy(ke.layers.TokenMixing()(inputs))
    np.testing.assert_allclose(call(layer, inputs), expected, atol=1e-6)


def test_full_mixing_starts_xavier_normal():
    layer = ke.layers.FullMixing(use_bias=False)
    layer.build((None, 16, 32))
    assert numpy(layer.kernel).std() == pytest.approx((2 / (512 + 512)) ** 0.5, rel=0.02)


def test_full_mixing_names_what_does_not_fit():
    with raises_value_error("4 * 6 = 24", "block_size=5"):
        ke.layers.FullMixing(5)(np.zeros((1, 4, 6)))
    with raises_value_error("block_size", "at least 1", "0"):
        ke.layers.FullMixing(0)


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_segment_mixing_keeps_to_its_segments(segments):
    layer, _ = call_layer(
        ke.layers.SegmentMixing(segments),
        random_inputs((4, 6)),
        (3, 4, 6),
    )
    expected = np.kron(np.eye(segments), numpy(layer.kernel).T)
    np.testing.assert_allclose(dense_operator(layer, 4, 6), expected, atol=1e-6)


def test_segment_mixing_names_what_does_not_fit():
    with raises_value_error("4 * 6 = 24", "num_segments=5"):
        ke.layers.SegmentMixing(5)(np.zeros((1, 4, 6)))


def test_kernels_made_from_one_initializer_differ():
    initializer = keras.initializers.RandomNormal()
    first = ke.layers.FullMixing(kernel_initializer=initializer)
    second = ke.layers.FullMixing(kernel_initializer=initializer)
    for layer in (first, second):
        layer.build((None, 2, 3))
    assert (numpy(first.kernel) != numpy(second.kernel)).all()
