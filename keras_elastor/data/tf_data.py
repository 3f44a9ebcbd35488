"""TensorFlow as the reader of data, whichever backend computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from keras_elastor.optional import import_optional

_Function = TypeVar("_Function", bound=Callable[..., Any])


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


def as_it_stands(function: _Function) -> _Function:
    """A function for `Dataset.map` that AutoGraph leaves alone.

    Our functions hold no control flow for it to convert, but imports, about which it warns.
    """
    unconverted: _Function = import_tensorflow().autograph.experimental.do_not_convert(function)
    return unconverted
