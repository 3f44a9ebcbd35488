"""Layers in pure Keras, one public class per file."""

from keras_elastor.layers.core.dice import Dice
from keras_elastor.layers.core.initializers import PerTokenInitializer
from keras_elastor.layers.core.mlp import MLP
from keras_elastor.layers.core.rms_normalization import RMSNormalization
from keras_elastor.layers.embedding.embedding_table import EmbeddingTable
from keras_elastor.layers.embedding.feature_encoder import FeatureEncoder
from keras_elastor.layers.embedding.history_pooling import HistoryPooling
from keras_elastor.layers.embedding.linear_term import LinearTerm
from keras_elastor.layers.embedding.mean_pooling import MeanPooling
from keras_elastor.layers.embedding.numeric_embedding import NumericEmbedding
from keras_elastor.layers.embedding.periodic_embedding import PeriodicEmbedding
from keras_elastor.layers.embedding.piecewise_linear_embedding import PiecewiseLinearEmbedding
from keras_elastor.layers.embedding.sum_pooling import SumPooling
from keras_elastor.layers.embedding.target_attention import TargetAttention
from keras_elastor.layers.heads.chained_head import ChainedHead
from keras_elastor.layers.heads.logit_sum import LogitSum
from keras_elastor.layers.heads.mean_head import MeanHead
from keras_elastor.layers.heads.prediction_head import PredictionHead
from keras_elastor.layers.heads.task_towers import TaskTowers
from keras_elastor.layers.interactions.bilinear_fusion import BilinearFusion
from keras_elastor.layers.interactions.compressed_interaction import CompressedInteraction
from keras_elastor.layers.interactions.context_gate import ContextGate
from keras_elastor.layers.interactions.cross_layer import CrossLayer
from keras_elastor.layers.interactions.dot_product_interaction import DotProductInteraction
from keras_elastor.layers.interactions.factorization_machine import FactorizationMachine
from keras_elastor.layers.interactions.gated_cross_layer import GatedCrossLayer
from keras_elastor.layers.interactions.interacting_attention import InteractingAttention
from keras_elastor.layers.interactions.low_rank_cross_mixture import LowRankCrossMixture
from keras_elastor.layers.interactions.mask_block import MaskBlock
from keras_elastor.layers.interactions.task_experts import TaskExperts
from keras_elastor.layers.interactions.wukong_block import WukongBlock
from keras_elastor.layers.mixing.full_mixing import FullMixing
from keras_elastor.layers.mixing.mixer_block import MixerBlock
from keras_elastor.layers.mixing.residual import Residual
from keras_elastor.layers.mixing.segment_mixing import SegmentMixing
from keras_elastor.layers.mixing.token_mixing import TokenMixing
from keras_elastor.layers.mixing.unified_interaction import UnifiedInteraction
from keras_elastor.layers.per_token.per_token_dense import PerTokenDense
from keras_elastor.layers.per_token.per_token_ffn import PerTokenFFN
from keras_elastor.layers.per_token.per_token_glu import PerTokenGLU
from keras_elastor.layers.per_token.per_token_glu_stack import PerTokenGLUStack
from keras_elastor.layers.per_token.per_token_layer_normalization import PerTokenLayerNormalization
from keras_elastor.layers.per_token.per_token_moe import PerTokenMoE
from keras_elastor.layers.per_token.per_token_rms_normalization import PerTokenRMSNormalization
from keras_elastor.layers.tokenizers.flat_tokenizer import FlatTokenizer
from keras_elastor.layers.tokenizers.global_token import GlobalToken
from keras_elastor.layers.tokenizers.permutation_tokenizer import PermutationTokenizer
from keras_elastor.layers.tokenizers.reshape_tokenizer import ReshapeTokenizer
from keras_elastor.layers.tokenizers.shared_tokenizer import SharedTokenizer
from keras_elastor.layers.tokenizers.slice_tokenizer import SliceTokenizer
from keras_elastor.layers.tokenizers.task_tokens import TaskTokens
from keras_elastor.layers.tokenizers.tokenizer import Tokenizer

__all__ = [
    "MLP",
    "BilinearFusion",
    "ChainedHead",
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
    "GlobalToken",
    "HistoryPooling",
    "InteractingAttention",
    "LinearTerm",
    "LogitSum",
    "LowRankCrossMixture",
    "MaskBlock",
    "MeanHead",
    "MeanPooling",
    "MixerBlock",
    "NumericEmbedding",
    "PerTokenDense",
    "PerTokenFFN",
    "PerTokenGLU",
    "PerTokenGLUStack",
    "PerTokenInitializer",
    "PerTokenLayerNormalization",
    "PerTokenMoE",
    "PerTokenRMSNormalization",
    "PeriodicEmbedding",
    "PermutationTokenizer",
    "PiecewiseLinearEmbedding",
    "PredictionHead",
    "RMSNormalization",
    "ReshapeTokenizer",
    "Residual",
    "SegmentMixing",
    "SharedTokenizer",
    "SliceTokenizer",
    "SumPooling",
    "TargetAttention",
    "TaskExperts",
    "TaskTokens",
    "TaskTowers",
    "TokenMixing",
    "Tokenizer",
    "UnifiedInteraction",
    "WukongBlock",
]
