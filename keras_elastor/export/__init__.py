"""Trained models as artefacts that need neither Keras nor this package."""

from keras_elastor.export.export import export

__all__ = ["export"]
