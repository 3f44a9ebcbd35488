"""RankMixer, RankElastor and their presets."""

from keras_elastor.models.tokens import presets
from keras_elastor.models.tokens.rank_elastor import RankElastor
from keras_elastor.models.tokens.rank_mixer import RankMixer

__all__ = ["RankElastor", "RankMixer", "presets"]
