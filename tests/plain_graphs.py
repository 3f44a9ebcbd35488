"""TensorFlow's graphs as they are traced, for tests of what happens around a training."""

import contextlib
import functools

import keras
import pytest

import keras_elastor as ke


@contextlib.contextmanager
def plain_graphs():
    """Inside this context TensorFlow neither compiles steps by XLA nor optimizes their graphs.

    Both take longer than to trace a graph, and more than they save where it runs a few times.
    Models, layers, metrics and optimizers are tested by XLA, Keras' default, in their own rooms.
    On other backends nothing changes.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    compile_by_default = ke.models.RankingModel.compile

    @functools.wraps(compile_by_default)
    def compile(model, *arguments, jit_compile=False, **options):
        compile_by_default(model, *arguments, jit_compile=jit_compile, **options)

    optimizer = tf.config.optimizer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ke.models.RankingModel, "compile", compile)
        optimizer.set_experimental_options({"disable_meta_optimizer": True})
        yield
        optimizer.set_experimental_options({"disable_meta_optimizer": False})
