"""The checks that every layer must pass; their values are checked in the other files."""

import inspect

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.checks import random_batch, random_inputs, run_layer_test

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 6),
        ke.Numeric("price"),
        ke.Sequence("history", 6, 4, table="item"),
        ke.Embedding("image", 3),
    ]
)
TOKENS = random_inputs((4, 8))
FLAT_NORM = {"axis": (-2, -1)}


def residual(**kwargs):
    return ke.layers.Residual(
        ke.layers.FullMixing(),
        pre_norm=ke.layers.RMSNorm(**FLAT_NORM),
        post_norm=keras.layers.LayerNormalization(),
        **kwargs,
    )


def block(**kwargs):
    ffn = ke.layers.Residual(ke.layers.PerTokenGLUStack([6], expansion=2.0))
    return ke.layers.MixerBlock(residual(), ffn, norm=ke.layers.RMSNorm(), **kwargs)


def partial(make, *arguments, **options):
    return lambda **kwargs: make(*arguments, **options, **kwargs)


LAYERS = {
    "EmbeddingTable": (
        partial(ke.layers.EmbeddingTable, {"user": 4, "item": 3}, ["user", "item"], 5),
        np.array([[1, 2], [3, 1], [0, 0]], "int32"),
        (3, 2, 5),
    ),
    "FeatureEncoder": (
        partial(ke.layers.FeatureEncoder, SCHEMA, 5, "random_normal"),
        random_batch(SCHEMA)[0],
        (8, 4, 5),
    ),
    "FlatTokenizer": (
        partial(ke.layers.FlatTokenizer, 2, 6, [64], normalization=True),
        TOKENS,
        (3, 2, 6),
    ),
    "FullMixing": (ke.layers.FullMixing, TOKENS, (3, 4, 8)),
    "FullMixing of blocks": (partial(ke.layers.FullMixing, 4), TOKENS, (3, 4, 8)),
    "MLP": (
        partial(ke.layers.MLP, [64], 2, normalization="layer", dropout=0.1),
        random_inputs((6,)),
        (3, 2),
    ),
    "MeanHead": (ke.layers.MeanHead, TOKENS, (3, 1)),
    "MixerBlock": (block, TOKENS, (3, 4, 8)),
    "PerTokenDense": (partial(ke.layers.PerTokenDense, 3, "tanh"), TOKENS, (3, 4, 3)),
    "PerTokenFFN": (
        partial(ke.layers.PerTokenFFN, [16], "gelu", normalization=True, dropout=0.1),
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
    "PerTokenRMSNorm": (ke.layers.PerTokenRMSNorm, TOKENS, (3, 4, 8)),
    "PredictionHead": (partial(ke.layers.PredictionHead, 2, hidden_units=[64]), TOKENS, (3, 2)),
    "RMSNorm": (partial(ke.layers.RMSNorm, **FLAT_NORM), TOKENS, (3, 4, 8)),
    "ReshapeTokenizer": (partial(ke.layers.ReshapeTokenizer, 2, 16), TOKENS, (3, 2, 16)),
    "Residual": (residual, TOKENS, (3, 4, 8)),
    "SegmentMixing": (partial(ke.layers.SegmentMixing, 2), TOKENS, (3, 4, 8)),
    "SharedTokenizer": (partial(ke.layers.SharedTokenizer, 2, 6, [64]), TOKENS, (3, 2, 6)),
    "SliceTokenizer": (partial(ke.layers.SliceTokenizer, 3, 6), TOKENS, (3, 3, 6)),
    "TokenMixing": (ke.layers.TokenMixing, TOKENS, (3, 4, 8)),
}
ABSTRACT = {"Tokenizer"}


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
