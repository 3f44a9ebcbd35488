"""Normalization as an argument: names, layers as templates, and what is refused."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call
from tests.checks import random_inputs

FLAT, TOKENS = random_inputs((6,)), random_inputs((4, 8))


@keras.saving.register_keras_serializable("tests")
class Halve(keras.layers.Layer):
    """Not a norm, but it tells whether and where it is applied."""

    def call(self, inputs):
        return inputs / 2

    def compute_output_shape(self, input_shape):
        return input_shape


MAKERS = {
    "MLP": (lambda norm: ke.layers.MLP([5], activation=None, normalization=norm), FLAT),
    "PredictionHead": (
        lambda norm: ke.layers.PredictionHead(
            hidden_units=[5], activation=None, normalization=norm
        ),
        FLAT,
    ),
    "PerTokenFFN": (lambda norm: ke.layers.PerTokenFFN([5], None, norm), TOKENS),
    "FlatTokenizer": (
        lambda norm: ke.layers.FlatTokenizer(2, 6, [5], None, norm, dropout=0.0),
        TOKENS,
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_layer_is_a_template(name):
    make, inputs = MAKERS[name]
    plain, halved = make(None), make(Halve())
    expected = call(plain, inputs)
    call(halved, inputs)
    halved.set_weights(plain.get_weights())
    # Every bias is zero at the beginning, so all is linear.
    np.testing.assert_allclose(call(halved, inputs), expected / 2, atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_norm_is_refused(name):
    make, _ = MAKERS[name]
    for wrong in (True, "rsm", 3):
        with raises_value_error(name, "normalization", '"rms"', repr(wrong)):
            make(wrong)


def test_each_layer_has_a_norm_of_its_own():
    norm = keras.layers.LayerNormalization()
    layer = ke.layers.PerTokenGLUStack([8, 8], normalization=norm)
    call(layer, TOKENS)
    norms = [part for part in layer.layers if isinstance(part, keras.layers.LayerNormalization)]
    assert len({id(part) for part in norms}) == 2
    assert norm not in norms
    assert not norm.built


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="of PyTorch alone")
@pytest.mark.parametrize("axis", [-1, (-2, -1)])
def test_the_fused_gradient_is_that_of_the_equation(axis):
    """In float64 the equation is differentiated as it is written."""
    import torch

    from keras_elastor.layers.core.rms_normalization import rms_normalize

    values, upstream = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    values[0, 0] = 0.0
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = torch.tensor(values, dtype=dtype, requires_grad=True)
        outputs = rms_normalize(inputs, axis, 0.1)
        (gradient,) = torch.autograd.grad(outputs, inputs, torch.tensor(upstream, dtype=dtype))
        results.append((outputs.grad_fn.name(), outputs.detach().numpy(), gradient.numpy()))
    (fused, *actual), (plain, *expected) = results
    assert (fused, plain) == ("RMSNormalizeBackward", "MulBackward0")
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
