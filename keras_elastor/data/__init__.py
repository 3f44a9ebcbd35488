"""Input: from raw files to batches, validation, synthetic impressions."""

from keras_elastor.data.columns.all_columns import (
    CategoricalColumn,
    CrossedColumn,
    NumericColumn,
    PretrainedColumn,
    SequenceColumn,
)
from keras_elastor.data.columns.date_column import DateAge, DateColumn, DatePart
from keras_elastor.data.dataframe import EncodedTable, from_dataframe
from keras_elastor.data.inference import infer_recipe
from keras_elastor.data.prepared.load import load
from keras_elastor.data.prepared.manifest import Manifest
from keras_elastor.data.prepared.prepare import prepare
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.split import Split
from keras_elastor.data.splitting import split_by_time, train_test_split
from keras_elastor.data.synthetic.synthetic import SyntheticImpressions, synthetic
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.validation.validation import guard, validate

__all__ = [
    "CategoricalColumn",
    "CrossedColumn",
    "DateAge",
    "DateColumn",
    "DatePart",
    "EncodedTable",
    "HashBuckets",
    "Manifest",
    "NumericColumn",
    "Preprocessor",
    "PretrainedColumn",
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
    "split_by_time",
    "synthetic",
    "train_test_split",
    "validate",
]
