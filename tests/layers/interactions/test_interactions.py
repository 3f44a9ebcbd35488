"""Values of the layers that cross features, against float64 numpy.

CrossLayer, LowRankCrossMixture, CompressedInteraction, InteractingAttention and LinearTerm are also
compared with FuxiCTR's equations in `tests/convert/test_baselines.py`.
"""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

FIELDS = random_inputs((4, 3))
FLAT = random_inputs((6,))
OTHER = random_inputs((6,), seed=1)


def built(layer, *shapes):
    """The layer, built and filled with random numbers, and these by name, float64."""
    layer.build(list(shapes) if len(shapes) > 1 else shapes[0])
    rng = np.random.default_rng(3)
    values = {}
    for variable in layer.weights:
        if "variance" not in variable.path:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
        name = variable.path.removeprefix(f"{layer.name}/")
        values[name] = numpy(variable).astype("float64")
    return layer, values


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, axis=-1):
    mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5)


def assert_close(layer, inputs, expected):
    np.testing.assert_allclose(call(layer, inputs), expected, rtol=2e-5, atol=2e-5)


def test_factorization_machine_is_the_sum_of_all_pairs():
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    expected = sum((FIELDS[:, i] * FIELDS[:, j]).sum(-1, keepdims=True) for i, j in pairs)
    assert_close(ke.layers.FactorizationMachine(), FIELDS, expected)


def test_factorization_machine_keeps_its_precision_in_half_precision():
    # The two sums of squares are 4e4, their difference is 12: bfloat16 would lose it wholly.
    inputs = np.array([[[100.0], [-100.0], [0.06]]], "float32")
    layer = ke.layers.FactorizationMachine(dtype="mixed_bfloat16")
    assert call(layer, inputs).item() == pytest.approx(-10000, rel=1e-3)


def test_dot_products_stand_row_by_row():
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    expected = np.stack([(FIELDS[:, i] * FIELDS[:, j]).sum(-1) for i, j in pairs], axis=1)
    assert_close(ke.layers.DotProductInteraction(), FIELDS, expected)
    with raises_value_error("at least 2 fields", "(None, 1, 3)"):
        ke.layers.DotProductInteraction().build((None, 1, 3))


def test_cross_layer():
    layer, w = built(ke.layers.CrossLayer(), (None, 6), (None, 6))
    expected = FLAT * (OTHER @ w["kernel"] + w["bias"]) + OTHER
    assert_close(layer, [FLAT, OTHER], expected)


def test_cross_layer_equals_keras_rs():
    keras_rs = pytest.importorskip("keras_rs")
    theirs = keras_rs.layers.FeatureCross()
    theirs(FLAT, OTHER)
    layer, w = built(ke.layers.CrossLayer(), (None, 6), (None, 6))
    theirs.set_weights([w["kernel"], w["bias"]])
    crossed = keras.ops.convert_to_numpy(theirs(FLAT, OTHER))
    assert_close(layer, [FLAT, OTHER], crossed)


def test_gated_cross_layer():
    layer, w = built(ke.layers.GatedCrossLayer(), (None, 6), (None, 6))
    gate = sigmoid(OTHER @ w["gate_kernel"])
    expected = FLAT * (OTHER @ w["kernel"] + w["bias"]) * gate + OTHER
    assert_close(layer, [FLAT, OTHER], expected)


@pytest.mark.parametrize("layer", [ke.layers.CrossLayer, ke.layers.GatedCrossLayer])
def test_crossings_need_two_matrices_of_one_shape(layer):
    with raises_value_error("two inputs of one shape", "(None, 5)"):
        layer().build([(None, 6), (None, 5)])
    with raises_value_error("a list of two inputs"):
        layer().build((None, 6))


def test_mixture_starts_as_in_fuxictr():
    layer = ke.layers.LowRankCrossMixture(1, rank=50, num_experts=4)
    layer.build((None, 200))
    outer = (2 / ((200 + 4) * 50)) ** 0.5
    inner = (2 / ((50 + 4) * 50)) ** 0.5
    for kernels, stddev in (
        (layer.input_kernels, outer),
        (layer.output_kernels, outer),
        (layer.inner_kernels, inner),
    ):
        assert numpy(kernels[0]).std() == pytest.approx(stddev, rel=0.05)


def test_cin_makes_orders_two_and_three():
    layer = ke.layers.CompressedInteraction([1, 1])
    layer.build((None, 2, 1))
    # First step: x_0 * x_1; second step: x_0 times that.
    layer.kernels[0].assign(np.array([[0], [1], [0], [0]], "float32"))
    layer.kernels[1].assign(np.array([[1], [0]], "float32"))
    assert call(layer, np.array([[[2.0], [3.0]]], "float32")).tolist() == [[6.0, 12.0]]


def test_attention_of_equal_fields_is_their_value():
    layer = ke.layers.InteractingAttention(6, num_heads=2, use_residual=False)
    inputs = np.repeat(random_inputs((1, 3)), 4, axis=1)
    layer.build((None, 4, 3))
    assert_close(layer, inputs, np.maximum(inputs @ numpy(layer.value_kernel), 0))


def test_bilinear_fusion():
    y = random_inputs((4,), seed=2)
    layer, w = built(ke.layers.BilinearFusion(2, num_heads=2), (None, 6), (None, 4))
    expected = FLAT @ w["x_kernel"] + y @ w["y_kernel"] + w["bias"]
    forms = w["kernel"].reshape(2, 3, 2, 2)  # head, x, task, y
    for head in range(2):
        x_part, y_part = FLAT[:, 3 * head : 3 * head + 3], y[:, 2 * head : 2 * head + 2]
        expected = expected + np.einsum("bx,xty,by->bt", x_part, forms[head], y_part)
    assert_close(layer, [FLAT, y], expected)
    with raises_value_error("num_heads=4", "[6, 4]"):
        ke.layers.BilinearFusion(num_heads=4).build([(None, 6), (None, 4)])


def test_context_gate():
    layer, w = built(ke.layers.ContextGate([5]), (None, 6), (None, 6))
    hidden = np.maximum(OTHER @ w["mlp/hidden_0/kernel"] + w["mlp/hidden_0/bias"], 0)
    gate = 2 * sigmoid(hidden @ w["mlp/output/kernel"] + w["mlp/output/bias"])
    assert_close(layer, [FLAT, OTHER], FLAT * gate)


def test_a_learned_context_starts_as_no_gate():
    gate = ke.layers.ContextGate([5], context_dim=3)
    np.testing.assert_allclose(call(gate, FLAT), FLAT, rtol=1e-3)
    with raises_value_error("context_dim=3", "x alone"):
        ke.layers.ContextGate(context_dim=3).build([(None, 6), (None, 6)])


def test_mask_block():
    layer, w = built(ke.layers.MaskBlock(5, reduction_ratio=0.5), (None, 6), (None, 6))
    assert w["mask/hidden_0/kernel"].shape == (6, 3)
    mask = np.maximum(FLAT @ w["mask/hidden_0/kernel"] + w["mask/hidden_0/bias"], 0)
    mask = mask @ w["mask/output/kernel"] + w["mask/output/bias"]
    hidden = layer_norm((mask * OTHER) @ w["dense/kernel"])
    hidden = hidden * w["norm/gamma"] + w["norm/beta"]
    assert_close(layer, [FLAT, OTHER], np.maximum(hidden, 0))


@pytest.mark.parametrize("linear_tokens", [2, 1])
def test_wukong_block(linear_tokens):
    layer, w = built(ke.layers.WukongBlock(2, linear_tokens, 2, [5]), (None, 4, 3))
    products = FIELDS @ (FIELDS.transpose(0, 2, 1) @ w["projection"])
    products = layer_norm(products.reshape(3, -1))
    products = products * w["interaction_norm/gamma"] + w["interaction_norm/beta"]
    hidden = np.maximum(products @ w["mlp/hidden_0/kernel"] + w["mlp/hidden_0/bias"], 0)
    interactions = np.maximum(hidden @ w["mlp/output/kernel"] + w["mlp/output/bias"], 0)
    interactions = interactions.reshape(3, 2, 3)
    outputs = np.concatenate([interactions, w["linear_kernel"] @ FIELDS], axis=1)
    # Four tokens in and four out need no map.
    residual = FIELDS
    if linear_tokens == 1:
        residual = w["residual_kernel"] @ FIELDS + w["residual_bias"]
    assert ("residual_kernel" in w) == ("residual_bias" in w) == (linear_tokens == 1)
    expected = layer_norm(outputs + residual) * w["output_norm/gamma"] + w["output_norm/beta"]
    assert_close(layer, FIELDS, expected)


def test_the_projection_of_wukong_starts_as_in_fuxictr():
    layer = ke.layers.WukongBlock(2, 2, rank=50, hidden_units=[5])
    layer.build((None, 100, 3))
    assert np.std(numpy(layer.projection)) == pytest.approx(1, abs=0.03)
    kernel = numpy(layer.linear_kernel)
    assert np.std(kernel) == pytest.approx((2 / 102) ** 0.5, rel=0.2)


def test_per_token_layer_normalization():
    layer, w = built(ke.layers.PerTokenLayerNormalization(), (None, 4, 3))
    assert_close(layer, FIELDS, layer_norm(FIELDS.astype("float64")) * w["gamma"] + w["beta"])


def test_dice():
    layer, w = built(ke.layers.Dice(), (None, 6))
    p = sigmoid((FLAT - w["norm/moving_mean"]) / np.sqrt(w["norm/moving_variance"] + 1e-9))
    assert_close(layer, FLAT, p * FLAT + w["alpha"] * (1 - p) * FLAT)
    p = sigmoid((FLAT - FLAT.mean(0)) / np.sqrt(FLAT.var(0) + 1e-9))
    trained = call(layer, FLAT, training=True)
    np.testing.assert_allclose(trained, p * FLAT + w["alpha"] * (1 - p) * FLAT, atol=2e-4)


def test_dropout_of_an_mlp_works_in_training_only():
    mlp = ke.layers.MLP([50], dropout=0.5, activation=None)
    ones = np.ones((20, 10), "float32")
    assert (call(mlp, ones) != 0).all()
    share = (call(mlp, ones, training=True) == 0).mean()
    assert 0.4 < share < 0.6
    head = ke.layers.PredictionHead(hidden_units=[50], dropout=0.5)
    assert np.ptp(call(head, ones)) < 1e-5
    assert np.ptp(call(head, ones, training=True)) > 1e-3
