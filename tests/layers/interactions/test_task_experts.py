"""Experts of tasks against a loop in float64; products of probabilities by hand."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def twin(layer, rows):
    """`rows`: what each task reads, then what the shared experts read."""

    def dense(part, x, index):
        return x @ numpy(part.kernel)[index].astype("float64") + numpy(part.bias)[index]

    def expert(x, index):
        for part in layer.experts:
            x = np.maximum(dense(part, x, index), 0)
        return x

    tasks, own, shared = layer.num_tasks, layer.num_own, layer.num_shared
    mine = [[expert(rows[k], k * own + j) for j in range(own)] for k in range(tasks)]
    common = [expert(rows[-1], tasks * own + j) for j in range(shared)]
    outputs = []
    for task in range(tasks):
        weights = softmax(dense(layer.gates, rows[task], task))
        used = mine[task] + common
        outputs.append(sum(weights[:, [j]] * y for j, y in enumerate(used)))
    if layer.shared_output:
        weights = softmax(dense(layer.shared_gate, rows[-1], 0))
        used = [y for group in mine for y in group] + common
        outputs.append(sum(weights[:, [j]] * y for j, y in enumerate(used)))
    return np.stack(outputs, 1)


@pytest.mark.parametrize(
    ("own", "shared", "shared_output"), [(0, 3, False), (2, 1, False), (1, 2, True), (2, 0, False)]
)
def test_twin_in_float64(own, shared, shared_output):
    layer = ke.layers.TaskExperts(2, [5, 4], shared, own, shared_output)
    inputs = random_inputs((3, 6))
    layer.build(inputs.shape)
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    expected = twin(layer, list(inputs.astype("float64").transpose(1, 0, 2)))
    np.testing.assert_allclose(call(layer, inputs), expected, rtol=1e-4, atol=1e-4)
    one = inputs[:, 0]
    expected = twin(layer, [one.astype("float64")] * 3)
    np.testing.assert_allclose(call(layer, one), expected, rtol=1e-4, atol=1e-4)


def test_own_experts_learn_from_their_task_alone():
    layer = ke.layers.TaskExperts(2, [4], num_shared=1, num_own=1, activation="tanh")
    inputs = random_inputs((3, 6))
    layer.build(inputs.shape)
    probe = np.array([1.0, 0.0], "float32")[None, :, None]
    _, gradients = compute_gradients(layer, inputs, probe)
    kernel = gradients[0]
    assert [bool(kernel[index].any()) for index in range(3)] == [True, False, True]


def test_parameters_are_those_of_the_formula():
    layer = ke.layers.TaskExperts(3, [5, 4], num_shared=2, num_own=1, shared_output=True)
    layer.build((None, 4, 6))
    experts = 5 * (6 * 5 + 5 + 5 * 4 + 4)
    assert layer.count_params() == experts + 3 * (6 * 3 + 3) + (6 * 5 + 5)


@pytest.mark.backend_free
def test_models_have_the_parameters_of_the_formula():
    schema = ke.FeatureSchema([ke.Categorical(name, 5) for name in "abc"], ("x", "y"))
    options = {"embedding_dim": 2, "expert_units": (7, 4), "tower_units": (3,)}
    towers = 2 * (4 * 3 + 3 + 3 + 1)

    def expert(dim):
        return dim * 7 + 7 + 7 * 4 + 4

    mmoe = ke.models.MMoE(schema, num_experts=5, **options)
    assert mmoe.count_dense_params() == 5 * expert(6) + 2 * (6 * 5 + 5) + towers
    ple = ke.models.PLE(schema, num_shared=2, num_own=1, **options)
    layers = sum(4 * expert(dim) + 2 * (dim * 3 + 3) for dim in (6, 4))
    assert ple.count_dense_params() == layers + (6 * 4 + 4) + towers
    heads = ke.layers.ChainedHead(ke.layers.TaskTowers(2, pooling="flatten"), (None, 0))
    chained = ke.models.MMoE(schema, head=heads, **options)
    assert call(chained, {name: np.array([1, 2]) for name in "abc"}).shape == (2, 2)


def chain(a, b, parents=(None, 0)):
    """The logits of a chained head whose own logits are these."""
    head = ke.layers.ChainedHead(ke.layers.TaskTowers(2), parents)
    head.build((None, 2))
    head.head.logits.kernel.assign(np.eye(2)[:, :, None])
    return call(head, np.stack([a, b], 1).astype("float32"))


def test_products_of_probabilities():
    np.testing.assert_allclose(chain(np.zeros(1), np.zeros(1)), [[0.0, -1.098612]], atol=1e-6)
    a, b = np.random.default_rng(0).normal(0, 3, (2, 50))
    product = 1 / (1 + np.exp(-a)) / (1 + np.exp(-b))
    logits = chain(a, b)
    np.testing.assert_allclose(logits[:, 0], a, atol=1e-5)
    np.testing.assert_allclose(logits[:, 1], np.log(product / (1 - product)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(chain(a, b, (None, None)), np.stack([a, b], 1), atol=1e-5)
    # Probabilities of 1 and 0 in float32 keep their logits.
    extremes = chain(np.array([60.0, -60.0, -60.0, 90.0]), np.array([60.0, -60.0, 60.0, 90.0]))
    np.testing.assert_allclose(extremes[:, 1], [59.306853, -120.0, -60.0, 89.306853], rtol=1e-5)


def test_a_chain_of_three():
    head = ke.layers.ChainedHead(ke.layers.TaskTowers(3), (None, 0, 1))
    head.build((None, 2))
    for weight in head.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    products = 1 / (1 + np.exp(-call(head, np.ones((1, 2), "float32"))))
    np.testing.assert_allclose(products, [[0.5, 0.25, 0.125]], atol=1e-6)


def test_what_does_not_fit_is_named():
    with raises_value_error("at least one expert", "num_shared=0"):
        ke.layers.TaskExperts(2, [4], num_shared=0)
    with raises_value_error("at least one expert", "hidden_units=[]"):
        ke.layers.TaskExperts(2, [])
    with raises_value_error("2 tasks", "(None, 2, 4)"):
        ke.layers.TaskExperts(2, [4]).build((None, 2, 4))
    for wrong in ((None,), (0, None), (None, 1)):
        with raises_value_error("2 tasks", "before it", str(wrong)):
            ke.layers.ChainedHead(ke.layers.TaskTowers(2), wrong)
