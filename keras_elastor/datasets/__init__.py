"""Public datasets, each read from its official files."""

from keras_elastor.datasets.kuairand import KuaiRand, kuairand_pure
from keras_elastor.datasets.missing_files import DatasetNotFoundError

__all__ = ["DatasetNotFoundError", "KuaiRand", "kuairand_pure"]
