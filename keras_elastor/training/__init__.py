"""How models are trained: FuxiCTR's protocol and exact evaluations during `fit`."""

from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.protocol import FuxiCTRProtocol

__all__ = ["EvaluationCallback", "FuxiCTRProtocol", "Plateau"]
