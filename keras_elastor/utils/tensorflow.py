"""TensorFlow as the reader of data, whichever backend computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from keras_elastor.utils.optional import import_optional


def import_tensorflow() -> Any:
    """Import TensorFlow for its `tf.data`.

    On the JAX and PyTorch backends TensorFlow only reads, so that it is kept off the accelerators:
    it would otherwise reserve the memory in which the model computes. Where TensorFlow already
    runs, it stays as it is.

    Returns:
        The module `tensorflow`.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    tf = import_optional("tensorflow", extra="data")
    if keras.backend.backend() != "tensorflow":
        for kind in ("GPU", "TPU"):
            # The devices cannot be hidden any more once TensorFlow has initialised them.
            with contextlib.suppress(RuntimeError):
                tf.config.set_visible_devices([], kind)
    return tf


def without_autograph(function: Callable[..., Any]) -> Any:
    """A function for `map` that TensorFlow takes as it is.

    It would otherwise rewrite the source of all that the function calls, for Python's `if` and
    `for` over tensors: a tenth of a second for each dataset, and for each epoch again.
    """
    return import_tensorflow().autograph.experimental.do_not_convert(function)
