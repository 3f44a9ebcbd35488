"""Optimizers that Keras does not have."""

from keras_elastor.optimizers.lazy_adagrad import LazyAdagrad
from keras_elastor.optimizers.lazy_adam import LazyAdam
from keras_elastor.optimizers.lazy_sgd import LazySGD
from keras_elastor.optimizers.pytorch_adam import PyTorchAdam
from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.optimizers.row_wise_adagrad import RowWiseAdagrad
from keras_elastor.optimizers.split import Split

__all__ = [
    "LazyAdagrad",
    "LazyAdam",
    "LazySGD",
    "PyTorchAdam",
    "RowOptimizer",
    "RowWiseAdagrad",
    "Split",
]
