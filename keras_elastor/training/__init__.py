"""Training that can be repeated: FuxiCTR's protocol; runs, recorded, resumed and compared."""

from keras_elastor.training.adam import PyTorchAdam
from keras_elastor.training.comparison import ComparedModel, Comparison, compare
from keras_elastor.training.config import Named, RunConfig
from keras_elastor.training.data import Data
from keras_elastor.training.errors import NonFiniteLossError, RunError, RunInterruptedError
from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.parts import load_data
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.prediction import predict_file
from keras_elastor.training.protocol import FuxiCTRProtocol
from keras_elastor.training.runner import RunResult, load_model, run

__all__ = [
    "ComparedModel",
    "Comparison",
    "Data",
    "EvaluationCallback",
    "FuxiCTRProtocol",
    "Named",
    "NonFiniteLossError",
    "Plateau",
    "PyTorchAdam",
    "RunConfig",
    "RunError",
    "RunInterruptedError",
    "RunResult",
    "compare",
    "load_data",
    "load_model",
    "predict_file",
    "run",
]
