"""Optimizers that Keras does not have."""

from keras_elastor.optimizers.pytorch_adam import PyTorchAdam

__all__ = ["PyTorchAdam"]
