"""Input: validation, synthetic impressions and tf.data pipelines."""

from keras_elastor.data.validation import validate

__all__ = ["validate"]
