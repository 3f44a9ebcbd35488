"""Layers in pure Keras, one public class per file."""

from keras_elastor.layers.embedding_table import EmbeddingTable
from keras_elastor.layers.feature_encoder import FeatureEncoder
from keras_elastor.layers.flat_tokenizer import FlatTokenizer
from keras_elastor.layers.full_mixing import FullMixing
from keras_elastor.layers.initializers import PerTokenInitializer
from keras_elastor.layers.mean_head import MeanHead
from keras_elastor.layers.mixer_block import MixerBlock
from keras_elastor.layers.mlp import MLP
from keras_elastor.layers.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token_ffn import PerTokenFFN
from keras_elastor.layers.per_token_glu import PerTokenGLU
from keras_elastor.layers.per_token_glu_stack import PerTokenGLUStack
from keras_elastor.layers.per_token_rms_norm import PerTokenRMSNorm
from keras_elastor.layers.prediction_head import PredictionHead
from keras_elastor.layers.reshape_tokenizer import ReshapeTokenizer
from keras_elastor.layers.residual import Residual
from keras_elastor.layers.rms_norm import RMSNorm
from keras_elastor.layers.segment_mixing import SegmentMixing
from keras_elastor.layers.shared_tokenizer import SharedTokenizer
from keras_elastor.layers.slice_tokenizer import SliceTokenizer
from keras_elastor.layers.token_mixing import TokenMixing
from keras_elastor.layers.tokenizer import Tokenizer

__all__ = [
    "MLP",
    "EmbeddingTable",
    "FeatureEncoder",
    "FlatTokenizer",
    "FullMixing",
    "MeanHead",
    "MixerBlock",
    "PerTokenDense",
    "PerTokenFFN",
    "PerTokenGLU",
    "PerTokenGLUStack",
    "PerTokenInitializer",
    "PerTokenRMSNorm",
    "PredictionHead",
    "RMSNorm",
    "ReshapeTokenizer",
    "Residual",
    "SegmentMixing",
    "SharedTokenizer",
    "SliceTokenizer",
    "TokenMixing",
    "Tokenizer",
]
