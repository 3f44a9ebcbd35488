"""RankUp's tokens: groups of whole fields, the global token, the tasks' tokens."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.layers.tokenizers.permutation_tokenizer import draw_permutation
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_inputs


def identity_projections(tokenizer):
    for projection in tokenizer.projections:
        count, inputs, units = projection.kernel.shape
        projection.kernel.assign(np.broadcast_to(np.eye(inputs, units), (count, inputs, units)))


def test_groups_by_hand():
    # Row i of the embeddings is [10 i, 10 i + 1].
    embeddings = np.array([[[10 * i, 10 * i + 1] for i in range(5)]], "float32")
    tokenizer = ke.layers.PermutationTokenizer(2, 6, permutation=[3, 0, 4, 1, 2])
    tokenizer.build(embeddings.shape)
    identity_projections(tokenizer)
    expected = [[[30, 31, 0, 1, 40, 41], [10, 11, 20, 21, 0, 0]]]
    np.testing.assert_array_equal(call(tokenizer, embeddings), expected)


@pytest.mark.parametrize(("fields", "tokens"), [(7, 3), (6, 3), (5, 5), (4, 1)])
@pytest.mark.parametrize("normalization", [None, "layer"])
def test_twin_in_float64(fields, tokens, normalization):
    inputs = random_inputs((fields, 4), batch=3)
    tokenizer = ke.layers.PermutationTokenizer(
        tokens, 5, seed=3, normalization=normalization, activation="tanh"
    )
    tokenizer.build(inputs.shape)
    for projection in tokenizer.projections:
        projection.bias.assign(np.random.default_rng(1).normal(size=projection.bias.shape))
    outputs = call(tokenizer, inputs)
    kernels = [kernel for part in tokenizer.projections for kernel in numpy(part.kernel)]
    biases = [bias for part in tokenizer.projections for bias in numpy(part.bias)]
    for token, group in enumerate(tokenizer.groups):
        flat = inputs[:, group].astype("float64").reshape(3, -1)
        y = flat @ kernels[token] + biases[token]
        if normalization:
            y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(outputs[:, token], np.tanh(y), atol=1e-5)


@pytest.mark.parametrize(("fields", "tokens"), [(7, 3), (6, 3), (39, 8), (4, 4)])
def test_every_field_is_in_one_group_of_nearly_equal_size(fields, tokens):
    tokenizer = ke.layers.PermutationTokenizer(tokens, 4, seed=1)
    tokenizer.build((None, fields, 2))
    assert sorted(field for group in tokenizer.groups for field in group) == list(range(fields))
    sizes = [len(group) for group in tokenizer.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    assert len(sizes) == tokens
    # Only what is used has weights.
    assert tokenizer.count_params() == sum(2 * size * 4 + 4 for size in sizes)


def test_the_permutation_belongs_to_the_seed_for_good():
    # A saved model reads the fields that it was trained on: this list may never change.
    assert draw_permutation(8, 0) == [7, 4, 3, 2, 6, 0, 5, 1]
    assert draw_permutation(8, 1) == [7, 4, 6, 5, 2, 3, 0, 1]
    tokenizer = ke.layers.PermutationTokenizer(3, 4, seed=5)
    again = ke.layers.PermutationTokenizer.from_config(tokenizer.get_config())
    other = ke.layers.PermutationTokenizer(3, 4, seed=6)
    for layer in (tokenizer, again, other):
        layer.build((None, 20, 2))
    assert tokenizer.groups == again.groups != other.groups


def test_permuted_fields_and_permutation_give_the_same_tokens():
    inputs = random_inputs((5, 3))
    order = [2, 4, 0, 1, 3]
    first = ke.layers.PermutationTokenizer(2, 4, permutation=[3, 0, 4, 1, 2])
    second = ke.layers.PermutationTokenizer(
        2, 4, permutation=[order.index(field) for field in (3, 0, 4, 1, 2)]
    )
    first.build(inputs.shape)
    second.build(inputs.shape)
    second.set_weights(first.get_weights())
    np.testing.assert_allclose(call(second, inputs[:, order]), call(first, inputs), atol=1e-6)


def test_what_does_not_fit_is_named():
    with raises_value_error("as many tokens as fields, 3", "num_tokens=4"):
        ke.layers.PermutationTokenizer(4, 6).build((None, 3, 2))
    for wrong in ([0, 1], [0, 1, 1], [1, 2, 3]):
        with raises_value_error("0 to 2", "once", str(wrong)):
            ke.layers.PermutationTokenizer(2, 6, permutation=wrong).build((None, 3, 2))


def test_global_token():
    inputs = random_inputs((5, 3))
    layer = ke.layers.GlobalToken(4, hidden_units=[6])
    outputs = call(layer, inputs)
    hidden, _, output = layer.mlp.layers
    z = inputs.astype("float64").mean(1) @ numpy(hidden.kernel) + numpy(hidden.bias)
    expected = z / (1 + np.exp(-z)) @ numpy(output.kernel) + numpy(output.bias)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_task_tokens_are_appended_to_every_row():
    inputs = random_inputs((2, 3))
    layer = ke.layers.TaskTokens(2, initializer=keras.initializers.RandomNormal(stddev=1.0))
    outputs = call(layer, inputs)
    np.testing.assert_array_equal(outputs[:, :2], inputs)
    for row in outputs:
        np.testing.assert_array_equal(row[2:], numpy(layer.tokens))


def test_task_tokens_start_small():
    layer = ke.layers.TaskTokens(50)
    layer.build((None, 3, 40))
    np.testing.assert_allclose(numpy(layer.tokens).std(), 0.02, rtol=0.1)
