"""RankMixer, RankElastor, RankUp, TokenFormer and presets."""

from keras_elastor.models.tokens import presets
from keras_elastor.models.tokens.rank_elastor import RankElastor
from keras_elastor.models.tokens.rank_mixer import RankMixer
from keras_elastor.models.tokens.rank_up import RankUp
from keras_elastor.models.tokens.token_former import TokenFormer

__all__ = ["RankElastor", "RankMixer", "RankUp", "TokenFormer", "presets"]
