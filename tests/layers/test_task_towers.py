"""A tower for each task against numpy, and that no task's tower is another's."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")


@pytest.mark.parametrize("task_tokens", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "flatten", None])
def test_twin_in_float64(pooling, task_tokens):
    if pooling is None and not task_tokens:
        return
    inputs = random_inputs((5, 4))
    head = ke.layers.TaskTowers(3, [6], "silu", pooling=pooling, task_tokens=task_tokens)
    head.build(inputs.shape)
    for weight in head.trainable_weights:
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    outputs = call(head, inputs)
    x = inputs.astype("float64")
    pooled = {"mean": [x.mean(1)], "flatten": [x.reshape(3, -1)], None: []}[pooling]
    hidden = head.towers[0]
    for task in range(3):
        parts = ([x[:, 2 + task]] if task_tokens else []) + pooled
        z = np.concatenate(parts, 1) @ numpy(hidden.kernel)[task] + numpy(hidden.bias)[task]
        z = z / (1 + np.exp(-z))
        expected = z @ numpy(head.logits.kernel)[task] + numpy(head.logits.bias)[task]
        np.testing.assert_allclose(outputs[:, task], expected[:, 0], rtol=1e-4, atol=1e-5)


def test_a_task_s_logit_trains_its_own_tower_alone():
    inputs = random_inputs((4, 6))
    head = ke.layers.TaskTowers(3, [5], pooling="mean", task_tokens=True)
    head.build(inputs.shape)
    _, gradients = compute_gradients(head, inputs, probe=np.array([[0.0, 1.0, 0.0]], "float32"))
    for gradient in gradients:
        assert len(gradient) == 3
        assert gradient[1].any()
        assert not gradient[[0, 2]].any()


def test_parameters_are_those_of_the_formula():
    head = ke.layers.TaskTowers(3, [5], pooling="mean", task_tokens=True)
    head.build((None, 7, 6))
    assert head.count_params() == 3 * (12 * 5 + 5 + 5 + 1)


def test_what_does_not_fit_is_named():
    with raises_value_error("pooling", "'max'"):
        ke.layers.TaskTowers(2, pooling="max")
    with raises_value_error("task_tokens=True", "pooling=None"):
        ke.layers.TaskTowers(2, pooling=None)
    with raises_value_error("3 tasks", "2 tokens"):
        ke.layers.TaskTowers(3, task_tokens=True).build((None, 2, 4))


@pytest.mark.backend_free
@pytest.mark.parametrize("name", ["RankMixer", "RankElastor"])
def test_a_head_of_any_token_model(name):
    features = [ke.Categorical("user", 9), ke.Categorical("item", 9)]
    schema = ke.FeatureSchema(features, ("click", "like"))
    head = ke.layers.TaskTowers(2, [4], pooling="mean")
    model = ke.models.create(name, schema, embedding_dim=4, num_blocks=1, head=head)
    rows = {"user": np.array([1, 2, 3]), "item": np.array([4, 5, 6])}
    assert call(model, rows).shape == (3, 2)
    with raises_value_error("units=2", "click, like", "units=1"):
        ke.models.create(name, schema, embedding_dim=4, head=ke.layers.TaskTowers(1))
