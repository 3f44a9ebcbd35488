"""The checks that every layer must pass; their values are checked in the other files."""

import inspect

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.checks import random_batch, random_inputs, run_layer_test

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 6),
        ke.Numeric("price"),
        ke.Sequence("history", 6, 4, table="item"),
        ke.Embedding("image", 3),
    ]
)
TOKENS = random_inputs((4, 8))
FLAT = random_inputs((6,))
PAIR = [FLAT, random_inputs((6,), seed=1)]
MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]], "float32")
HISTORY = [random_inputs((4, 5)), MASK]
HISTORY_AND_TARGET = [*HISTORY, random_inputs((5,), seed=1)]
POSITIONS = np.array([[0, -1, 1, 2], [0, 1, 2, 3], [0, 1, 1, 4]], "int32")
STREAM = [TOKENS, POSITIONS]
FLAT_NORM = {"axis": (-2, -1)}


def residual(**kwargs):
    return ke.layers.Residual(
        ke.layers.FullMixing(),
        pre_norm=ke.layers.RMSNormalization(**FLAT_NORM),
        post_norm=keras.layers.LayerNormalization(),
        **kwargs,
    )


def block(**kwargs):
    ffn = ke.layers.Residual(ke.layers.PerTokenGLUStack([6], expansion=2.0))
    return ke.layers.MixerBlock(residual(), ffn, norm=ke.layers.RMSNormalization(), **kwargs)


def partial(make, *arguments, **options):
    return lambda **kwargs: make(*arguments, **options, **kwargs)


LAYERS = {
    "BilinearFusion": (
        partial(ke.layers.BilinearFusion, 2, num_heads=2),
        [FLAT, random_inputs((4,), seed=1)],
        (3, 2),
    ),
    "ChainedHead": (
        lambda **kwargs: ke.layers.ChainedHead(ke.layers.TaskTowers(2), (None, 0), **kwargs),
        FLAT,
        (3, 2),
    ),
    "CompressedInteraction": (
        partial(ke.layers.CompressedInteraction, [5, 3]),
        TOKENS,
        (3, 8),
    ),
    "ContextGate": (
        partial(ke.layers.ContextGate, [32]),
        [FLAT, random_inputs((2,), seed=1)],
        (3, 6),
    ),
    "ContextGate of a learned context": (
        partial(ke.layers.ContextGate, (), context_dim=3),
        FLAT,
        (3, 6),
    ),
    "CrossLayer": (ke.layers.CrossLayer, PAIR, (3, 6)),
    "Dice": (ke.layers.Dice, FLAT, (3, 6)),
    "DotProductInteraction": (ke.layers.DotProductInteraction, TOKENS, (3, 6)),
    "EmbeddingTable": (
        partial(ke.layers.EmbeddingTable, {"user": 4, "item": 3}, ["user", "item"], 5),
        np.array([[1, 2], [3, 1], [0, 0]], "int32"),
        (3, 2, 5),
    ),
    "FactorizationMachine": (ke.layers.FactorizationMachine, TOKENS, (3, 1)),
    "FeatureEncoder": (
        partial(ke.layers.FeatureEncoder, SCHEMA, 5, "random_normal"),
        random_batch(SCHEMA)[0],
        (8, 4, 5),
    ),
    "FeatureEncoder of dropped fields": (
        partial(ke.layers.FeatureEncoder, SCHEMA, 5, "random_normal", embedding_dropout=0.1),
        random_batch(SCHEMA)[0],
        (8, 4, 5),
    ),
    "FeatureEncoder of attended histories": (
        partial(
            ke.layers.FeatureEncoder,
            SCHEMA,
            5,
            "random_normal",
            history_pooling=ke.layers.TargetAttention([32], "tanh"),
        ),
        random_batch(SCHEMA)[0],
        (8, 4, 5),
    ),
    "FeatureEncoder of periodic numbers": (
        partial(
            ke.layers.FeatureEncoder,
            SCHEMA,
            5,
            "random_normal",
            numeric_embedding=ke.layers.PeriodicEmbedding(num_frequencies=32),
        ),
        random_batch(SCHEMA)[0],
        (8, 4, 5),
    ),
    "FlatTokenizer": (
        partial(ke.layers.FlatTokenizer, 2, 6, [64], normalization="rms"),
        TOKENS,
        (3, 2, 6),
    ),
    "FullMixing": (ke.layers.FullMixing, TOKENS, (3, 4, 8)),
    "FullMixing of blocks": (partial(ke.layers.FullMixing, 4), TOKENS, (3, 4, 8)),
    "GatedCrossLayer": (ke.layers.GatedCrossLayer, PAIR, (3, 6)),
    "GlobalToken": (partial(ke.layers.GlobalToken, 32), TOKENS, (3, 32)),
    "InteractingAttention": (
        partial(ke.layers.InteractingAttention, 64, 2, normalization="layer", dropout=0.1),
        TOKENS,
        (3, 4, 64),
    ),
    "LinearTerm": (
        partial(ke.layers.LinearTerm, SCHEMA, 2, use_bias=True),
        random_batch(SCHEMA)[0],
        (8, 2),
    ),
    "LogitSum": (ke.layers.LogitSum, [FLAT, FLAT[:, :1]], (3, 6)),
    "LowRankCrossMixture": (
        partial(ke.layers.LowRankCrossMixture, 2, rank=3, num_experts=2),
        FLAT,
        (3, 6),
    ),
    "MLP": (
        partial(ke.layers.MLP, [64], 2, normalization="layer", dropout=0.1),
        random_inputs((6,)),
        (3, 2),
    ),
    "MLP of Dice": (partial(ke.layers.MLP, [64], 2, ke.layers.Dice()), FLAT, (3, 2)),
    "MLP of different layers": (
        partial(ke.layers.MLP, [64, 64], 2, [keras.layers.PReLU(), None], dropout=[0.1, 0.0]),
        FLAT,
        (3, 2),
    ),
    "MaskBlock": (partial(ke.layers.MaskBlock, 32, 4.0, dropout=0.1), PAIR, (3, 32)),
    "MeanHead": (ke.layers.MeanHead, TOKENS, (3, 1)),
    "MeanPooling": (ke.layers.MeanPooling, HISTORY, (3, 5)),
    "MixerBlock": (block, TOKENS, (3, 4, 8)),
    "PerTokenDense": (partial(ke.layers.PerTokenDense, 3, "tanh"), TOKENS, (3, 4, 3)),
    "PerTokenFFN": (
        partial(ke.layers.PerTokenFFN, [16], "gelu", normalization="rms", dropout=0.1),
        TOKENS,
        (3, 4, 8),
    ),
    "PerTokenGLU": (ke.layers.PerTokenGLU, TOKENS, (3, 4, 8)),
    "PerTokenGLU of expansion 1": (partial(ke.layers.PerTokenGLU, 1.0), TOKENS, (3, 4, 8)),
    "PerTokenGLUStack": (
        partial(ke.layers.PerTokenGLUStack, [6, 6], dropout=0.1),
        TOKENS,
        (3, 4, 8),
    ),
    "PerTokenLayerNormalization": (ke.layers.PerTokenLayerNormalization, TOKENS, (3, 4, 8)),
    "PerTokenMoE": (
        partial(
            ke.layers.PerTokenMoE,
            ke.layers.PerTokenFFN([16], dropout=0.1),
            num_experts=3,
            training_output="mean",
        ),
        TOKENS,
        (3, 4, 8),
    ),
    "PerTokenRMSNormalization": (ke.layers.PerTokenRMSNormalization, TOKENS, (3, 4, 8)),
    "PeriodicEmbedding": (partial(ke.layers.PeriodicEmbedding, 32, 16), FLAT, (3, 6, 32)),
    "PermutationTokenizer": (partial(ke.layers.PermutationTokenizer, 3, 6), TOKENS, (3, 3, 6)),
    "PermutationTokenizer of a norm": (
        partial(ke.layers.PermutationTokenizer, 2, 6, 1, None, "silu", "layer"),
        TOKENS,
        (3, 2, 6),
    ),
    "PiecewiseLinearEmbedding": (
        partial(ke.layers.PiecewiseLinearEmbedding, 32, [-1.0, 0.0, 0.5]),
        FLAT,
        (3, 6, 32),
    ),
    "PredictionHead": (partial(ke.layers.PredictionHead, 2, hidden_units=[64]), TOKENS, (3, 2)),
    "PredictionHead of features": (
        partial(ke.layers.PredictionHead, 2, "flatten", [64], "relu", "batch", 0.1),
        FLAT,
        (3, 2),
    ),
    "RMSNormalization": (partial(ke.layers.RMSNormalization, **FLAT_NORM), TOKENS, (3, 4, 8)),
    "ReshapeTokenizer": (partial(ke.layers.ReshapeTokenizer, 2, 16), TOKENS, (3, 2, 16)),
    "Residual": (residual, TOKENS, (3, 4, 8)),
    "SegmentMixing": (partial(ke.layers.SegmentMixing, 2), TOKENS, (3, 4, 8)),
    "SharedTokenizer": (partial(ke.layers.SharedTokenizer, 2, 6, [64]), TOKENS, (3, 2, 6)),
    "SliceTokenizer": (partial(ke.layers.SliceTokenizer, 3, 6), TOKENS, (3, 3, 6)),
    "SumPooling": (ke.layers.SumPooling, HISTORY, (3, 5)),
    "TargetAttention": (
        partial(ke.layers.TargetAttention, [32], "tanh"),
        HISTORY_AND_TARGET,
        (3, 5),
    ),
    "TargetAttention of weights that sum to one": (
        partial(ke.layers.TargetAttention, [32], use_softmax=True, dropout=0.1),
        HISTORY_AND_TARGET,
        (3, 5),
    ),
    "TaskExperts": (partial(ke.layers.TaskExperts, 2, [32]), FLAT, (3, 2, 32)),
    "TaskExperts of a layered extraction": (
        partial(ke.layers.TaskExperts, 3, [32], 2, 1, shared_output=True, activation="silu"),
        TOKENS,
        (3, 4, 32),
    ),
    "TaskTokens": (partial(ke.layers.TaskTokens, 2), TOKENS, (3, 6, 8)),
    "TaskTowers": (partial(ke.layers.TaskTowers, 2, [32], "silu", dropout=0.1), TOKENS, (3, 2)),
    "TaskTowers of features": (partial(ke.layers.TaskTowers, 2), FLAT, (3, 2)),
    "TaskTowers of task tokens": (
        partial(ke.layers.TaskTowers, 2, [32], "silu", pooling="mean", task_tokens=True),
        TOKENS,
        (3, 2),
    ),
    "TokenMixing": (ke.layers.TokenMixing, TOKENS, (3, 4, 8)),
    "UnifiedInteraction": (ke.layers.UnifiedInteraction, STREAM, (3, 4, 8)),
    "UnifiedInteraction of a window": (
        partial(ke.layers.UnifiedInteraction, 1, 3, 8.0, "normed", rotary=False),
        STREAM,
        (3, 4, 8),
    ),
    "WukongBlock": (partial(ke.layers.WukongBlock, 3, 2, 2, [64]), TOKENS, (3, 5, 8)),
}
ABSTRACT = {"HistoryPooling", "NumericEmbedding", "Tokenizer"}


@pytest.mark.parametrize("case", LAYERS)
def test_layer(case):
    run_layer_test(*LAYERS[case])


def test_no_layer_is_left_out():
    public = {
        name
        for name in ke.layers.__all__
        if issubclass(getattr(ke.layers, name), keras.layers.Layer)
    }
    assert public - ABSTRACT == {case.split(" of ")[0] for case in LAYERS}


@pytest.mark.parametrize("name", ke.layers.__all__)
def test_docstring_names_every_argument(name):
    cls = getattr(ke.layers, name)
    if "__init__" not in vars(cls):
        return
    documented = inspect.getdoc(cls)
    for parameter in inspect.signature(cls.__init__).parameters.values():
        if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
            assert f"{parameter.name}: " in documented, f"{name}: {parameter.name}"
