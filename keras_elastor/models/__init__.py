"""Functional models over the layers, and the presets of published experiments."""

from keras_elastor.models import baseline_presets as _baseline_presets
from keras_elastor.models import presets as _presets
from keras_elastor.models.autoint import AutoInt
from keras_elastor.models.dcn_v2 import DCNv2
from keras_elastor.models.deepfm import DeepFM
from keras_elastor.models.din import DIN
from keras_elastor.models.dlrm import DLRM
from keras_elastor.models.dnn import DNN
from keras_elastor.models.final_mlp import FinalMLP
from keras_elastor.models.fm import FM
from keras_elastor.models.gdcn import GDCN
from keras_elastor.models.logistic_regression import LogisticRegression
from keras_elastor.models.mask_net import MaskNet
from keras_elastor.models.rank_elastor import RankElastor
from keras_elastor.models.rank_mixer import RankMixer
from keras_elastor.models.ranking_model import RankingModel, encode, make_inputs
from keras_elastor.models.registry import (
    create,
    get_preset,
    list_models,
    list_presets,
    register_model,
    register_preset,
)
from keras_elastor.models.wide_and_deep import WideAndDeep
from keras_elastor.models.wukong import Wukong
from keras_elastor.models.xdeepfm import xDeepFM
from keras_elastor.saving import serialize_arguments

__all__ = [
    "DIN",
    "DLRM",
    "DNN",
    "FM",
    "GDCN",
    "AutoInt",
    "DCNv2",
    "DeepFM",
    "FinalMLP",
    "LogisticRegression",
    "MaskNet",
    "RankElastor",
    "RankMixer",
    "RankingModel",
    "WideAndDeep",
    "Wukong",
    "create",
    "encode",
    "get_preset",
    "list_models",
    "list_presets",
    "make_inputs",
    "register_model",
    "register_preset",
    "serialize_arguments",
    "xDeepFM",
]

del _baseline_presets, _presets
