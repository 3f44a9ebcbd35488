"""Tables that begin every epoch anew; what else the model holds goes on."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.keras_compat.layer_state import inner_layers
from tests.assertions import raises_value_error
from tests.backends import numpy

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 12),
        ke.Categorical("item", 9),
        ke.Sequence("history", 9, 3, table="item"),
        ke.Numeric("price"),
    ]
)


def make_rows(rows=32):
    rng = np.random.default_rng(0)
    features = {
        "user": rng.integers(1, 12, rows).astype("int32"),
        "item": rng.integers(1, 9, rows).astype("int32"),
        "history": rng.integers(0, 9, (rows, 3)).astype("int32"),
        "price": rng.normal(size=rows).astype("float32"),
    }
    return features, rng.integers(0, 2, rows).astype("float32")


ROWS = make_rows()


def make_model(optimizer="adam", **settings):
    keras.utils.set_random_seed(1)
    model = ke.models.WideAndDeep(SCHEMA, embedding_dim=2, hidden_units=[4], encoder=settings)
    model.compile(optimizer)
    return model


def tables(model):
    return [one for one in inner_layers(model) if isinstance(one, ke.layers.EmbeddingTable)]


def trained(model):
    model.fit(*ROWS, epochs=1, batch_size=16, verbose=0)
    return model


def redrawn(model, epoch=1, **arguments):
    callback = ke.training.RedrawEmbeddings(**arguments)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(epoch)
    return model


def values_of(model):
    weights = {one.path: numpy(one) for one in model.variables}
    return weights, {one.name: numpy(one) for one in model.optimizer.variables}


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "adagrad": lambda: keras.optimizers.Adagrad(1e-2, initial_accumulator_value=0.1),
    "average": lambda: keras.optimizers.SGD(1e-2, momentum=0.9, use_ema=True),
    "split": lambda: ke.optimizers.Split(ke.optimizers.LazyAdam(1e-2)),
    "row-wise": lambda: ke.optimizers.Split(ke.optimizers.RowWiseAdagrad(1e-2)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tables_begin_anew_and_the_rest_goes_on(optimizer):
    model = trained(make_model(OPTIMIZERS[optimizer]()))
    before, slots_before = values_of(model)
    new = make_model(OPTIMIZERS[optimizer]())
    new.optimizer.build(new.trainable_variables)
    _, slots_at_first = values_of(new)
    after, slots = values_of(redrawn(model))

    drawn = {table.embeddings.path: table for table in tables(model)}
    assert len(drawn) == 2
    for path, value in after.items():
        if path not in drawn:
            np.testing.assert_array_equal(value, before[path])
            continue
        first_rows = [rows.start for rows in drawn[path].rows.values()]
        assert (value[first_rows] == 0).all()
        others = np.delete(value, first_rows, axis=0)
        assert (others != np.delete(before[path], first_rows, axis=0)).all()
        # 1e-4 of the initializer, far below what Adam's steps of 1e-2 have made of it.
        assert 0.3e-4 < others.std() < 3e-4
    moved = 0
    for name, value in slots.items():
        of_table = [path for path in drawn if name.startswith(path.replace("/", "_"))]
        if not of_table:
            np.testing.assert_array_equal(value, slots_before[name])
        elif name.endswith("_average"):
            np.testing.assert_array_equal(value, after[of_table[0]])
        else:
            np.testing.assert_array_equal(value, slots_at_first[name])
            moved += (slots_before[name] != value).any()
    assert moved


def test_what_is_drawn_follows_from_seed_and_epoch_alone():
    first, second = (redrawn(trained(make_model())) for _ in range(2))
    keras.utils.set_random_seed(99)
    third = redrawn(make_model(keras.optimizers.SGD()))
    for one, two, three in zip(tables(first), tables(second), tables(third), strict=True):
        np.testing.assert_array_equal(numpy(one.embeddings), numpy(two.embeddings))
        np.testing.assert_array_equal(numpy(one.embeddings), numpy(three.embeddings))
    encoder = numpy(tables(first)[0].embeddings)
    for other in (redrawn(first, epoch=2), redrawn(first, seed=1)):
        assert (numpy(tables(other)[0].embeddings)[1:12] != encoder[1:12]).all()
    # Tables of one shape differ, too.
    linear = numpy(tables(redrawn(first))[1].embeddings)[1:12, 0]
    assert (linear != encoder[1:12, 0]).all()


def test_a_training_continued_at_an_epoch_ends_alike():
    callback = ke.training.RedrawEmbeddings(seed=3)
    arguments = {"batch_size": 16, "shuffle": False, "callbacks": [callback], "verbose": 0}
    whole, parts = make_model(), make_model()
    whole.fit(*ROWS, epochs=3, **arguments)
    parts.fit(*ROWS, epochs=2, **arguments)
    parts.fit(*ROWS, initial_epoch=2, epochs=3, **arguments)
    for one, other in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other), err_msg=one.path)


@pytest.mark.parametrize("kind", [ke.training.FuxiCTRProtocol, ke.training.KerasProtocol])
def test_protocols_draw_where_they_are_asked_to(kind):
    asked, plain = (kind(monitor={"logloss": -1}, redraw_embeddings=on) for on in (True, False))
    arguments = {"batch_size": 16, "shuffle": False, "epochs": 2, "verbose": 0}
    one, other = make_model(), make_model()
    asked.compile(one)
    plain.compile(other)
    one.fit(*ROWS, callbacks=[asked.callback(ROWS, seed=3)], **arguments)
    drawing = ke.training.RedrawEmbeddings(3)
    other.fit(*ROWS, callbacks=[drawing, plain.callback(ROWS)], **arguments)
    for first, second in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(numpy(first), numpy(second), err_msg=first.path)


def test_frozen_and_kept_tables_stay():
    model = trained(make_model())
    linear = model.get_layer("linear")
    linear.trainable = False
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    before, _ = values_of(model)
    after, _ = values_of(redrawn(model, keep=["item"]))
    np.testing.assert_array_equal(
        after["linear/table/embeddings"], before["linear/table/embeddings"]
    )
    encoder = "encoder/table/embeddings"
    np.testing.assert_array_equal(after[encoder][12:], before[encoder][12:])
    assert (after[encoder][1:12] != before[encoder][1:12]).all()


def test_kept_rows_keep_their_slots():
    model = trained(make_model())
    _, before = values_of(model)
    _, after = values_of(redrawn(model, keep=["item"]))
    name = "encoder_table_embeddings_velocity"
    np.testing.assert_array_equal(after[name][12:], before[name][12:])
    assert (after[name][:12] == 0).all()
    assert (before[name][12:] != 0).any()


def test_the_first_epoch_draws_nothing():
    model = trained(make_model())
    before, _ = values_of(model)
    after, _ = values_of(redrawn(model, epoch=0))
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path])


def test_an_initializer_of_constants_is_repeated():
    model = trained(make_model(embeddings_initializer="ones"))
    table = tables(redrawn(model))[0]
    assert (numpy(table.embeddings)[1:12] == 1).all()


class TestBadInput:
    def test_an_unknown_table(self):
        with raises_value_error("`keep`", "item, user", "movie"):
            redrawn(make_model(), keep=["movie"])

    def test_nothing_to_draw(self):
        model = make_model()
        model.trainable = False
        with raises_value_error("embedding tables that are trained", "wide_and_deep"):
            redrawn(model)

    def test_slots_without_names(self):
        model = trained(make_model(keras.optimizers.Adafactor()))
        with raises_value_error("encoder/table/embeddings", "Adafactor"):
            redrawn(model)
