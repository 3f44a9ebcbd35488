"""Input: from raw files to batches, validation, synthetic impressions."""

from keras_elastor.data.dataframe import EncodedTable, from_dataframe, infer_recipe
from keras_elastor.data.load import load
from keras_elastor.data.manifest import Manifest
from keras_elastor.data.prepare import prepare
from keras_elastor.data.recipe import CategoricalColumn, NumericColumn, Recipe, SequenceColumn
from keras_elastor.data.split import Split
from keras_elastor.data.synthetic import SyntheticImpressions, synthetic
from keras_elastor.data.validation import guard, validate
from keras_elastor.data.vocabulary import Vocabulary

__all__ = [
    "CategoricalColumn",
    "EncodedTable",
    "Manifest",
    "NumericColumn",
    "Recipe",
    "SequenceColumn",
    "Split",
    "SyntheticImpressions",
    "Vocabulary",
    "from_dataframe",
    "guard",
    "infer_recipe",
    "load",
    "prepare",
    "synthetic",
    "validate",
]
