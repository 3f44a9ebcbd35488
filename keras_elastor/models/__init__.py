"""Functional models over the layers, and the presets of published experiments."""

from keras_elastor.models import presets as _presets
from keras_elastor.models.dnn import DNN
from keras_elastor.models.rank_elastor import RankElastor
from keras_elastor.models.rank_mixer import RankMixer
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.models.registry import list_models, list_presets

__all__ = [
    "DNN",
    "RankElastor",
    "RankMixer",
    "RankingModel",
    "list_models",
    "list_presets",
]

del _presets
