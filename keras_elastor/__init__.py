"""Keras 3 models for click-through-rate prediction and ranking whose dense part scales.

    import keras_elastor as ke

The package needs Keras and one backend. Whatever needs more (tf.data, polars, matplotlib, ...) is
imported inside the function that uses it.
"""

from keras_elastor import (
    analysis,
    convert,
    data,
    datasets,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    runs,
    training,
    tuning,
)
from keras_elastor.export import export
from keras_elastor.label import Label
from keras_elastor.metrics.evaluate import evaluate
from keras_elastor.runs.predictor import Predictor
from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.cpu import configure_cpu
from keras_elastor.version import __version__

__all__ = [
    "Categorical",
    "Embedding",
    "FeatureSchema",
    "Label",
    "Numeric",
    "Predictor",
    "Sequence",
    "__version__",
    "analysis",
    "configure_cpu",
    "convert",
    "data",
    "datasets",
    "evaluate",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "runs",
    "training",
    "tuning",
]
