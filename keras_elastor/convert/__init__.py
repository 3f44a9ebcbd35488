"""Weights of the official PyTorch code in our layers and models."""

from keras_elastor.convert.options import from_official
from keras_elastor.convert.weights import load_official_weights

__all__ = ["from_official", "load_official_weights"]
