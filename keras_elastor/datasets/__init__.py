"""Public datasets, each read from its official files.

TensorFlow Datasets knows them, too, once `keras_elastor.datasets.builders` is imported:

    import tensorflow_datasets as tfds
    import keras_elastor.datasets

    tfds.builder("criteo_x1").download_and_prepare()

As this package imports nothing optional by itself, that module is imported where TensorFlow
Datasets already is (as above), by naming `ke.datasets.builders`, and by
`ke.datasets.load("criteo_x1", ...)`. Whoever imports TensorFlow Datasets last, names
`ke.datasets.builders` once.
"""

import importlib
import sys
from typing import Any

from keras_elastor.datasets.kuairand import KuaiRand, kuairand_pure
from keras_elastor.datasets.missing_files import DatasetNotFoundError
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.datasets.registry import get, list_datasets, load, prepare
from keras_elastor.datasets.samples import write_sample
from keras_elastor.datasets.table import from_table

__all__ = [
    "DatasetNotFoundError",
    "KuaiRand",
    "PublicDataset",
    "from_table",
    "get",
    "kuairand_pure",
    "list_datasets",
    "load",
    "prepare",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    if name == "builders":
        return importlib.import_module("keras_elastor.datasets.builders")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


if sys.modules.get("tensorflow_datasets") is not None:
    importlib.import_module("keras_elastor.datasets.builders")
