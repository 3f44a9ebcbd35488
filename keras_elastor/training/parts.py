"""The dataset and the model that a config names."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_elastor import models
from keras_elastor.data import Split, Vocabulary, synthetic
from keras_elastor.datasets import kuairand_pure
from keras_elastor.models.registry import find_model
from keras_elastor.saving import deserialize
from keras_elastor.schema import FeatureSchema
from keras_elastor.training.config import RunConfig
from keras_elastor.training.read_config import check_arguments, suggest


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Rows to train and measure on.

    Args:
        schema: their features.
        train: rows to train on.
        valid: rows to choose by.
        test: rows to report, perhaps none.
        vocabularies: vocabulary of each embedding table of the schema, where there are any.
    """

    schema: FeatureSchema
    train: Any
    valid: Any
    test: Any
    vocabularies: Mapping[str, Vocabulary] = dataclasses.field(default_factory=dict)

    @property
    def judged(self) -> str:
        """What models are compared on: "test", or "valid" where there are no test rows."""
        return "test" if len(self.test) else "valid"


def synthetic_data(
    train_rows: int = 100_000,
    valid_rows: int = 20_000,
    test_rows: int = 20_000,
    **arguments: Any,
) -> Data:
    """Rows of `keras_elastor.data.synthetic`, which takes the other arguments."""
    source = synthetic(**arguments)
    train, valid, test = (
        Split(*source.arrays(rows, split))
        for split, rows in (("train", train_rows), ("valid", valid_rows), ("test", test_rows))
    )
    return Data(source.schema, train, valid, test)


_DATASETS: dict[str, Callable[..., Any]] = {
    "kuairand_pure": kuairand_pure,
    "synthetic": synthetic_data,
}


def list_datasets() -> list[str]:
    """Names of the datasets that `run` knows."""
    return sorted(_DATASETS)


def load_data(config: RunConfig) -> Data:
    """Read the dataset of a config.

    Raises:
        ValueError: there is no such dataset, or it has no such argument; the nearest is named.
    """
    name, arguments = config.dataset.name, dict(config.dataset.arguments)
    where = "dataset.arguments"
    if name not in list_datasets():
        raise ValueError(f"Unknown dataset '{name}'. {suggest(name, list_datasets())}")
    where = "dataset.arguments"
    builder = _DATASETS[name]
    known = [builder, synthetic] if name == "synthetic" else [builder]
    check_arguments(known, arguments, where)
    try:
        inspect.signature(builder).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"'{where}' of {name}: {error}") from error
    data = builder(**arguments)
    vocabularies = getattr(data, "vocabularies", {})
    return Data(data.schema, data.train, data.valid, data.test, vocabularies)


def build_model(config: RunConfig, schema: FeatureSchema) -> keras.Model:
    """Build the model of a config.

    Raises:
        ValueError: there is no such model, or it has no such argument; the nearest is named.
    """
    name = config.model.name
    arguments = {key: deserialize(value) for key, value in config.model.arguments.items()}
    if config.protocol.embedding_regularizer is not None:
        arguments["embeddings_regularizer"] = config.protocol.embeddings_regularizer
    found = find_model(name)
    if found is None:
        known = [*models.list_models(), *models.list_presets()]
        raise ValueError(f"Unknown model '{name}'. {suggest(name, known)}")
    check_arguments([found.model], arguments, "model.arguments")
    model: keras.Model = models.create(name, schema, **arguments)
    return model
