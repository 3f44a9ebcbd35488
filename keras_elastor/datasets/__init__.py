"""Public datasets, each read from its official files."""

from keras_elastor.datasets.catalog import get, list_datasets, prepare
from keras_elastor.datasets.kuairand import KuaiRand, kuairand_pure
from keras_elastor.datasets.missing_files import DatasetNotFoundError
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.datasets.samples import write_sample

__all__ = [
    "DatasetNotFoundError",
    "KuaiRand",
    "PublicDataset",
    "get",
    "kuairand_pure",
    "list_datasets",
    "prepare",
    "write_sample",
]
