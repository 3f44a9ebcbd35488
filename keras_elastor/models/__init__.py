"""Functional models over the layers, and the presets of published experiments."""

from keras_elastor.models.baselines import (
    DIN,
    DLRM,
    DNN,
    FM,
    GDCN,
    AutoInt,
    DCNv2,
    DeepFM,
    FinalMLP,
    LogisticRegression,
    MaskNet,
    WideAndDeep,
    Wukong,
    xDeepFM,
)
from keras_elastor.models.grow import grow
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.multitask import PLE, MMoE
from keras_elastor.models.ranking_model import RankingModel, encode, make_inputs
from keras_elastor.models.registry import (
    create,
    get_preset,
    list_models,
    list_presets,
    register_model,
    register_preset,
)
from keras_elastor.models.tokens import RankElastor, RankMixer, RankUp, TokenFormer

__all__ = [
    "DIN",
    "DLRM",
    "DNN",
    "FM",
    "GDCN",
    "PLE",
    "AutoInt",
    "DCNv2",
    "DeepFM",
    "FinalMLP",
    "LogisticRegression",
    "MMoE",
    "MaskNet",
    "RankElastor",
    "RankMixer",
    "RankUp",
    "RankingModel",
    "TokenFormer",
    "WideAndDeep",
    "Wukong",
    "create",
    "encode",
    "get_preset",
    "grow",
    "hidden_stages",
    "list_models",
    "list_presets",
    "make_inputs",
    "register_model",
    "register_preset",
    "xDeepFM",
]
