"""Layers in pure Keras, one public class per file."""

from keras_elastor.layers.bilinear_fusion import BilinearFusion
from keras_elastor.layers.compressed_interaction import CompressedInteraction
from keras_elastor.layers.context_gate import ContextGate
from keras_elastor.layers.cross_layer import CrossLayer
from keras_elastor.layers.dice import Dice
from keras_elastor.layers.dot_product_interaction import DotProductInteraction
from keras_elastor.layers.embedding_table import EmbeddingTable
from keras_elastor.layers.factorization_machine import FactorizationMachine
from keras_elastor.layers.feature_encoder import FeatureEncoder
from keras_elastor.layers.flat_tokenizer import FlatTokenizer
from keras_elastor.layers.full_mixing import FullMixing
from keras_elastor.layers.gated_cross_layer import GatedCrossLayer
from keras_elastor.layers.history_pooling import HistoryPooling
from keras_elastor.layers.initializers import PerTokenInitializer
from keras_elastor.layers.interacting_attention import InteractingAttention
from keras_elastor.layers.linear_term import LinearTerm
from keras_elastor.layers.logit_sum import LogitSum
from keras_elastor.layers.low_rank_cross_mixture import LowRankCrossMixture
from keras_elastor.layers.mask_block import MaskBlock
from keras_elastor.layers.mean_head import MeanHead
from keras_elastor.layers.mean_pooling import MeanPooling
from keras_elastor.layers.mixer_block import MixerBlock
from keras_elastor.layers.mlp import MLP
from keras_elastor.layers.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token_ffn import PerTokenFFN
from keras_elastor.layers.per_token_glu import PerTokenGLU
from keras_elastor.layers.per_token_glu_stack import PerTokenGLUStack
from keras_elastor.layers.per_token_layer_norm import PerTokenLayerNorm
from keras_elastor.layers.per_token_rms_norm import PerTokenRMSNorm
from keras_elastor.layers.prediction_head import PredictionHead
from keras_elastor.layers.reshape_tokenizer import ReshapeTokenizer
from keras_elastor.layers.residual import Residual
from keras_elastor.layers.rms_norm import RMSNorm
from keras_elastor.layers.segment_mixing import SegmentMixing
from keras_elastor.layers.shared_tokenizer import SharedTokenizer
from keras_elastor.layers.slice_tokenizer import SliceTokenizer
from keras_elastor.layers.sum_pooling import SumPooling
from keras_elastor.layers.target_attention import TargetAttention
from keras_elastor.layers.token_mixing import TokenMixing
from keras_elastor.layers.tokenizer import Tokenizer
from keras_elastor.layers.wukong_block import WukongBlock

__all__ = [
    "MLP",
    "BilinearFusion",
    "CompressedInteraction",
    "ContextGate",
    "CrossLayer",
    "Dice",
    "DotProductInteraction",
    "EmbeddingTable",
    "FactorizationMachine",
    "FeatureEncoder",
    "FlatTokenizer",
    "FullMixing",
    "GatedCrossLayer",
    "HistoryPooling",
    "InteractingAttention",
    "LinearTerm",
    "LogitSum",
    "LowRankCrossMixture",
    "MaskBlock",
    "MeanHead",
    "MeanPooling",
    "MixerBlock",
    "PerTokenDense",
    "PerTokenFFN",
    "PerTokenGLU",
    "PerTokenGLUStack",
    "PerTokenInitializer",
    "PerTokenLayerNorm",
    "PerTokenRMSNorm",
    "PredictionHead",
    "RMSNorm",
    "ReshapeTokenizer",
    "Residual",
    "SegmentMixing",
    "SharedTokenizer",
    "SliceTokenizer",
    "SumPooling",
    "TargetAttention",
    "TokenMixing",
    "Tokenizer",
    "WukongBlock",
]
