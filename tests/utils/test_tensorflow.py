import os
import subprocess
import sys

import keras
import pytest

from keras_elastor.utils.tensorflow import import_tensorflow

HIDDEN = """
import keras, tensorflow as tf
calls = []
tf.config.set_visible_devices = lambda devices, kind: calls.append((devices, kind))
from keras_elastor.utils.tensorflow import import_tensorflow
assert import_tensorflow() is tf
print(calls)
"""


def test_does_not_mind_that_tensorflow_already_runs():
    tf = import_tensorflow()
    tf.constant(1.0)
    assert import_tensorflow() is tf


# On JAX the fresh process takes longest, and does what it does on PyTorch.
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="as on PyTorch")
def test_hides_accelerators_unless_tensorflow_computes():
    calls = subprocess.run(
        [sys.executable, "-c", HIDDEN],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = [] if keras.backend.backend() == "tensorflow" else [([], "GPU"), ([], "TPU")]
    assert calls.strip() == str(expected)
