"""Models whose tasks share some of their experts."""

from keras_elastor.models.multitask.mmoe import MMoE
from keras_elastor.models.multitask.ple import PLE

__all__ = ["PLE", "MMoE"]
