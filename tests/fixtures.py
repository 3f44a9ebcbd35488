"""The fixtures of all tests."""

import contextlib
import gc

# Torch must be imported before TensorFlow in one process, or it can crash.
with contextlib.suppress(ImportError):
    import torch  # noqa: F401

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.plain_graphs import plain_graphs

# What was imported lives as long as the process: do not search it for garbage again and again.
gc.freeze()
gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same seed and leaves neither policy nor graph behind."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)


@pytest.fixture(scope="module")
def traced_only():
    """On TensorFlow the models of this module are trained by graphs as they are traced."""
    with plain_graphs():
        yield


def _draw_by(monkeypatch, draw):
    """Every initializer is `draw(initializer, shape)`, a numpy array."""

    def call(initializer, shape, dtype=None, **kwargs):
        return draw(initializer, tuple(shape)).astype(dtype or "float32")

    def stack(initializer, shape, dtype=None):
        matrices = [initializer._matrix_initializer(token) for token in range(shape[0])]
        return np.stack([matrix(shape[1:], dtype=dtype) for matrix in matrices])

    for name in ("VarianceScaling", "RandomNormal", "RandomUniform", "Zeros", "Ones"):
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", call)
    monkeypatch.setattr(ke.layers.PerTokenInitializer, "__call__", stack)


@pytest.fixture
def without_drawing(monkeypatch):
    """Weights of models that are only counted need no random values."""
    _draw_by(monkeypatch, lambda initializer, shape: np.zeros(shape, "float32"))


@pytest.fixture
def drawn_by_numpy(monkeypatch):
    """On JAX numpy draws the weights, with the same mean and spread.

    JAX compiles each draw of a new shape: half of the time of a test of many small layers.
    """

    def draw(initializer, shape):
        if isinstance(initializer, keras.initializers.Zeros):
            return np.zeros(shape)
        if isinstance(initializer, keras.initializers.Ones):
            return np.ones(shape)
        if isinstance(initializer, keras.initializers.RandomNormal):
            return np.random.normal(initializer.mean, initializer.stddev, shape)
        if isinstance(initializer, keras.initializers.RandomUniform):
            return np.random.uniform(initializer.minval, initializer.maxval, shape)
        inputs, outputs = (shape[0], shape[0]) if len(shape) == 1 else shape[-2:]
        units = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}
        return np.random.normal(0, (initializer.scale / units[initializer.mode]) ** 0.5, shape)

    if keras.backend.backend() == "jax":
        _draw_by(monkeypatch, draw)
