"""Exported models behind HTTP."""

from keras_elastor.serving.server import serve

__all__ = ["serve"]
