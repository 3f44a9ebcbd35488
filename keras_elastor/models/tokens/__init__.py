"""RankMixer, RankElastor, RankUp and presets."""

from keras_elastor.models.tokens import presets
from keras_elastor.models.tokens.rank_elastor import RankElastor
from keras_elastor.models.tokens.rank_mixer import RankMixer
from keras_elastor.models.tokens.rank_up import RankUp

__all__ = ["RankElastor", "RankMixer", "RankUp", "presets"]
