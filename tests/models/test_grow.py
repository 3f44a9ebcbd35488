"""A grown model predicts for known values what the old one does, and goes on training."""

import dataclasses

import keras
import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.keras_compat.layer_state import inner_layers
from tests.assertions import raises_value_error
from tests.backends import numpy
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, SMALL, make

pytestmark = pytest.mark.usefixtures("traced_only")

GROWN_SIZES = {"user": 15, "item": 11}
GROWN = dataclasses.replace(
    SCHEMA,
    features=tuple(
        dataclasses.replace(feature, vocabulary_size=GROWN_SIZES[feature.table_name])
        if hasattr(feature, "vocabulary_size")
        else feature
        for feature in SCHEMA.features
    ),
)
FEATURES, LABELS = random_batch(SCHEMA)


def translated(features):
    """The batch under the ids of the grown schema: out-of-vocabulary is the new last id."""
    found = dict(features)
    for feature in SCHEMA.features:
        if hasattr(feature, "vocabulary_size"):
            last = feature.vocabulary_size - 1
            ids = np.asarray(features[feature.name])
            found[feature.name] = np.where(ids == last, GROWN_SIZES[feature.table_name] - 1, ids)
    return found


def with_every_id(features):
    """A batch that holds padding, known values and out-of-vocabulary of every feature."""
    rows = len(LABELS)
    found = {**features, "user": np.arange(rows, dtype="int32") % 12}
    found["user"][-1] = 11
    found["item"] = np.arange(rows, dtype="int32")[::-1] % 9
    found["item"][0] = 8
    found["history"] = np.array(features["history"])
    found["history"][0] = [8, 1, 0, 7, 8]
    return found


BATCH = with_every_id({name: FEATURES[name] for name in SCHEMA.names})


def trained(name, optimizer="adam"):
    keras.utils.set_random_seed(0)
    model = make(name)
    model.compile(optimizer)
    for _ in range(2):
        model.train_on_batch(BATCH, LABELS)
    return model


def all_on_pytorch(names, everywhere):
    """All cases where they are compiled fastest; the others, on other backends, are slow tests."""
    fast = names if keras.backend.backend() == "torch" else everywhere
    return [pytest.param(name, marks=[] if name in fast else [pytest.mark.slow]) for name in names]


@pytest.mark.parametrize(
    "name", all_on_pytorch(SMALL, ("RankElastor", "DIN", "DeepFM", "DLRM", "WideAndDeep"))
)
def test_every_model_predicts_as_before_and_trains_on(name):
    model = trained(name)
    before = model.predict(BATCH, verbose=0)
    grown = ke.models.grow(model, GROWN)
    assert type(grown) is type(model)
    assert grown.schema == GROWN
    np.testing.assert_array_equal(grown.predict(translated(BATCH), verbose=0), before)
    assert numpy(grown.optimizer.iterations) == 2
    # A step on known values does to both the same, moments of the optimizer included.
    for one, batch in ((model, BATCH), (grown, translated(BATCH))):
        keras.utils.set_random_seed(5)  # PyTorch's dropout
        one.train_on_batch(batch, LABELS)
    np.testing.assert_allclose(
        grown.predict(translated(BATCH), verbose=0),
        model.predict(BATCH, verbose=0),
        rtol=1e-4,
        atol=1e-6,
    )
    assert list(grown.evaluate(translated(BATCH), LABELS, return_dict=True, verbose=0)) == list(
        model.evaluate(BATCH, LABELS, return_dict=True, verbose=0)
    )


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(use_ema=True, ema_overwrite_frequency=3),
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adamax": keras.optimizers.Adamax,
    "adafactor": keras.optimizers.Adafactor,
    "ftrl": keras.optimizers.Ftrl,
    "lion": keras.optimizers.Lion,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": lambda: keras.optimizers.RMSprop(centered=True, momentum=0.9),
    "muon": keras.optimizers.Muon,
    "pytorch_adam": ke.optimizers.PyTorchAdam,
    "lazy_adam": ke.optimizers.Split,
    "row_wise": lambda: ke.optimizers.Split(ke.optimizers.RowWiseAdagrad()),
    "lazy_adagrad": lambda: ke.optimizers.Split(ke.optimizers.LazyAdagrad()),
    "accumulating": lambda: keras.optimizers.Adam(gradient_accumulation_steps=3),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
}


@pytest.mark.parametrize(
    "name",
    all_on_pytorch(
        OPTIMIZERS,
        ("adam", "adamw", "adafactor", "ftrl", "accumulating", "pytorch_adam", "row_wise"),
    ),
)
def test_every_slot_moves_with_its_row(name):
    """Slots of old rows are equal at their new places; those of new rows are of a new optimizer."""
    model = trained("FM", OPTIMIZERS[name]())
    grown = ke.models.grow(model, GROWN)
    moved = {(12 + 9, 15 + 11): [], (12 + 9 + 9, 15 + 11 + 11): []}
    for (before, after), pairs in moved.items():
        old_sizes = [12, 9] if before == 21 else [12, 9, 9]
        new_sizes = [15, 11] if after == 26 else [15, 11, 11]
        start = 0
        for old, new in zip(old_sizes, new_sizes, strict=True):
            pairs += [*range(start, start + old - 1), start + new - 1]
            start += new
    num_moved = 0
    for before, after in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        old, new = numpy(before), numpy(after)
        if old.shape == new.shape:
            np.testing.assert_array_equal(old, new)
            continue
        num_moved += 1
        places = moved[old.shape[0], new.shape[0]]
        np.testing.assert_array_equal(new[places], old)
    assert num_moved >= 2


def test_new_rows_are_drawn_by_the_initializer_and_padding_stays():
    encoder = {"embeddings_initializer": keras.initializers.RandomUniform(3, 4, seed=1)}
    model = make("FM", encoder=encoder)
    grown = ke.models.grow(model, GROWN)
    tables = {
        layer.name: (numpy(old.embeddings), numpy(layer.embeddings), layer)
        for old, layer in zip(inner_layers(model), inner_layers(grown), strict=True)
        if isinstance(layer, ke.layers.EmbeddingTable) and layer.embedding_dim == 4
    }
    [(old, new, layer)] = tables.values()
    assert layer.rows["item"] == slice(15, 26)
    np.testing.assert_array_equal(new[:11], old[:11])
    assert ((new[11:14] >= 3) & (new[11:14] < 4)).all()
    np.testing.assert_array_equal(new[14], old[11])
    np.testing.assert_array_equal(new[15:23], old[12:20])
    assert ((new[23:25] >= 3) & (new[23:25] < 4)).all()
    np.testing.assert_array_equal(new[25], old[20])
    assert (new[[0, 15]] == 0).all()


def test_without_out_of_vocabulary_the_last_row_stays():
    model = make("LogisticRegression")
    grown = ke.models.grow(model, GROWN, out_of_vocabulary=False)
    np.testing.assert_array_equal(grown.predict(BATCH, verbose=0), model.predict(BATCH, verbose=0))


def test_what_was_set_on_the_model_stays():
    model = make("FM")
    model.get_layer("encoder").trainable = False
    model.compile(keras.optimizers.SGD(0.5), metrics=[ke.metrics.LogLoss(from_logits=True)])
    model.optimizer.learning_rate.assign(0.25)
    grown = ke.models.grow(model, GROWN)
    assert not grown.get_layer("encoder").trainable
    assert float(numpy(grown.optimizer.learning_rate)) == 0.25
    assert [metric.name for metric in grown.metrics] == [metric.name for metric in model.metrics]
    assert not ke.models.grow(make("FM"), GROWN).compiled


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (dataclasses.replace(GROWN, label="like"), ["label='click'", "label='like'"]),
        (dataclasses.replace(GROWN, features=GROWN.features[:-1]), ["differ in: price"]),
        (dataclasses.replace(GROWN, features=GROWN.features[::-1]), ["their order"]),
        (
            dataclasses.replace(GROWN, features=(ke.Categorical("user", 11), *GROWN.features[1:])),
            ["'user'", "at least 12", "vocabulary_size=11"],
        ),
        (
            dataclasses.replace(GROWN, features=(ke.Numeric("user"), *GROWN.features[1:])),
            ["'user'", "Numeric"],
        ),
        (
            dataclasses.replace(
                GROWN,
                features=(
                    *GROWN.features[:2],
                    ke.Sequence("history", 11, 6, table="item"),
                    *GROWN.features[3:],
                ),
            ),
            ["'history'", "max_length=5", "max_length=6"],
        ),
    ],
)
def test_what_is_no_extension_is_named(schema, words):
    with raises_value_error(*words):
        ke.models.grow(make("LogisticRegression"), schema)


def test_a_new_day_with_new_users():
    """The whole street: extend, grow, train on."""
    day = pl.DataFrame(
        {
            "user": ["ann", "bob", "ann", "cy"],
            "seen": [["x"], ["y", "x"], [], ["x"]],
            "click": [1, 0, 1, 0],
        }
    )
    data = ke.data.from_dataframe(day, label="click")
    model = ke.models.FM(data.schema, embedding_dim=4)
    model.compile()
    model.fit(data.train.features, data.train.labels, verbose=0)
    tomorrow = pl.DataFrame(
        {
            "user": ["dan", "ann", "dan", "eve"],
            "seen": [["z"], [], [], ["x"]],
            "click": [1, 1, 0, 0],
        }
    )
    preprocessor = data.preprocessor.extend(tomorrow)
    assert preprocessor.vocabularies["user"].values == ("ann", "bob", "cy", "dan", "eve")
    assert preprocessor.features(tomorrow)["user"].tolist() == [4, 1, 4, 5]
    grown = ke.models.grow(model, preprocessor.schema)
    known = day.drop("click")
    before = ke.Predictor(model, data.preprocessor).predict(known)["click"]
    after = ke.Predictor(grown, preprocessor).predict(known)["click"]
    np.testing.assert_allclose(after, before, rtol=1e-6)
    split = preprocessor.split(tomorrow)
    grown.fit(split.features, split.labels, verbose=0)


def test_extending_without_labels_leaves_buckets_and_rare_values_alone():
    recipe = ke.data.Recipe(
        [
            ke.data.CategoricalColumn("user", hash_buckets=5),
            ke.data.CategoricalColumn("item", min_count=2),
        ],
        label="click",
    )
    rows = {"user": ["a", "b"], "item": ["x", "x"], "click": [1, 0]}
    preprocessor, _ = ke.data.Preprocessor.fit(rows, recipe)
    extended = preprocessor.extend({"user": ["c", "d", "e"], "item": ["y", "z", "z"]})
    assert extended.vocabularies["item"].values == ("x", "z")
    assert extended.schema["user"] == preprocessor.schema["user"]
    with raises_value_error("recipe", "schema"):
        ke.data.Preprocessor.from_schema(SCHEMA).extend(rows)
