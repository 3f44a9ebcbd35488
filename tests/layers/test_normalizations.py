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
