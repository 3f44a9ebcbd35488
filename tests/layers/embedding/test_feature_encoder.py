"""EmbeddingTable and FeatureEncoder."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import call_layer, random_batch


def make_table():
    return ke.layers.EmbeddingTable({"user": 4, "item": 3}, ["user", "item", "user"], 5)


def test_embedding_table():
    ids = np.array([[0, 0, 3], [3, 2, 1], [1, 1, 1]], "int32")
    layer, outputs = call_layer(make_table(), ids, (3, 3, 5))
    rows = numpy(layer.embeddings)
    assert rows.shape == (7, 5)
    np.testing.assert_array_equal(outputs, rows[ids + np.array([0, 4, 0])])


def test_embedding_table_starts_as_fuxictr_does():
    layer = ke.layers.EmbeddingTable({"a": 2000, "b": 1000}, ["a"], 16)
    layer.build((None, 1))
    rows = numpy(layer.embeddings)
    np.testing.assert_array_equal(rows[[0, 2000]], 0)
    assert (rows[[1, 1999, 2001]] != 0).all()
    assert rows.std() == pytest.approx(1e-4, rel=0.05)


def test_padding_does_not_learn():
    ids = np.array([[0, 0, 3], [3, 2, 1], [1, 1, 0], [3, 0, 3]], "int32")
    layer, outputs = call_layer(make_table(), ids, (4, 3, 5))
    probe = np.random.default_rng(0).normal(size=outputs.shape).astype("float32")
    _, (gradient,) = compute_gradients(layer, ids, probe)
    expected = np.zeros((7, 5))
    np.add.at(expected, ids + np.array([0, 4, 0]), probe)
    expected[[0, 4]] = 0
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize("wrong", [-1, 3, 2**31 - 1, -(2**31)])
def test_an_id_outside_its_table_never_reads_a_neighbours_row(wrong):
    rows = numpy(make_table()(np.array([[1, wrong, 2]], "int32")))
    assert np.isnan(rows[0, 1]).all()
    assert np.isfinite(rows[0, [0, 2]]).all()


def test_embedding_table_names_an_unknown_table():
    with raises_value_error("'user'", "'shop'"):
        ke.layers.EmbeddingTable({"user": 4}, ["shop"], 5)
    with raises_value_error("item", "0"):
        ke.layers.EmbeddingTable({"item": 0}, ["item"], 5)


def mixed_schema():
    return ke.FeatureSchema(
        [
            ke.Categorical("item", 6),
            ke.Numeric("price"),
            ke.Sequence("history", 6, 4, table="item"),
            ke.Numeric("age"),
            ke.Embedding("image", 3),
            ke.Categorical("user", 9),
            ke.Sequence("searches", 7, 2),
        ]
    )


def test_feature_encoder_keeps_the_schemas_order():
    schema = mixed_schema()
    features, _ = random_batch(schema)
    layer, outputs = call_layer(
        ke.layers.FeatureEncoder(
            schema,
            5,
            embeddings_initializer="random_normal",
        ),
        features,
        (8, 7, 5),
    )
    rows = numpy(layer.table.embeddings)
    tables = {name: rows[where] for name, where in layer.table.rows.items()}
    vectors = numpy(layer.numeric_vectors)

    def mean(name, table):
        means = [tables[table][ids[ids != 0]].sum(0) for ids in features[name]]
        counts = [max((ids != 0).sum(), 1) for ids in features[name]]
        return np.array(means) / np.array(counts)[:, None]

    expected = {
        "item": tables["item"][features["item"]],
        "price": features["price"][:, None] * vectors[0],
        "history": mean("history", "item"),
        "age": features["age"][:, None] * vectors[1],
        "image": features["image"] @ numpy(layer.projections["image"].kernel),
        "user": tables["user"][features["user"]],
        "searches": mean("searches", "searches"),
    }
    for index, name in enumerate(schema.names):
        np.testing.assert_allclose(outputs[:, index], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "feature",
    [ke.Categorical("x", 5), ke.Numeric("x"), ke.Sequence("x", 5, 3), ke.Embedding("x", 4)],
)
def test_feature_encoder_of_one_kind_alone(feature):
    schema = ke.FeatureSchema([feature])
    features, _ = random_batch(schema)
    call_layer(
        ke.layers.FeatureEncoder(schema, 3, "random_normal"),
        features,
        (8, 1, 3),
    )


def test_an_empty_history_is_zero_and_padding_does_not_count():
    schema = ke.FeatureSchema([ke.Sequence("history", 6, 4)])
    layer = ke.layers.FeatureEncoder(schema, 3, embeddings_initializer="ones")
    ids = np.array([[0, 0, 0, 0], [0, 2, 0, 0], [1, 2, 3, 4]], "int32")
    outputs = call(layer, {"history": ids})[:, 0]
    np.testing.assert_allclose(outputs, [[0, 0, 0], [1, 1, 1], [1, 1, 1]])


def test_a_wrong_id_in_a_history_shows():
    schema = ke.FeatureSchema([ke.Sequence("history", 6, 3)])
    layer = ke.layers.FeatureEncoder(schema, 3)
    outputs = call(layer, {"history": np.array([[1, 6, 0], [1, 2, 0]], "int32")})
    assert np.isnan(outputs[0]).all()
    assert np.isfinite(outputs[1]).all()


def test_numbers_reach_half_precision_models_unrounded():
    schema = ke.FeatureSchema([ke.Numeric("price")])
    layer = ke.layers.FeatureEncoder(
        schema, 2, numeric_initializer=keras.initializers.Constant(1e-4), dtype="mixed_float16"
    )
    outputs = call(layer, {"price": np.array([1e6], "float32")})  # beyond float16
    np.testing.assert_allclose(outputs, 100.0, rtol=1e-3)


def test_numeric_vectors_start_xavier_normal_per_feature():
    schema = ke.FeatureSchema([ke.Numeric(f"x{index}") for index in range(500)])
    layer = ke.layers.FeatureEncoder(schema, 10)
    layer.build(dict.fromkeys(schema.names, (None,)))
    assert numpy(layer.numeric_vectors).std() == pytest.approx((2 / 11) ** 0.5, rel=0.03)


def test_regularizer_is_fuxictrs():
    schema = ke.FeatureSchema([ke.Categorical("item", 6), ke.Numeric("price")])
    layer = ke.layers.FeatureEncoder(
        schema, 4, "random_normal", embeddings_regularizer=keras.regularizers.L2(0.5e-1)
    )
    features, _ = random_batch(schema)
    layer(features)
    squares = sum((numpy(weight) ** 2).sum() for weight in layer.weights)
    assert float(sum(numpy(loss) for loss in layer.losses)) == pytest.approx(0.05 * squares, 1e-4)


class TestDropout:
    SCHEMA = ke.FeatureSchema([ke.Categorical("user", 5), ke.Numeric("price")])
    ROWS = {"user": np.full(400, 2, "int32"), "price": np.ones(400, "float32")}

    def test_whole_fields_are_dropped_and_others_scaled(self):
        encoder = ke.layers.FeatureEncoder(self.SCHEMA, 3, "ones", "ones", embedding_dropout=0.25)
        fields = numpy(encoder(self.ROWS, training=True))
        # Each field of a row as a whole, by itself.
        assert (fields == fields[:, :, :1]).all()
        np.testing.assert_allclose(np.unique(fields), [0, 4 / 3], rtol=1e-6)
        dropped = fields[:, :, 0] == 0
        assert 0.15 < dropped.mean() < 0.35
        assert (dropped[:, 0] != dropped[:, 1]).any()

    def test_nothing_is_dropped_when_it_serves(self):
        encoder = ke.layers.FeatureEncoder(self.SCHEMA, 3, "ones", "ones", embedding_dropout=0.25)
        assert (numpy(encoder(self.ROWS)) == 1).all()

    def test_a_model_passes_on_that_it_trains(self):
        model = ke.models.DNN(self.SCHEMA, 3, hidden_units=[4], encoder={"embedding_dropout": 0.5})
        served, trained = (numpy(model(self.ROWS, training=mode)) for mode in (False, True))
        assert len(np.unique(served)) == 1
        assert len(np.unique(trained)) > 1

    @pytest.mark.parametrize("rate", [-0.1, 1, True])
    def test_wrong_rates(self, rate):
        with raises_value_error("`embedding_dropout`", f"embedding_dropout={rate!r}"):
            ke.layers.FeatureEncoder(embedding_dropout=rate)
