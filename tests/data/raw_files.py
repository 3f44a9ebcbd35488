"""Small raw files that several tests prepare."""

import gzip

import numpy as np
import polars as pl

import keras_elastor as ke

RECIPE = ke.data.Recipe(
    [
        ke.data.CategoricalColumn("user", dtype="integer"),
        ke.data.CategoricalColumn("item", min_count=2),
        ke.data.SequenceColumn("history", max_length=3, table="item", padding="pre"),
        ke.data.NumericColumn("price"),
    ],
    label="click",
    group="user",
    weight="weight",
)


def make_rows(rows, seed=0):
    """A frame of text, as a CSV file holds it."""
    rng = np.random.default_rng(seed)
    items = [f"i{number}" for number in rng.zipf(1.5, rows) % 40]
    lengths = rng.integers(0, 6, rows)
    histories = ["^".join(rng.choice(items, length)) for length in lengths]
    return pl.DataFrame(
        {
            "click": rng.integers(0, 2, rows).astype(str),
            "user": rng.integers(1, 30, rows).astype(str),
            "unused": np.arange(rows).astype(str),
            "item": items,
            "history": histories,
            "price": [f"{price:.3f}" if price > 0.2 else "" for price in rng.random(rows)],
            "weight": np.full(rows, "0.5"),
        }
    )


def write_csv(path, frame, separator=",", header=True):
    """Write a frame as CSV, in gzip if the name says so."""
    text = frame.write_csv(separator=separator, include_header=header, quote_style="never")
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(dataset):
    """All batches of a dataset below each other: features, labels and, if any, weights."""
    batches = list(dataset.as_numpy_iterator())
    features = {
        name: np.concatenate([batch[0][name] for batch in batches]) for name in batches[0][0]
    }
    return features, *(np.concatenate(part) for part in list(zip(*batches, strict=True))[1:])
