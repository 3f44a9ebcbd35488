"""Input: validation, synthetic impressions and tf.data pipelines."""

from keras_elastor.data.split import Split
from keras_elastor.data.vocabulary import Vocabulary

__all__ = ["Split", "Vocabulary"]
