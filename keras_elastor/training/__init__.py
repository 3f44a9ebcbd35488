"""Training that can be repeated: FuxiCTR's protocol."""

from keras_elastor.training.adam import PyTorchAdam
from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.protocol import FuxiCTRProtocol

__all__ = [
    "EvaluationCallback",
    "FuxiCTRProtocol",
    "Plateau",
    "PyTorchAdam",
]
