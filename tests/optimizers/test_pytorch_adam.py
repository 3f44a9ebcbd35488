import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import numpy


def pytorch_adam(weights, gradients, learning_rate, epsilon, betas=(0.9, 0.999)):
    """The rule of `torch.optim.Adam` in float64."""
    mean = np.zeros_like(weights)
    mean_square = np.zeros_like(weights)
    for step, gradient in enumerate(gradients, start=1):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        mean_square = betas[1] * mean_square + (1 - betas[1]) * gradient**2
        root = np.sqrt(mean_square / (1 - betas[1] ** step))
        weights = weights - learning_rate * mean / (1 - betas[0] ** step) / (root + epsilon)
    return weights


@pytest.fixture
def gradients():
    """From far above epsilon to far below it."""
    scales = 10.0 ** np.arange(-10, 2)
    return np.random.default_rng(0).normal(size=(20, 12)) * scales


def apply(optimizer, gradients):
    weight = keras.Variable(np.zeros(12, "float32"))
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weight])
    return numpy(weight)


def test_equals_the_rule_of_pytorch(gradients):
    expected = pytorch_adam(np.zeros(12), gradients, 1e-3, 1e-8)
    actual = apply(ke.optimizers.PyTorchAdam(1e-3), gradients)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_keras_own_adam_does_not(gradients):
    """Once it does, ours can go."""
    expected = pytorch_adam(np.zeros(12), gradients, 1e-3, 1e-8)
    actual = apply(keras.optimizers.Adam(1e-3, epsilon=1e-8), gradients)
    assert np.abs(actual / expected - 1).max() > 0.1


def test_equals_torch(gradients):
    torch = pytest.importorskip("torch")
    weight = torch.zeros(12, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=1e-3)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
    actual = apply(ke.optimizers.PyTorchAdam(1e-3), gradients)
    np.testing.assert_allclose(actual, weight.detach().numpy(), rtol=1e-5)


def test_clips_the_global_norm():
    optimizer = ke.optimizers.PyTorchAdam(1.0, epsilon=1.0, global_clipnorm=1.0)
    weight = keras.Variable(np.zeros(2, "float32"))
    optimizer.apply([keras.ops.convert_to_tensor([30.0, 40.0])], [weight])
    np.testing.assert_allclose(numpy(weight), [-0.6 / 1.6, -0.8 / 1.8], rtol=1e-5)


def test_config_round_trip():
    optimizer = ke.optimizers.PyTorchAdam(0.01, 0.8, 0.99, 1e-6, global_clipnorm=3.0)
    revived = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(revived) is ke.optimizers.PyTorchAdam
    assert revived.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with raises_value_error("amsgrad=False", "amsgrad=True"):
        ke.optimizers.PyTorchAdam(amsgrad=True)
