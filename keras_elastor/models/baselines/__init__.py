"""The models that token models are compared with, and their presets."""

from keras_elastor.models.baselines import presets
from keras_elastor.models.baselines.autoint import AutoInt
from keras_elastor.models.baselines.dcn_v2 import DCNv2
from keras_elastor.models.baselines.deepfm import DeepFM
from keras_elastor.models.baselines.din import DIN
from keras_elastor.models.baselines.dlrm import DLRM
from keras_elastor.models.baselines.dnn import DNN
from keras_elastor.models.baselines.final_mlp import FinalMLP
from keras_elastor.models.baselines.fm import FM
from keras_elastor.models.baselines.gdcn import GDCN
from keras_elastor.models.baselines.logistic_regression import LogisticRegression
from keras_elastor.models.baselines.mask_net import MaskNet
from keras_elastor.models.baselines.wide_and_deep import WideAndDeep
from keras_elastor.models.baselines.wukong import Wukong
from keras_elastor.models.baselines.xdeepfm import xDeepFM

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
    "WideAndDeep",
    "Wukong",
    "presets",
    "xDeepFM",
]
