"""Dense parameters and FLOPs against counts by hand."""

import itertools

import numpy as np
import pytest
from keras import ops

import keras_elastor as ke
from keras_elastor.keras_compat.matmul_flops import matmul_flops

SCHEMA = ke.FeatureSchema([ke.Categorical("user", 1000), ke.Categorical("item", 500)])
FIELDS = 2


def count(model, schema=SCHEMA, **arguments):
    config = {"dataset": {"name": "synthetic"}, "model": {"name": model, "arguments": arguments}}
    return ke.tuning.count(ke.runs.RunConfig.from_dict(config), schema)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [((4, 3), (3, 5), 4 * 3 * 5), ((2, 4, 3), (2, 3, 5), 2 * 4 * 3 * 5), ((4, 3), (3,), 4 * 3)],
)
def test_a_product_is_two_operations_per_pair(left, right, expected):
    rows = {"left": np.ones(left, "float32"), "right": np.ones(right, "float32")}
    flops = matmul_flops(lambda arrays: ops.matmul(arrays["left"], arrays["right"]), rows)
    assert flops == 2 * expected


def test_a_sum_over_indices_counts_as_the_product_that_it_is():
    rows = {"left": np.ones((4, 2, 3), "float32"), "right": np.ones((2, 3, 5), "float32")}
    flops = matmul_flops(lambda a: ops.einsum("btd,tdh->bth", a["left"], a["right"]), rows)
    assert flops == 2 * 4 * 2 * 3 * 5


def test_dnn():
    dims = [FIELDS * 4, 16, 8, 1]
    pairs = list(itertools.pairwise(dims))
    expected = {
        "dense": sum(a * b + b for a, b in pairs),
        "flops": sum(2 * a * b for a, b in pairs),
    }
    assert count("dnn", embedding_dim=4, hidden_units=[16, 8]) == expected


def test_rank_mixer():
    """Official head: T * D to 2 * T * D to 1; the mixing only moves numbers."""
    tokens, width, hidden, slice_size, tokenizer = 2, 6, 5, 4, 500
    flops = 2 * tokens * (slice_size * tokenizer + tokenizer * width)
    flops += 2 * tokens * 3 * (width * hidden + hidden * width)
    flops += 2 * (tokens * width * 2 * tokens * width + 2 * tokens * width)
    counted = count(
        "rank_mixer",
        embedding_dim=4,
        num_tokens=tokens,
        token_dim=width,
        num_blocks=3,
        per_token_units=[hidden],
    )
    assert counted["flops"] == flops


def test_rank_elastor():
    """Full mixing (TD, TD); a gated unit: gate, value and skip to rD, down to h, past it to h."""
    tokens, width, units, gated = 2, 6, 6, 18
    config = {"embedding_dim": 4, "num_tokens": tokens, "token_dim": width}
    one, two = (count("rank_elastor", num_blocks=blocks, **config) for blocks in (1, 2))
    mixing = (tokens * width) ** 2
    gated_unit = 3 * width * gated + gated * units + width * units
    per_token = tokens * (gated_unit + units * width)
    assert two["flops"] - one["flops"] == 2 * (mixing + per_token)


def test_tables_and_rows_do_not_change_what_is_dense():
    large = ke.FeatureSchema([ke.Categorical("user", 10**9), ke.Categorical("item", 10**9)])
    assert count("rank_mixer", large) == count("rank_mixer")
    model = ke.models.RankMixer(SCHEMA)
    assert count("rank_mixer")["dense"] == model.count_dense_params()
    assert count("rank_mixer")["flops"] == ke.tuning.count_flops(model)


# Multiplications that every backend must find, whatever it makes of the operations: counted on all
# three when this test was written.
COUNTED = {"autoint": 46_880, "dcn_v2": 1_023_440, "final_mlp": 993_600, "fm": 0}


@pytest.mark.parametrize("model", COUNTED)
def test_backends_agree(model):
    assert count(model)["flops"] == COUNTED[model]


def test_a_layer_of_histories_and_vectors_is_counted():
    schema = ke.FeatureSchema(
        [ke.Sequence("history", 9, 5), ke.Embedding("picture", 7), ke.Numeric("price")]
    )
    counted = count("dnn", schema, embedding_dim=4, hidden_units=[8])
    # The picture's vector is mapped to the width of the embeddings.
    assert counted["flops"] == 2 * (7 * 4 + 3 * 4 * 8 + 8)
