"""Recipes of every kind of column, with rows, for the tests of exported models."""

import datetime

import numpy as np

import keras_elastor as ke

BUCKETS = "CASE WHEN price > 2 THEN FLOOR(POWER(LN(price), 2)) ELSE FLOOR(price) END"
PARTS = ("minute", "hour", "weekday", "day", "week", "month", "quarter", "year", "age_in_days")


def all_columns(vectors):
    """A column of each kind, and of each way of filling, padding and scaling."""
    data = ke.data
    transforms = ("standard", "log", "quantile", "bucketize")
    return [
        data.CategoricalColumn("site"),
        data.CategoricalColumn("city", fill="rome"),
        data.CategoricalColumn("language", fill="en", fill_is_known=True),
        data.CategoricalColumn("age", dtype="integer", fill=0, fill_is_known=True),
        data.CategoricalColumn("whole", dtype="float", source="level"),
        data.CategoricalColumn("bucket", "float", 1, 0, BUCKETS, "price"),
        data.NumericColumn("price"),
        data.NumericColumn("log_price", source="price", expression="LN(1 + ABS(price))"),
        *(
            data.NumericColumn(name, "median", source="price", transform=name, buckets=70)
            for name in transforms
        ),
        data.SequenceColumn("history", 3, table="site", padding="pre"),
        data.SequenceColumn("first", 3, source="history", truncation="post"),
        data.SequenceColumn("numbers", 4, dtype="integer", table="age"),
        data.CrossedColumn(["site", "city"]),
        data.CrossedColumn(["site", "age"], fill="none", dtypes=("string", "integer")),
        data.PretrainedColumn("vector", vectors, 2, key="age", dtype="integer"),
        data.DateColumn("seen", PARTS, timezone="Europe/Berlin"),
        data.DateColumn("clock", ["hour", "day"], unit="s"),
    ]


def all_rows(rows=300, seed=0):
    """Raw rows for these columns."""
    random = np.random.default_rng(seed)

    def pick(values):
        return [None if random.random() < 0.1 else random.choice(values) for _ in range(rows)]

    def text(values):
        return [None if value is None else str(value) for value in pick(values)]

    def whole(values):
        return [None if value is None else int(value) for value in pick(values)]

    first = datetime.datetime(1901, 1, 1)
    return {
        "site": text(["a", "b", "c|d", "e\\"]),
        "city": text(["rome", "oslo", "x"]),
        "language": text(["en", "de"]),
        "age": whole([0, 1, 5, -3, 2**60]),
        "level": [None if value is None else float(value) for value in whole([1, 2, 2**40])],
        "price": [None if random.random() < 0.1 else x for x in random.gamma(1, 30, rows).tolist()],
        "history": [
            "^".join(random.choice(["a", "b", "", "z", "c|d"], n)) for n in lengths(random, rows)
        ],
        "numbers": [random.choice([0, 1, 5, 9], n).tolist() for n in lengths(random, rows)],
        "seen": [
            first + datetime.timedelta(days=int(day), microseconds=int(micros))
            for day, micros in zip(
                random.integers(0, 109_000, rows),
                random.integers(0, 86_400 * 10**6, rows),
                strict=True,
            )
        ],
        "clock": random.integers(-(10**9), 2 * 10**9, rows).astype(float).tolist(),
        "click": random.integers(0, 2, rows).tolist(),
    }


def lengths(random, rows):
    return random.integers(0, 6, rows)


def vector_file(folder):
    path = folder / "vectors.npy"
    np.save(path, np.array([[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]], "float32"))
    return path


def small_predictor(rows=60, model="DNN", **arguments):
    """A model of texts, numbers and a history, with weights that tell rows apart."""
    random = np.random.default_rng(0)
    table = {
        "user": [str(value) for value in random.choice(["ann", "bob", "cat"], rows)],
        "item": [str(value) for value in random.choice(["x", "y", "z"], rows)],
        "price": random.gamma(1, 3, rows).tolist(),
        "history": ["^".join(random.choice(["x", "y", "z"], n)) for n in lengths(random, rows)],
        "click": random.integers(0, 2, rows).tolist(),
    }
    recipe = ke.data.Recipe(
        [
            ke.data.CategoricalColumn("user"),
            ke.data.CategoricalColumn("item"),
            ke.data.NumericColumn("price", transform="log"),
            ke.data.SequenceColumn("history", 3, table="item", padding="pre"),
        ],
        label="click",
    )
    data = ke.data.from_dataframe(table, recipe=recipe)
    made = ke.models.create(model, data.schema, **arguments)
    return ke.Predictor(with_weights(made), data.preprocessor)


def with_weights(model, scale=0.3):
    """The model with drawn weights, as those of an untrained one hardly tell rows apart."""
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(scale * random.standard_normal(variable.shape).astype("float32"))
    return model
