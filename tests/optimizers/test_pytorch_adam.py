import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.keras_compat import fused_adam
from tests.assertions import raises_value_error
from tests.backends import numpy
from tests.optimizers.test_split import BATCH, make_model, make_rows

# On JAX the compiler makes one pass of a table.
on_two_backends = pytest.mark.skipif(keras.backend.backend() == "jax", reason="by rows on others")


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


def train(monkeypatch, by_rows, regularizer, clipnorm, rows, frozen=False):
    """Losses and weights of a model whose tables are trained by rows or as a whole."""
    # Several parts of a table, and parts that no row of the batch is in.
    monkeypatch.setattr(fused_adam, "_PART", 6)
    if not by_rows:
        monkeypatch.setattr(ke.optimizers.PyTorchAdam, "tables_by_rows", lambda *_: [])
    optimizer = ke.optimizers.PyTorchAdam(0.05, global_clipnorm=clipnorm)
    model = make_model(optimizer, regularizer, frozen)
    taken = optimizer.tables_by_rows(model.trainable_variables)
    # The encoder's and the linear term's.
    assert len(taken) == (0 if not by_rows else 1 if frozen else 2)
    history = model.fit(*rows, batch_size=BATCH, epochs=3, shuffle=False, verbose=0)
    slots = [numpy(variable) for variable in optimizer.variables]
    return history.history["loss"], [*model.get_weights(), *slots]


@on_two_backends
@pytest.mark.parametrize(
    ("regularizer", "clipnorm"),
    [(keras.regularizers.L2(0.3), 0.01), (None, 0.01), (keras.regularizers.L2(0.3), None)],
)
def test_by_rows_is_the_same_as_by_whole_tables(monkeypatch, regularizer, clipnorm):
    # Rows that no batch looks up move, too: by their L2 and their means.
    rows = make_rows(range(1, 4), range(2))
    losses, weights = train(monkeypatch, True, regularizer, clipnorm, rows)
    expected_losses, expected = train(monkeypatch, False, regularizer, clipnorm, rows)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-6)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


@on_two_backends
def test_a_frozen_table_is_not_taken_by_rows(monkeypatch):
    rows = make_rows(range(7))
    losses, _ = train(monkeypatch, True, keras.regularizers.L2(0.3), 1.0, rows, frozen=True)
    expected, _ = train(monkeypatch, False, keras.regularizers.L2(0.3), 1.0, rows, frozen=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


@pytest.mark.parametrize("regularizer", [keras.regularizers.L1(0.1), keras.regularizers.L1L2(0.1)])
def test_tables_with_an_l1_are_moved_as_a_whole(regularizer):
    optimizer = ke.optimizers.PyTorchAdam()
    model = make_model(optimizer, regularizer)
    taken = optimizer.tables_by_rows(model.trainable_variables)
    assert taken == []


@pytest.mark.parametrize("other", [{"clipnorm": 1.0}, {"clipvalue": 1.0}, {"weight_decay": 0.1}])
def test_whatever_needs_the_whole_gradient_gets_it(other):
    optimizer = ke.optimizers.PyTorchAdam(**other)
    assert optimizer.tables_by_rows(make_model(optimizer).trainable_variables) == []
