"""Losses that Keras does not have."""

from keras_elastor.losses.label_loss import LabelLoss
from keras_elastor.losses.task_loss import TaskLoss

__all__ = ["LabelLoss", "TaskLoss"]
