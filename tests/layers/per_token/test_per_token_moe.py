"""Sparse experts: a case computed by hand, a float64 twin, what training does and leaves alone."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import random_inputs
from tests.layers.per_token.test_per_token import gelu

X = np.array([[[1.0, 2.0]]], "float32")


def set_weights(layer, **values):
    for path, value in values.items():
        found = layer
        for name in path.split("__"):
            found = getattr(found, name)
        found.assign(np.asarray(value, "float32"))


def by_hand(**options):
    """One token of width 2; two linear experts, x and 2x; gates ReLU([x_1, -x_1])."""
    expert = ke.layers.PerTokenDense(2)
    layer = ke.layers.PerTokenMoE(expert, 2, **options)
    layer.build((None, 1, 2))
    set_weights(
        layer,
        experts__kernel=[np.eye(2), 2 * np.eye(2)],
        router__kernel=[[[1, -1], [0, 0]]],
        router__bias=[[0, 0]],
    )
    return layer


@pytest.mark.parametrize(
    ("training_output", "expected"),
    [
        ("mean", [1.25, 2.5]),  # half of [1.5, 3], the two experts' mean, and of [1, 2]
        ("normalized_mean", [1.25, 2.5]),  # the gates sum to 1
        ("sparse", [1.0, 2.0]),
    ],
)
def test_by_hand(training_output, expected):
    layer = by_hand(training_output=training_output)
    np.testing.assert_allclose(call(layer, X), [[[1.0, 2.0]]], atol=1e-6)
    np.testing.assert_allclose(call(layer, X, training=True), [[expected]], atol=1e-6)


def test_gates_are_divided_by_their_sum():
    layer = by_hand(training_output="normalized_mean")
    expected = 0.5 * np.array([3.0, 6.0]) + 0.5 * np.array([2.0, 4.0])
    np.testing.assert_allclose(call(layer, 2 * X, training=True), [[expected]], atol=1e-6)
    np.testing.assert_allclose(call(layer, 2 * X), [[[4.0, 8.0]]], atol=1e-6)
    # Without an open gate the half is 0, not NaN.
    set_weights(layer, router__bias=[[-9, -9]])
    np.testing.assert_allclose(call(layer, X, training=True), [[[0.75, 1.5]]], atol=1e-6)


def test_each_row_draws_its_router():
    layer = by_hand(seed=0)
    rows = np.repeat(X, 400, axis=0)
    outputs = ops.convert_to_numpy(layer(rows, training=True))[:, 0]
    dense = np.isclose(outputs, [1.5, 3.0], atol=1e-6).all(1)
    sparse = np.isclose(outputs, [1.0, 2.0], atol=1e-6).all(1)
    assert (dense != sparse).all()
    assert 150 < dense.sum() < 250
    again = ops.convert_to_numpy(layer(rows, training=True))[:, 0]
    assert (again != outputs).any()


@pytest.mark.parametrize(
    ("target", "adaptive", "expected"),
    [(0.25, True, 1.2e-4), (0.75, True, 1e-4 / 1.2), (0.5, True, 1e-4), (0.25, False, 1e-4)],
)
def test_the_penalty_s_weight_follows_the_target(target, adaptive, expected):
    options = {"initial_penalty": 1e-4, "penalty_factor": 1.2}
    layer = by_hand(target_active=target, adaptive=adaptive, **options)
    layer(X, training=True)
    # The loss is that of the weight before the step; one gate of 1 is open.
    np.testing.assert_allclose([numpy(loss) for loss in layer.losses], [1e-4], rtol=1e-5)
    np.testing.assert_allclose(numpy(layer.penalty), expected, rtol=1e-5)
    np.testing.assert_allclose(numpy(layer.utilization), [[1.0, 0.95]], rtol=1e-6)


def test_the_penalty_s_weight_stays_in_its_range():
    layer = by_hand(initial_penalty=1e-4, penalty_factor=1.2, penalty_range=(1e-6, 1.1e-4))
    layer(X, training=True)
    np.testing.assert_allclose(numpy(layer.penalty), 1.1e-4, rtol=1e-5)


def test_the_penalty_is_a_mean_over_rows_and_a_sum_over_tokens_and_experts():
    layer = ke.layers.PerTokenMoE(num_experts=4, initial_penalty=1e-4, training_output="mean")
    layer(random_inputs((3, 5), batch=7), training=True)  # 3 tokens of 4 gates of 1
    np.testing.assert_allclose(numpy(layer.losses[0]), 12e-4, rtol=1e-5)


def randomize(layer):
    rng = np.random.default_rng(1)
    for variable in layer.trainable_weights:
        variable.assign(rng.normal(0, 0.5, variable.shape))


@pytest.mark.parametrize("training_output", ["mean", "normalized_mean", "sparse"])
def test_twin_in_float64(training_output):
    tokens, dim, experts = 3, 4, 2
    inputs = random_inputs((tokens, dim), batch=5)
    layer = ke.layers.PerTokenMoE(
        ke.layers.PerTokenFFN([6]), experts, training_output=training_output
    )
    layer.build(inputs.shape)
    randomize(layer)
    hidden, _, output = layer.experts.layers

    def weights(part, name, index):
        return numpy(getattr(part, name)).astype("float64")[index]

    def affine(part, x, index):
        return x @ weights(part, "kernel", index) + weights(part, "bias", index)

    served, trained = np.zeros(inputs.shape), np.zeros(inputs.shape)
    for token in range(tokens):
        x = inputs[:, token].astype("float64")
        gates = np.maximum(affine(layer.router, x, token), 0)
        mixed = gates
        if training_output != "sparse":
            scores = np.exp(affine(layer.training_router, x, token))
            scores /= scores.sum(1, keepdims=True)
            total = gates.sum(1, keepdims=True)
            share = gates / np.maximum(total, 1e-6) if "norm" in training_output else gates
            mixed = 0.5 * (scores + share)
        for expert in range(experts):
            index = token * experts + expert
            y = affine(output, gelu(affine(hidden, x, index)), index)
            served[:, token] += gates[:, [expert]] * y
            trained[:, token] += mixed[:, [expert]] * y
    np.testing.assert_allclose(call(layer, inputs), served, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(call(layer, inputs, training=True), trained, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("training_output", "routers"), [("sampled", 2), ("sparse", 1)])
def test_parameters_are_those_of_the_formula(training_output, routers):
    layer = ke.layers.PerTokenMoE(
        ke.layers.PerTokenFFN([8]), num_experts=3, training_output=training_output
    )
    layer.build((None, 2, 4))
    count = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
    assert count == 2 * (3 * (2 * 4 * 8 + 8 + 4) + routers * 3 * (4 + 1))
    assert count == {2: 516, 1: 486}[routers]


def test_one_expert_with_an_open_gate_is_the_dense_network():
    inputs = random_inputs((3, 4))
    dense = ke.layers.PerTokenFFN([8])
    layer = ke.layers.PerTokenMoE(dense, num_experts=1, training_output="sparse")
    for part in (dense, layer):
        part.build(inputs.shape)
    dense.set_weights([numpy(weight) for weight in layer.experts.weights])
    np.testing.assert_allclose(call(layer, inputs), call(dense, inputs), atol=1e-6)
    np.testing.assert_allclose(call(layer, inputs, training=True), call(dense, inputs), atol=1e-6)


@keras.saving.register_keras_serializable("tests")
class DenseOnly(ke.layers.PerTokenMoE):
    """What must not be: in training the serving router decides nothing."""

    def _training_weights(self, inputs, gates):
        return ops.softmax(self.training_router(inputs), axis=-1)


def router_gradients(layer):
    inputs = random_inputs((3, 4), batch=8)
    layer.build(inputs.shape)
    randomize(layer)
    _, gradients = compute_gradients(layer, inputs, training=True)
    found = zip(layer.trainable_weights, gradients, strict=True)
    return {weight.path: gradient for weight, gradient in found if "router" in weight.path}


def test_the_task_trains_both_routers():
    gradients = router_gradients(ke.layers.PerTokenMoE(training_output="mean"))
    assert len(gradients) == 4
    assert all(gradient.any() for gradient in gradients.values())
    # The same check sees a router that the task does not reach.
    gradients = router_gradients(DenseOnly(adaptive=False))
    unreached = [
        path for path, gradient in gradients.items() if gradient is None or not gradient.any()
    ]
    assert len(unreached) == 2
    assert all("/router/" in path for path in unreached)


def test_wrong_arguments_are_named():
    with raises_value_error("training_output", "sampled", "'dense'"):
        ke.layers.PerTokenMoE(training_output="dense")
    with raises_value_error("target_active", "at most 1", "1.5"):
        ke.layers.PerTokenMoE(target_active=1.5)
    with raises_value_error("penalty_factor", "above 1", "=1"):
        ke.layers.PerTokenMoE(penalty_factor=1)
    with raises_value_error("penalty_range", "(least, greatest)"):
        ke.layers.PerTokenMoE(penalty_range=(1.0, 0.1))
    with raises_value_error("num_experts", "0"):
        ke.layers.PerTokenMoE(num_experts=0)
    with raises_value_error("keeps the token's width 4", "PerTokenDense", "3"):
        ke.layers.PerTokenMoE(ke.layers.PerTokenDense(3)).build((None, 2, 4))


def test_half_precision_keeps_the_penalty_in_full():
    layer = ke.layers.PerTokenMoE(dtype="mixed_float16", initial_penalty=1e-8)
    layer(np.ones((2, 3, 4), "float16"), training=True)
    assert keras.backend.standardize_dtype(layer.losses[0].dtype) == "float32"
    np.testing.assert_allclose(numpy(layer.losses[0]), 12e-8, rtol=1e-4)  # 0 in float16
