"""How histories are pooled: values, padding, empty histories, candidates."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.checks import random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

ROWS = random_inputs((4, 5))
MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], "float32")
TARGET = random_inputs((5,), seed=1)
SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 7),
        ke.Categorical("item", 9),
        ke.Sequence("history", 9, 3, table="item"),
        ke.Numeric("price"),
    ]
)
BATCH = {
    "user": np.array([1, 2], "int32"),
    "item": np.array([3, 4], "int32"),
    "history": np.array([[5, 6, 0], [0, 0, 0]], "int32"),
    "price": np.array([0.5, 2.0], "float32"),
}


def test_sum_and_mean():
    total = (ROWS * MASK[..., None]).sum(axis=1)
    np.testing.assert_allclose(call(ke.layers.SumPooling(), [ROWS, MASK]), total, atol=1e-6)
    mean = total / np.array([[2], [4], [1]])
    np.testing.assert_allclose(call(ke.layers.MeanPooling(), [ROWS, MASK]), mean, atol=1e-6)


@pytest.mark.parametrize("use_softmax", [False, True])
def test_target_attention(use_softmax):
    layer = ke.layers.TargetAttention([6], "relu", use_softmax=use_softmax)
    actual = call(layer, [ROWS, MASK, TARGET])
    target = np.broadcast_to(TARGET[:, None], ROWS.shape)
    x = np.concatenate([target, ROWS, target - ROWS, target * ROWS], axis=-1)
    hidden, output = (layer.mlp.layers[index] for index in (0, 2))
    x = np.maximum(x @ numpy(hidden.kernel) + numpy(hidden.bias), 0)
    scores = (x @ numpy(output.kernel) + numpy(output.bias))[..., 0]
    if use_softmax:
        scores = np.exp(scores) * MASK
        scores = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-30)
    expected = (ROWS * (scores * MASK)[..., None]).sum(axis=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert not actual[2].any()


def test_padding_does_not_matter():
    layer = ke.layers.TargetAttention([6], "relu", use_softmax=True)
    expected = call(layer, [ROWS, MASK, TARGET])
    noisy = np.where(MASK[..., None] == 1, ROWS, 100).astype("float32")
    np.testing.assert_allclose(call(layer, [noisy, MASK, TARGET]), expected, atol=1e-5)


def test_encoder_attends_with_the_candidate_of_the_same_table():
    pooling = ke.layers.TargetAttention([6], "relu")
    encoder = ke.layers.FeatureEncoder(SCHEMA, 5, "random_normal", history_pooling=pooling)
    embeddings = call(encoder, BATCH)
    table = numpy(encoder.table.embeddings)
    items = table[encoder.table.rows["item"]]
    rows, mask = items[BATCH["history"]], (BATCH["history"] != 0).astype("float32")
    attended = call(encoder.poolings["history"], [rows, mask, items[BATCH["item"]]])
    np.testing.assert_allclose(embeddings[:, 2], attended, atol=1e-6)
    assert np.abs(attended[0]).max() > 0
    assert not attended[1].any()


JOINT_SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 9),
        ke.Sequence("items", 9, 3, table="item"),
        ke.Sequence("tags", 4, 3, table="tag"),
        ke.Sequence("other", 9, 3, table="item"),
        ke.Categorical("tag", 4),
    ]
)
JOINT_BATCH = {
    "item": np.array([3, 4], "int32"),
    "items": np.array([[5, 6, 0], [0, 0, 0]], "int32"),
    "tags": np.array([[1, 0, 3], [2, 2, 2]], "int32"),
    "other": np.array([[1, 2, 3], [8, 0, 0]], "int32"),
    "tag": np.array([2, 1], "int32"),
}


def test_joint_histories_are_attended_as_one():
    pooling = ke.layers.TargetAttention([6], "relu")
    encoder = ke.layers.FeatureEncoder(
        JOINT_SCHEMA,
        5,
        "random_normal",
        history_pooling=pooling,
        joint_histories=[("items", "tags")],
    )
    embeddings = call(encoder, JOINT_BATCH)
    assert sorted(encoder.poolings) == ["items", "other"]
    table = numpy(encoder.table.embeddings)
    items, tags = (table[encoder.table.rows[name]] for name in ("item", "tag"))
    rows = np.concatenate([items[JOINT_BATCH["items"]], tags[JOINT_BATCH["tags"]]], axis=-1)
    target = np.concatenate([items[JOINT_BATCH["item"]], tags[JOINT_BATCH["tag"]]], axis=-1)
    # A position is padding where the first history of the group is.
    mask = (JOINT_BATCH["items"] != 0).astype("float32")
    attended = call(encoder.poolings["items"], [rows, mask, target])
    np.testing.assert_allclose(embeddings[:, 1], attended[:, :5], atol=1e-6)
    np.testing.assert_allclose(embeddings[:, 2], attended[:, 5:], atol=1e-6)
    assert np.abs(attended[0]).max() > 0
    assert not attended[1].any()
    alone = [items[JOINT_BATCH["other"]], (JOINT_BATCH["other"] != 0).astype("float32")]
    expected = call(encoder.poolings["other"], [*alone, items[JOINT_BATCH["item"]]])
    np.testing.assert_allclose(embeddings[:, 3], expected, atol=1e-6)
    revived = ke.layers.FeatureEncoder.from_config(encoder.get_config())
    assert revived.joint_histories == (("items", "tags"),)


def test_wrong_joint_histories_are_named():
    def make(*groups, schema=JOINT_SCHEMA):
        return ke.layers.FeatureEncoder(schema, joint_histories=groups)

    with raises_value_error("items, tags, other", "'item'"):
        make(("items", "item"))
    with raises_value_error("each named once", "'tags'"):
        make(("items", "tags"), ("other", "tags"))
    short = ke.FeatureSchema([ke.Sequence("items", 9, 3), ke.Sequence("tags", 4, 2)])
    with raises_value_error("'tags'", "max_length=3", "max_length=2"):
        make(("items", "tags"), schema=short)


def test_an_attended_history_needs_a_candidate():
    schema = ke.FeatureSchema([ke.Categorical("user", 7), ke.Sequence("history", 9, 3)])
    pooling = ke.layers.TargetAttention()
    with raises_value_error("'history'", "TargetAttention", "Categorical"):
        ke.layers.FeatureEncoder(schema, history_pooling=pooling)
    with raises_value_error("history_pooling", "MeanPooling", "'mean'"):
        ke.layers.FeatureEncoder(schema, history_pooling="mean")
    with raises_value_error("DIN", "Sequence", "user"):
        ke.models.DIN(ke.FeatureSchema([ke.Categorical("user", 7)]))


@pytest.mark.parametrize(
    "name", sorted(set(ke.models.list_models()) - {"din", "logistic_regression", "token_former"})
)
def test_every_model_takes_the_pooling(name):
    pooling = ke.layers.SumPooling()
    model = ke.models.create(name, SCHEMA, encoder={"history_pooling": pooling})
    encoder = model.get_layer("encoder")
    assert isinstance(encoder.poolings["history"], ke.layers.SumPooling)
    revived = type(model).from_config(model.get_config()).get_layer("encoder")
    assert isinstance(revived.poolings["history"], ke.layers.SumPooling)


def test_linear_term_sums_histories_with_weights_of_their_own():
    linear = ke.layers.LinearTerm(SCHEMA, embeddings_initializer="random_normal", use_bias=True)
    linear.build({name: (None, *values.shape[1:]) for name, values in BATCH.items()})
    linear.bias.assign([0.25])
    table = numpy(linear.table.embeddings)[:, 0]
    parts = {name: table[rows] for name, rows in linear.table.rows.items()}
    assert {name: len(part) for name, part in parts.items()} == {"user": 7, "item": 9, "history": 9}
    expected = parts["user"][BATCH["user"]] + parts["item"][BATCH["item"]]
    expected += parts["history"][BATCH["history"]] @ np.ones(3)
    expected += BATCH["price"] * numpy(linear.numeric_vectors)[0, 0] + 0.25
    np.testing.assert_allclose(call(linear, BATCH)[:, 0], expected, atol=1e-6)


TWO = ke.FeatureSchema(
    [
        ke.Categorical("item", 9),
        ke.Sequence("clicks", 9, 3, table="item"),
        ke.Sequence("genres", 5, 3),
        ke.Sequence("tags", 6, 3),
    ]
)
TWO_BATCH = {
    "item": np.array([3, 4], "int32"),
    "clicks": np.array([[5, 6, 0], [1, 0, 0]], "int32"),
    "genres": np.array([[1, 2, 0], [3, 4, 1]], "int32"),
    "tags": np.array([[1, 2, 3], [0, 0, 0]], "int32"),
}


def test_each_history_has_its_own_pooling():
    own = {"genres": ke.layers.SumPooling(), "clicks": ke.layers.TargetAttention([6], "relu")}
    encoder = ke.layers.FeatureEncoder(TWO, 5, "random_normal", history_pooling=own)
    embeddings = call(encoder, TWO_BATCH)
    table = numpy(encoder.table.embeddings)
    rows = {name: table[encoder.table.rows[name]] for name in ("item", "genres", "tags")}
    genres, tags = (TWO_BATCH[name] for name in ("genres", "tags"))
    total = (rows["genres"][genres] * (genres != 0)[..., None]).sum(axis=1)
    np.testing.assert_allclose(embeddings[:, 2], total, atol=1e-6)
    mean = (rows["tags"][tags] * (tags != 0)[..., None]).sum(axis=1) / [[3], [1]]
    np.testing.assert_allclose(embeddings[:, 3], mean, atol=1e-6)
    clicks, item = (rows["item"][TWO_BATCH[name]] for name in ("clicks", "item"))
    mask = (TWO_BATCH["clicks"] != 0).astype("float32")
    attended = call(encoder.poolings["clicks"], [clicks, mask, item])
    np.testing.assert_allclose(embeddings[:, 1], attended, atol=1e-6)
    revived = ke.layers.FeatureEncoder.from_config(encoder.get_config())
    assert revived.get_config() == encoder.get_config()


def test_poolings_of_no_history_are_named():
    for own, words in (
        ({"genre": ke.layers.SumPooling()}, ["'genre'", "'genres'"]),
        ({"genres": "mean"}, ["'mean'", "MeanPooling"]),
        ({"genres": ke.layers.TargetAttention()}, ["'genres'", "Categorical", "MeanPooling"]),
    ):
        with raises_value_error(*words):
            ke.models.DNN(TWO, encoder={"history_pooling": own})
    joint = {"history_pooling": {"tags": ke.layers.SumPooling()}}
    with raises_value_error("'genres'", "'tags'"):
        ke.models.DNN(TWO, encoder={**joint, "joint_histories": [("genres", "tags")]})


def test_din_pools_lists_without_a_candidate_by_mean(tmp_path):
    with pytest.warns(UserWarning, match="genres, tags by the mean"):
        model = ke.models.DIN(TWO, 5, hidden_units=[4])
    kinds = {
        name: type(pooling).__name__
        for name, pooling in model.get_layer("encoder").poolings.items()
    }
    expected = {"clicks": "TargetAttention", "genres": "MeanPooling", "tags": "MeanPooling"}
    assert kinds == expected
    own = {name: ke.layers.SumPooling() for name in ("genres", "tags")}
    model = ke.models.DIN(TWO, 5, hidden_units=[4], encoder={"history_pooling": own})
    model.save(tmp_path / "din.keras")
    loaded = keras.models.load_model(tmp_path / "din.keras")
    np.testing.assert_array_equal(call(loaded, TWO_BATCH), call(model, TWO_BATCH))
    with raises_value_error("history_pooling", "its attention"):
        ke.models.DIN(TWO, encoder={"history_pooling": ke.layers.SumPooling()})


def test_din_attends_to_joint_histories_as_one():
    histories = [ke.Sequence(name, 9, 3, table="item") for name in ("clicks", "likes")]
    schema = ke.FeatureSchema([ke.Categorical("item", 9), *histories])
    model = ke.models.DIN(schema, 5, hidden_units=[4], joint_histories=[("clicks", "likes")])
    assert list(model.get_layer("encoder").poolings) == ["clicks"]
