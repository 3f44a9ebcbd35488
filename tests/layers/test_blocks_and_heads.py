"""Residual, MixerBlock, MLP and the heads."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import numpy
from tests.checks import call_layer, random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("post_norm", [True, False])
def test_residual(pre_norm, post_norm):
    inputs = random_inputs((4, 8))
    layer, outputs = call_layer(
        ke.layers.Residual(
            ke.layers.TokenMixing(),
            pre_norm=ke.layers.RMSNormalization() if pre_norm else None,
            post_norm=keras.layers.LayerNormalization() if post_norm else None,
        ),
        inputs,
        (3, 4, 8),
    )
    branch = numpy(layer.pre_norm(inputs)) if pre_norm else inputs
    expected = inputs + numpy(ke.layers.TokenMixing()(branch))
    if post_norm:
        expected = numpy(layer.post_norm(expected))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_residual_names_a_layer_that_changes_the_shape():
    with raises_value_error("keeps the shape", "PerTokenDense", "(1, 4, 3)"):
        ke.layers.Residual(ke.layers.PerTokenDense(3))(np.zeros((1, 4, 8)))


def make_block(norm=True):
    return ke.layers.MixerBlock(
        mixing=ke.layers.Residual(
            ke.layers.FullMixing(), ke.layers.RMSNormalization(axis=(-2, -1))
        ),
        norm=ke.layers.RMSNormalization() if norm else None,
        ffn=ke.layers.Residual(ke.layers.PerTokenGLUStack([8])),
    )


@pytest.mark.parametrize("norm", [True, False])
def test_mixer_block(norm):
    inputs = random_inputs((4, 6))
    layer, outputs = call_layer(make_block(norm), inputs, (3, 4, 6))
    mixed = layer.mixing(inputs)
    stages = layer.stages(inputs)
    np.testing.assert_array_equal(numpy(stages[0]), numpy(mixed))
    expected = layer.ffn(layer.norm(mixed) if norm else mixed)
    np.testing.assert_allclose(outputs, numpy(expected), atol=1e-6)


@pytest.mark.parametrize("normalization", [None, "rms", "layer", "batch"])
@pytest.mark.parametrize("output_units", [None, 2])
def test_mlp(normalization, output_units):
    inputs = random_inputs((6,), batch=16)
    layer, outputs = call_layer(
        ke.layers.MLP(
            [64, 64],
            output_units,
            normalization=normalization,
        ),
        inputs,
        (16, output_units or 64),
    )
    if normalization is None:
        x = inputs
        for part in layer.layers:
            is_dense = isinstance(part, keras.layers.Dense)
            x = x @ numpy(part.kernel) + numpy(part.bias) if is_dense else np.maximum(x, 0)
        np.testing.assert_allclose(outputs, x, atol=1e-5)


def test_mlp_norms_have_pytorchs_epsilon():
    for normalization in ("layer", "batch"):
        layer = ke.layers.MLP([8], normalization=normalization)
        layer.build((None, 4))
        assert layer.layers[1].epsilon == 1e-5


def test_mlp_of_different_layers():
    prelu = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.3))
    mlp = ke.layers.MLP(
        [8, 7, 6],
        output_units=5,
        activation=[prelu, None, "tanh"],
        dropout=[0.0, 0.5, 0.1],
        output_activation="sigmoid",
    )
    inputs = random_inputs((4,), batch=16)
    mlp, outputs = call_layer(mlp, inputs, (16, 5))
    kinds = [type(layer).__name__ for layer in mlp.layers]
    assert kinds == [
        *("Dense", "PReLU", "Dense", "Dropout", "Dense", "Activation", "Dropout", "Dense"),
        "Activation",
    ]
    assert [layer.rate for layer in (mlp.layers[3], mlp.layers[6])] == [0.5, 0.1]
    first, second, third, last = (
        lambda x, i=i: x @ numpy(mlp.layers[i].kernel) + numpy(mlp.layers[i].bias)
        for i in (0, 2, 4, 7)
    )
    x = first(inputs)
    x = np.tanh(third(second(np.where(x > 0, x, 0.3 * x))))
    np.testing.assert_allclose(outputs, 1 / (1 + np.exp(-last(x))), atol=1e-5)
    # What is behind the second layer's dropout differs in training, what is before does not.
    assert np.ptp(numpy(mlp(inputs, training=True)) - outputs) > 1e-3


@pytest.mark.parametrize(
    "wrong", [{"activation": ["relu"]}, {"dropout": [0.1, 0.2, 0.3]}, {"dropout": ()}]
)
def test_mlp_needs_one_value_per_hidden_layer(wrong):
    (argument, value), *_ = wrong.items()
    with raises_value_error(f"`{argument}`", "hidden_units=[4, 3]", f"Received: {len(value)}"):
        ke.layers.MLP([4, 3], **wrong)


def test_mlp_names_an_unknown_normalization():
    with raises_value_error('"rms", "layer", "batch"', "'group'"):
        ke.layers.MLP([4], normalization="group")


@pytest.mark.parametrize("pooling", ["flatten", "mean"])
@pytest.mark.parametrize("hidden_units", [(), (64,)])
def test_prediction_head(pooling, hidden_units):
    inputs = random_inputs((4, 6))
    layer, outputs = call_layer(
        ke.layers.PredictionHead(
            2,
            pooling=pooling,
            hidden_units=hidden_units,
        ),
        inputs,
        (3, 2),
    )
    x = inputs.mean(1) if pooling == "mean" else inputs.reshape(3, -1)
    for part in layer.hidden.layers:
        is_dense = isinstance(part, keras.layers.Dense)
        x = x @ numpy(part.kernel) + numpy(part.bias) if is_dense else np.maximum(x, 0)
    expected = x @ numpy(layer.logits.kernel) + numpy(layer.logits.bias)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_mean_head():
    inputs = random_inputs((4, 6))
    _, outputs = call_layer(ke.layers.MeanHead(), inputs, (3, 1))
    np.testing.assert_allclose(outputs, inputs.mean((1, 2))[:, None], atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("head", [ke.layers.PredictionHead, ke.layers.MeanHead])
def test_logits_are_float32_under_half_precision(head, policy):
    logits = head(dtype=policy)(random_inputs((4, 6)))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


def test_prediction_head_names_an_unknown_pooling():
    with raises_value_error("flatten, mean", "'max'"):
        ke.layers.PredictionHead(pooling="max")


def test_logit_sum_has_the_same_bits_whichever_parts_are_also_wanted():
    """TensorFlow's fused addition begins with a part whose memory nobody else needs."""
    inputs = [keras.Input((1,)) for _ in range(3)]
    parts = [
        keras.layers.Rescaling(scale)(x) for scale, x in zip((0.1, 3.0, 7.0), inputs, strict=True)
    ]
    total = ke.layers.LogitSum()(parts)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(10_000, 1)).astype("float32") for _ in inputs]
    sums = []
    for wanted in ([], [0], [0, 1], [1], [1, 2]):
        model = keras.Model(inputs, {"total": total, **{str(i): parts[i] for i in wanted}})
        sums.append(model.predict_on_batch(values)["total"])
    expected = 0.1 * values[0] + 3.0 * values[1] + 7.0 * values[2]
    np.testing.assert_allclose(sums[0], expected, atol=1e-5)
    for other in sums[1:]:
        np.testing.assert_array_equal(other, sums[0])
