"""Losses that Keras does not have."""

from keras_elastor.losses.label_loss import LabelLoss

__all__ = ["LabelLoss"]
