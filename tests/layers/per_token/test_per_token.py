"""The per-token layers against one plain network per token, computed with numpy in float64."""

import keras
import numpy as np
import pytest
from scipy.special import erf

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import call_layer, random_inputs


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def rms(x):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)


def weight(layer, name, token):
    return numpy(getattr(layer, name)).astype("float64")[token]


def randomize(layer, seed=1):
    """Biases and scales start at 0 and 1, where a wrong use of them would not show."""
    rng = np.random.default_rng(seed)
    for variable in layer.weights:
        if "kernel" not in variable.name:
            variable.assign(rng.normal(1.0, 0.5, variable.shape))


@pytest.mark.parametrize("use_bias", [True, False])
def test_per_token_dense(use_bias):
    inputs = random_inputs((4, 5))
    layer, _ = call_layer(ke.layers.PerTokenDense(3, "tanh", use_bias), inputs, (3, 4, 3))
    randomize(layer)
    for token in range(4):
        expected = inputs[:, token].astype("float64") @ weight(layer, "kernel", token)
        if use_bias:
            expected += weight(layer, "bias", token)
        np.testing.assert_allclose(call(layer, inputs)[:, token], np.tanh(expected), atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda first: ke.layers.PerTokenDense(3, "relu", tokens_first=first),
        lambda first: ke.layers.PerTokenRMSNormalization(tokens_first=first),
        lambda first: ke.layers.PerTokenGLU(2.0, tokens_first=first),
    ],
)
def test_tokens_first_is_only_a_layout(make):
    inputs = random_inputs((4, 5))
    batch_first, tokens_first = make(False), make(True)
    batch_first.build(inputs.shape)
    tokens_first.build((4, None, 5))
    randomize(batch_first)
    tokens_first.set_weights(batch_first.get_weights())
    outputs = call(tokens_first, inputs.transpose(1, 0, 2)).transpose(1, 0, 2)
    np.testing.assert_allclose(outputs, call(batch_first, inputs), atol=1e-6)


def test_each_tokens_kernel_has_the_scale_of_its_own_matrix():
    layer = ke.layers.PerTokenDense(64)
    layer.build((None, 8, 128))
    kernel = numpy(layer.kernel)
    stds = kernel.std(axis=(1, 2))
    np.testing.assert_allclose(stds, (2 / (64 + 128)) ** 0.5, rtol=0.05)
    assert np.abs(np.corrcoef(kernel.reshape(8, -1)) - np.eye(8)).max() < 0.1


def test_seeded_initializers_do_not_make_tokens_equal():
    seeded = keras.initializers.GlorotNormal(seed=3)
    first, second = (ke.layers.PerTokenDense(4, kernel_initializer=seeded) for _ in range(2))
    for layer in (first, second):
        layer.build((None, 3, 5))
    kernel = numpy(first.kernel)
    assert not np.array_equal(kernel[0], kernel[1])
    np.testing.assert_array_equal(kernel, numpy(second.kernel))


def test_per_token_rms_normalization():
    inputs = random_inputs((4, 5))
    layer, _ = call_layer(ke.layers.PerTokenRMSNormalization(), inputs, (3, 4, 5))
    randomize(layer)
    expected = rms(inputs.astype("float64")) * numpy(layer.gamma)
    np.testing.assert_allclose(call(layer, inputs), expected, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, (-2, -1)])
def test_rms_norm(axis):
    inputs = random_inputs((4, 5))
    layer, _ = call_layer(ke.layers.RMSNormalization(axis), inputs, (3, 4, 5))
    randomize(layer)
    mean = (inputs.astype("float64") ** 2).mean(axis, keepdims=True)
    expected = inputs / np.sqrt(mean + 1e-12) * numpy(layer.gamma)
    np.testing.assert_allclose(call(layer, inputs), expected, atol=1e-5)


def test_norms_of_half_precision_inputs_do_not_overflow():
    keras.config.set_dtype_policy("mixed_float16")
    inputs = np.full((1, 2, 8), 300.0, "float16")  # 300 squared is beyond float16
    for layer in (ke.layers.RMSNormalization(), ke.layers.PerTokenRMSNormalization()):
        np.testing.assert_allclose(call(layer, inputs), 1.0, atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 unless asked to")
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (ke.layers.RMSNormalization, lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True))),
        (ke.layers.PerTokenRMSNormalization, lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True))),
        (
            ke.layers.PerTokenLayerNormalization,
            lambda x: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True),
        ),
        (ke.layers.MeanHead, lambda x: x.mean((1, 2))[:, None]),
    ],
)
def test_means_keep_float64(layer, expected):
    inputs = np.random.default_rng(0).normal(size=(3, 4, 5))
    options = {} if layer is ke.layers.MeanHead else {"epsilon": 1e-18}
    outputs = call(layer(dtype="float64", **options), inputs)
    np.testing.assert_allclose(outputs, expected(inputs), rtol=1e-12)


def test_rms_norm_takes_large_numbers_where_keras_own_loses_them():
    """Once Keras' own does not, ours can be made of it."""
    inputs = np.full((1, 8), 1e5, "float32")  # beyond float16
    ours = ke.layers.RMSNormalization(dtype="mixed_float16")
    theirs = keras.layers.RMSNormalization(epsilon=1e-12, dtype="mixed_float16")
    np.testing.assert_allclose(call(ours, inputs), 1.0, atol=1e-3)
    assert not np.isfinite(call(theirs, inputs)).any()


def test_rms_norm_names_the_wrong_axis():
    with raises_value_error("axis", "(-2, -1)", "axis=1"):
        ke.layers.RMSNormalization(axis=1)


def ffn_twin(layer, x, token, hidden, normalization):
    parts = iter(layer.layers)
    for _ in range(hidden):
        dense = next(parts)
        x = x @ weight(dense, "kernel", token) + weight(dense, "bias", token)
        if normalization:
            x = rms(x) * weight(next(parts), "gamma", token)
        next(parts)
        x = gelu(x)
    output = next(parts)
    return x @ weight(output, "kernel", token) + weight(output, "bias", token)


@pytest.mark.parametrize("normalization", ["rms", None])
@pytest.mark.parametrize("hidden_units", [(), (7,), (7, 9)])
def test_per_token_ffn(hidden_units, normalization):
    inputs = random_inputs((4, 5))
    layer, _ = call_layer(
        ke.layers.PerTokenFFN(hidden_units, normalization=normalization),
        inputs,
        (3, 4, 5),
    )
    randomize(layer)
    for token in range(4):
        x = inputs[:, token].astype("float64")
        expected = ffn_twin(layer, x, token, len(hidden_units), normalization)
        np.testing.assert_allclose(call(layer, inputs)[:, token], expected, atol=2e-5)


def glu_twin(unit, x, token):
    def linear(name, x):
        x = x @ weight(unit, f"{name}_kernel", token)
        return x + weight(unit, f"{name}_bias", token) if unit.use_bias else x

    gate = gelu(linear("gate", x))
    has_output = hasattr(unit, "output_kernel")
    if unit.gate_skip:
        gate = gate + linear("skip" if has_output else "residual", x)
    y = gate * linear("value", x)
    if has_output:
        y = linear("output", y)
    return y + linear("residual", x) if unit.learned_residual else y


GLU_FORMS = [
    {},
    {"expansion": 1.0},
    {"expansion": 1.0, "output_projection": True},
    {"expansion": 1.5},
    {"gate_skip": False, "use_bias": False},
    {"learned_residual": False},
    {"expansion": 1.0, "gate_skip": False},
    {"expansion": 1.0, "gate_skip": False, "learned_residual": False},
]


@pytest.mark.parametrize("form", GLU_FORMS)
def test_per_token_glu(form):
    inputs = random_inputs((4, 6))
    layer, _ = call_layer(ke.layers.PerTokenGLU(**form), inputs, (3, 4, 6))
    randomize(layer)
    for token in range(4):
        expected = glu_twin(layer, inputs[:, token].astype("float64"), token)
        np.testing.assert_allclose(call(layer, inputs)[:, token], expected, rtol=2e-5, atol=2e-5)


def test_per_token_glu_counts_the_papers_weights():
    layer = ke.layers.PerTokenGLU(expansion=3, gate_skip=False, use_bias=False)
    layer.build((None, 16, 24))
    assert layer.count_params() == 16 * (3 * 3 * 24**2 + 24**2)  # T (3 r D^2 + D^2)


def test_per_token_glu_names_what_does_not_fit():
    with raises_value_error("expansion=1", "expansion=3"):
        ke.layers.PerTokenGLU(expansion=3, output_projection=False)
    with raises_value_error("learned_residual=True"):
        ke.layers.PerTokenGLU(expansion=1.0, learned_residual=False)
    with raises_value_error("positive", "-1"):
        ke.layers.PerTokenGLU(expansion=-1)
    with raises_value_error("at least 1", "expansion=0.1", "token_dim=4"):
        ke.layers.PerTokenGLU(expansion=0.1)(np.zeros((1, 2, 4)))


@pytest.mark.parametrize("normalization", ["rms", None])
def test_per_token_glu_stack(normalization):
    inputs = random_inputs((4, 6))
    layer, _ = call_layer(
        ke.layers.PerTokenGLUStack(
            (8, 8, 6),
            2.0,
            normalization=normalization,
        ),
        inputs,
        (3, 4, 6),
    )
    randomize(layer)
    for token in range(4):
        x = inputs[:, token].astype("float64")
        for part in layer.layers:
            if isinstance(part, ke.layers.PerTokenRMSNormalization):
                x = rms(x) * weight(part, "gamma", token)
            elif isinstance(part, ke.layers.PerTokenGLU):
                x = glu_twin(part, x, token)
            else:
                x = x @ weight(part, "kernel", token) + weight(part, "bias", token)
        np.testing.assert_allclose(call(layer, inputs)[:, token], x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", [ke.layers.PerTokenFFN, ke.layers.PerTokenGLUStack])
def test_dropout_works_in_training_alone(network):
    inputs = random_inputs((4, 6), batch=64)
    layer = network((8,), dropout=0.5)
    plain = call(layer, inputs)
    np.testing.assert_array_equal(call(layer, inputs, training=False), plain)
    assert not np.allclose(call(layer, inputs, training=True), plain)


@pytest.mark.parametrize("network", [ke.layers.PerTokenFFN, ke.layers.PerTokenGLUStack])
def test_tokens_do_not_meet(network):
    inputs = random_inputs((4, 6))
    layer = network((8,))
    before = call(layer, inputs)
    changed = inputs.copy()
    changed[:, 2] += 1
    after = call(layer, changed)
    np.testing.assert_array_equal(after[:, [0, 1, 3]], before[:, [0, 1, 3]])
    assert (after[:, 2] != before[:, 2]).any()
