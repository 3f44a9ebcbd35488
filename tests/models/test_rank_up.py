"""RankUp against a float64 twin; its five parts, each of which can be left out."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import random_batch

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")
FEATURES = [
    *(ke.Categorical(f"field_{index}", 7) for index in range(5)),
    ke.Numeric("price"),
    ke.Numeric("age"),
    ke.Sequence("history", 7, 3, table="field_0"),
    ke.Embedding("user_vector", 6),
    ke.Embedding("item_vector", 6),
    ke.Embedding("image", 2),
]
SCHEMA = ke.FeatureSchema(FEATURES, ("click", "like"))
CROSS = ("user_vector", "item_vector")
WHOLE = {"embedding_dim": 3, "num_tokens": 2, "num_blocks": 1, "crosses": [CROSS]}
# 1 global, 2 sparse, 1 dense, 1 crossed, 1 history, 2 tasks.
NUM_TOKENS, TOKEN_DIM = 8, 8


def randomized(model, seed=1):
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def whole():
    return randomized(ke.models.RankUp(SCHEMA, **WHOLE))


def affine(layer, x):
    return x @ numpy(layer.kernel).astype("float64") + numpy(layer.bias)


def silu(x):
    return x / (1 + np.exp(-x))


def layer_norm(layer, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * numpy(layer.gamma) + numpy(layer.beta)


def mix(x):
    batch, tokens, dim = x.shape
    split = x.reshape(batch, tokens, tokens, dim // tokens)
    return split.transpose(0, 2, 1, 3).reshape(batch, tokens, dim)


def twin_tokens(model, features, sets):
    """H_0 of what the encoders give."""
    fields = sets["encoder"].astype("float64")
    names = model.get_layer("encoder").schema.names
    sparse = fields[:, :5]
    parts = [sets["encoder_1"].astype("float64").mean(1)]
    hidden, _, output = model.get_layer("global_token").mlp.layers
    parts = [affine(output, silu(affine(hidden, parts[0])))]
    tokenizer = model.get_layer("tokenizer")
    kernels = [kernel for part in tokenizer.projections for kernel in numpy(part.kernel)]
    biases = [bias for part in tokenizer.projections for bias in numpy(part.bias)]
    for group, kernel, bias in zip(tokenizer.groups, kernels, biases, strict=True):
        parts.append(sparse[:, group].reshape(len(fields), -1) @ kernel + bias)
    dense = np.concatenate([fields[:, names.index(n)] for n in ("price", "age", "image")], 1)
    history = fields[:, names.index("history")]
    for layer, x in (("dense_tokens", dense), ("sequence_tokens", history)):
        projection = model.get_layer(layer).projection
        parts.append(x @ numpy(projection.kernel)[0] + numpy(projection.bias)[0])
    product = features["user_vector"].astype("float64") * features["item_vector"]
    parts.insert(-1, affine(model.get_layer("cross_0"), product))
    tasks = numpy(model.get_layer("task_tokens").tokens)
    parts += [np.repeat(task[None], len(fields), 0) for task in tasks]
    return np.stack(parts, 1)


def twin_block(model, x):
    mixing, ffn = model.get_layer("mixing_0"), model.get_layer("ffn_0")
    x = x + mix(layer_norm(mixing.pre_norm, x))
    z = layer_norm(ffn.pre_norm, x)

    def product(name, z):
        return np.einsum("btd,tdh->bth", z, numpy(getattr(ffn.layer, f"{name}_kernel")))

    return x + product("output", silu(product("gate", z)) * product("value", z))


def test_twin_in_float64(whole):
    features, _ = random_batch(SCHEMA)
    stages = call(whole.intermediates(), features)
    tokens = twin_tokens(whole, features, stages)
    np.testing.assert_allclose(stages["tokenizer"], tokens, rtol=1e-4, atol=1e-5)
    tokens = twin_block(whole, tokens)
    np.testing.assert_allclose(stages["ffn_0"], tokens, rtol=1e-3, atol=1e-4)
    head = whole.get_layer("head")
    for task in range(2):
        x = np.concatenate([tokens[:, 6 + task], tokens.mean(1)], 1)
        x = np.maximum(x @ numpy(head.towers[0].kernel)[task] + numpy(head.towers[0].bias)[task], 0)
        logits = x @ numpy(head.logits.kernel)[task] + numpy(head.logits.bias)[task]
        found = call(whole, features)[:, task]
        np.testing.assert_allclose(found, logits[:, 0], rtol=1e-3, atol=1e-3)


def test_swiglu_by_hand():
    ffn = ke.models.RankUp(SCHEMA, **WHOLE, expansion=1.0).get_layer("ffn_0")
    unit = ke.layers.PerTokenGLU.from_config(ffn.layer.get_config())
    unit.build((None, 1, 2))
    for weight in unit.weights:
        weight.assign(np.eye(2)[None])
    x = np.array([[[1.0, -1.0]]], "float32")
    np.testing.assert_allclose(call(unit, x), [[[0.731059, 0.268941]]], atol=1e-6)


def test_without_the_per_token_networks_a_block_is_the_mixing(whole):
    model = ke.models.RankUp(SCHEMA, **WHOLE)
    randomized(model)
    ffn = model.get_layer("ffn_0").layer
    ffn.output_kernel.assign(np.zeros(ffn.output_kernel.shape))
    features, _ = random_batch(SCHEMA)
    stages = call(model.intermediates(), features)
    x = stages["tokenizer"].astype("float64")
    expected = x + mix(layer_norm(model.get_layer("mixing_0").pre_norm, x))
    np.testing.assert_allclose(stages["ffn_0"], expected, atol=1e-4)


@pytest.mark.backend_free
@pytest.mark.usefixtures("without_drawing")
def test_parameters_are_those_of_the_formula():
    model = ke.models.RankUp(
        SCHEMA, **{**WHOLE, "num_blocks": 3, "expansion": 4.0, "token_dim": 16}
    )
    d, width, tokens = 3, 16, NUM_TOKENS
    groups = sum(size * d * width + width for size in (3, 2))
    others = (d * width + width + width * width + width) + (3 * d * width + width)
    others += (6 * width + width) + (d * width + width) + 2 * width
    block = 3 * tokens * 4 * width**2 + 4 * width
    towers = 2 * (2 * width * width + width + width + 1)
    assert model.count_dense_params() == groups + others + 3 * block + towers
    # Tables of set 0 and 1, vectors of two numbers, the map of the image.
    assert model.count_embedding_params() == 2 * 5 * 7 * d + 2 * d + 2 * d


def test_the_encoders_tables_are_apart(whole):
    features, _ = random_batch(SCHEMA)
    before = call(whole.intermediates(), features)
    table = whole.get_layer("encoder_1").table.embeddings
    old = numpy(table)
    table.assign(old + 1)
    after = call(whole.intermediates(), features)
    table.assign(old)
    changed = (before["tokenizer"] != after["tokenizer"]).any((0, 2))
    assert changed.tolist() == [True] + 7 * [False]
    np.testing.assert_array_equal(before["encoder"], after["encoder"])


PARTS = {
    "tokenizer": ({"num_tokens": None, "tokenizer": ke.layers.SliceTokenizer(2, 8)}, 8),
    "embedding sets": ({"embedding_sets": {}}, 8),
    "global token": ({"global_token": None}, 7),
    "crosses": ({"crosses": ()}, 7),
    "task tokens": ({"task_tokens": False}, 6),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_left_out(part):
    overrides, tokens = PARTS[part]
    model = ke.models.RankUp(SCHEMA, **{**WHOLE, **overrides})
    features, _ = random_batch(SCHEMA)
    assert call(model, features).shape == (8, 2)
    assert model.get_layer("mixing_0").output.shape[1] == tokens
    encoders = [layer for layer in model.layers if isinstance(layer, ke.layers.FeatureEncoder)]
    assert len(encoders) == (1 if part in ("embedding sets", "global token") else 2)


@pytest.mark.backend_free
def test_a_family_may_read_several_sets():
    sets = {"sparse": (0, 2), "global": 1, "dense": 2}
    model = ke.models.RankUp(SCHEMA, **WHOLE, embedding_sets=sets)
    assert model.stage_names[:3] == ["encoder", "encoder_1", "encoder_2"]
    assert model.get_layer("tokenizer").projections[0].kernel.shape == (1, 3 * 2 * 3, 8)
    assert model.get_layer("encoder").schema.names == (*SCHEMA.names[:5], "history")
    assert model.get_layer("encoder_2").schema.names == (*SCHEMA.names[:7], "image")


def test_tasks_read_their_own_tower_and_mix_before():
    features, _ = random_batch(SCHEMA)
    model = randomized(ke.models.RankUp(SCHEMA, **WHOLE))
    _, gradients = compute_gradients(model, features, np.array([[1.0, 0.0]], "float32"))
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        if "/head/" in f"/{weight.path}":
            assert gradient[0].any()
            assert not gradient[1].any()
    before = call(model, features)
    tokens = model.get_layer("task_tokens").tokens
    tokens.assign(numpy(tokens) * np.array([[0.0], [1.0]]))
    assert (call(model, features)[:, 1] != before[:, 1]).all()


@pytest.mark.backend_free
def test_columns_in_another_order_with_the_permutation_that_undoes_it():
    order = [2, 4, 0, 1, 3]
    features = [ke.Categorical(f"field_{index}", 4 + index) for index in range(5)]
    permutation = [3, 0, 4, 1, 2]

    def make(features, permutation):
        tokenizer = ke.layers.PermutationTokenizer(2, 8, permutation=permutation)
        schema = ke.FeatureSchema(features)
        return randomized(ke.models.RankUp(schema, 3, tokenizer=tokenizer, num_blocks=1))

    first = make(features, permutation)
    second = make([features[i] for i in order], [order.index(field) for field in permutation])
    for name in ("encoder", "encoder_1"):
        old, new = (model.get_layer(name).table for model in (first, second))
        rows = numpy(old.embeddings)
        new.embeddings.assign(np.concatenate([rows[old.rows[f"field_{index}"]] for index in order]))
    batch, _ = random_batch(ke.FeatureSchema(features))
    np.testing.assert_allclose(call(second, batch), call(first, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.backend_free
def test_histories_are_joined_where_they_are():
    names = ("item", "category")
    features = [ke.Categorical(name, 7) for name in names]
    features += [ke.Sequence(f"{name}s", 7, 3, table=name) for name in names]
    encoder = {
        "embedding_dim": 4,
        "history_pooling": ke.layers.TargetAttention([4]),
        "joint_histories": [("items", "categorys")],
    }
    model = ke.models.RankUp(ke.FeatureSchema(features), encoder=encoder, num_blocks=1)
    assert model.get_layer("encoder").joint_histories == (("items", "categorys"),)
    assert model.get_layer("encoder_1").joint_histories == ()


@pytest.mark.backend_free
def test_other_layers_can_be_plugged_in():
    block = ke.layers.MixerBlock(
        ke.layers.Residual(ke.layers.FullMixing()), ke.layers.Residual(ke.layers.PerTokenFFN([4]))
    )
    norm = keras.layers.LayerNormalization()
    head = ke.layers.PredictionHead(2)
    model = ke.models.RankUp(
        SCHEMA,
        token_dim=5,
        block=[block, block],
        final_norm=norm,
        head=head,
        global_token=ke.layers.GlobalToken(5, [9]),
        seed=4,
    )
    features, _ = random_batch(SCHEMA)
    assert call(model, features).shape == (8, 2)
    assert model.stage_names[-1] == "final_norm"
    assert model.get_layer("tokenizer").seed == 4


@pytest.mark.backend_free
def test_what_does_not_fit_is_named():
    counts = "1 global + 2 sparse + 1 dense + 1 cross + 1 sequence + 2 task = 8"
    with raises_value_error(counts, "16", "token_dim=12"):
        ke.models.RankUp(SCHEMA, **WHOLE, token_dim=12)
    with raises_value_error(
        "crosses", "user_vector (dim 6)", "image (dim 2)", "('image', 'nothing')"
    ):
        ke.models.RankUp(SCHEMA, crosses=[("image", "nothing")])
    with raises_value_error("of one dim", "('image', 'user_vector')"):
        ke.models.RankUp(SCHEMA, crosses=[("image", "user_vector")])
    with raises_value_error("pairs", "'user_vector'"):
        ke.models.RankUp(SCHEMA, crosses=CROSS)
    for wrong in ({"sparce": 0}, {"sparse": -1}, {"dense": (0, 0)}, {"dense": ()}):
        with raises_value_error(
            "embedding_sets", "sparse, global, dense, sequence", str(wrong)[1:-1]
        ):
            ke.models.RankUp(SCHEMA, embedding_sets=wrong)
    with raises_value_error("Categorical", "price"):
        ke.models.RankUp(ke.FeatureSchema([ke.Numeric("price")]))
    with raises_value_error("global_token", "(batch, 8)", "GlobalToken", "(None, 5)"):
        ke.models.RankUp(SCHEMA, **WHOLE, global_token=ke.layers.GlobalToken(5))
    with raises_value_error("`num_tokens`", "`seed`", "the tokenizer"):
        tokenizer = ke.layers.SliceTokenizer(2, 8)
        ke.models.RankUp(SCHEMA, num_tokens=2, seed=1, tokenizer=tokenizer)
