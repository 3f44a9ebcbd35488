"""A small right batch and a model for it, which tests of input make wrong."""

import keras
import numpy as np

import keras_elastor as ke

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 50),
        ke.Numeric("price"),
        ke.Sequence("history", 50, 3, table="item"),
        ke.Embedding("image", 2),
    ],
    label="click",
    group="user",
)


def make_batch(rows=8):
    """Features, label and sample weight that fit SCHEMA."""
    rng = np.random.default_rng(0)
    features = {
        "item": rng.integers(0, 50, rows).astype("int32"),
        "price": rng.normal(size=rows).astype("float32"),
        "history": rng.integers(0, 50, (rows, 3)).astype("int32"),
        "image": rng.normal(size=(rows, 2)).astype("float32"),
    }
    return features, rng.integers(0, 2, rows).astype("float32"), np.ones(rows, "float32")


def make_model():
    """A compiled model over the features of SCHEMA."""
    item = keras.Input((), dtype="int32", name="item")
    price = keras.Input((), name="price")
    history = keras.Input((3,), dtype="int32", name="history")
    image = keras.Input((2,), name="image")
    table = keras.layers.Embedding(50, 2)
    fields = [
        table(item),
        keras.layers.Reshape((1,))(price),
        keras.layers.GlobalAveragePooling1D()(table(history)),
        image,
    ]
    logits = keras.layers.Dense(1)(keras.layers.Concatenate()(fields))
    inputs = {"item": item, "price": price, "history": history, "image": image}
    model = keras.Model(inputs, logits)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    return model
