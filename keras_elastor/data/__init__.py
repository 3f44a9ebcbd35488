"""Input: validation, synthetic impressions and tf.data pipelines."""

from keras_elastor.data.split import Split
from keras_elastor.data.synthetic import SyntheticImpressions, synthetic
from keras_elastor.data.validation import guard, validate
from keras_elastor.data.vocabulary import Vocabulary

__all__ = ["Split", "SyntheticImpressions", "Vocabulary", "guard", "synthetic", "validate"]
