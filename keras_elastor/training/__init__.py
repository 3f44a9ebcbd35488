"""How models are trained: protocols, and exact evaluations during `fit`."""

from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.fuxictr_protocol import FuxiCTRProtocol
from keras_elastor.training.keras_protocol import KerasProtocol
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.protocol import Protocol, list_protocols, register_protocol
from keras_elastor.training.redraw_embeddings import RedrawEmbeddings

__all__ = [
    "EvaluationCallback",
    "FuxiCTRProtocol",
    "KerasProtocol",
    "Plateau",
    "Protocol",
    "RedrawEmbeddings",
    "list_protocols",
    "register_protocol",
]
