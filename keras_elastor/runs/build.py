"""The dataset and the model that a config names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_elastor import models
from keras_elastor.data import from_dataframe, synthetic
from keras_elastor.datasets.registry import is_prepared, reader_of
from keras_elastor.datasets.rows import Data
from keras_elastor.datasets.table import from_table
from keras_elastor.models.encoder_template import merge_arguments
from keras_elastor.models.registry import find_model
from keras_elastor.runs.config import RunConfig
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.plain_values import check_arguments, suggest
from keras_elastor.utils.saving import deserialize

# Functions that take the further arguments of a dataset's reader.
_HANDED_ON: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "synthetic": (synthetic,),
    "table": (from_table, from_dataframe),
}


def load_data(config: RunConfig) -> Data:
    """Read the dataset of a config.

    Raises:
        ValueError: If there is no such dataset, or it has no such argument; the nearest is named.
        FileNotFoundError: If its files are not there.
    """
    name, arguments = config.dataset.name, dict(config.dataset.arguments)
    reader = reader_of(name)
    if name != "prepared" and is_prepared(name) and "data_dir" not in arguments:
        raise ValueError(
            f"Dataset '{name}' must be prepared once: keras-elastor prepare --dataset {name} "
            "--data-dir RAW --output FOLDER. Then give FOLDER as its data_dir"
        )
    where = "dataset.arguments"
    check_arguments([reader, *_HANDED_ON.get(name, ())], arguments, where)
    try:
        inspect.signature(reader).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"'{where}' of {name}: {error}") from error
    data = reader(**arguments)
    if isinstance(data, Data):
        return data
    return Data(data.schema, data.train, data.valid, data.test, data.preprocessor)


def build_model(config: RunConfig, schema: FeatureSchema) -> keras.Model:
    """Build the model of a config.

    Raises:
        ValueError: If there is no such model, or it has no such argument; the nearest is named.
    """
    name = config.model.name
    arguments = {key: deserialize(value) for key, value in config.model.arguments.items()}
    arguments = merge_arguments(arguments, config.protocol.model_arguments)
    found = find_model(name)
    if found is None:
        known = [*models.list_models(), *models.list_presets()]
        raise ValueError(f"Unknown model '{name}'. {suggest(name, known)}")
    check_arguments([found.model], arguments, "model.arguments")
    model: keras.Model = models.create(name, schema, **arguments)
    return model
