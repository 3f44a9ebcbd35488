"""Runs that can be repeated: recorded in a folder, resumed after any stop, compared over seeds."""

from keras_elastor.datasets.rows import Data
from keras_elastor.runs.bootstrap import Interval
from keras_elastor.runs.build import load_data
from keras_elastor.runs.comparison import ComparedModel, Comparison, compare
from keras_elastor.runs.config import Named, RunConfig
from keras_elastor.runs.errors import (
    NonFiniteLossError,
    OutOfTimeError,
    RunError,
    RunInterruptedError,
)
from keras_elastor.runs.own_table import train
from keras_elastor.runs.prediction import predict_file
from keras_elastor.runs.predictor import Predictor
from keras_elastor.runs.run_analysis import RunAnalysis, register_run_analysis
from keras_elastor.runs.runner import RunResult, load_model, run

__all__ = [
    "ComparedModel",
    "Comparison",
    "Data",
    "Interval",
    "Named",
    "NonFiniteLossError",
    "OutOfTimeError",
    "Predictor",
    "RunAnalysis",
    "RunConfig",
    "RunError",
    "RunInterruptedError",
    "RunResult",
    "compare",
    "load_data",
    "load_model",
    "predict_file",
    "register_run_analysis",
    "run",
    "train",
]
