"""One table in a thousand storages: the same features, or an error that names what is wrong."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import keras_elastor as ke
from keras_elastor.data.reading.raw_rows import to_polars
from tests.data.prepared.test_kinds_of_files import pack

pytestmark = pytest.mark.backend_free

ROWS = 40
NAMES = ("user", "x/y", " blank ", "ümlaut 日本", "1", "a.b", "encoder", "price (€)", "select")
# What is right, as text; None is missing.
RNG = np.random.default_rng(0)
USERS = [None if k % 11 == 3 else str(k) for k in RNG.integers(0, 9, ROWS)]
ITEMS = [None if k == 5 else f"i{k}é" for k in RNG.integers(0, 7, ROWS)]
SEEN = [[f"i{k}é" for k in RNG.integers(0, 7, size)] for size in RNG.integers(0, 4, ROWS)]
PRICES = [None if k == 3 else k / 4 for k in RNG.integers(0, 12, ROWS).tolist()]
CLICKS = RNG.integers(0, 2, ROWS).tolist()

USER_STORAGES = {
    "text": lambda: pa.array(USERS),
    "category": lambda: pa.array(USERS).dictionary_encode(),
    "int8": lambda: pa.array([None if u is None else int(u) for u in USERS], pa.int8()),
    "uint64": lambda: pa.array([None if u is None else int(u) for u in USERS], pa.uint64()),
    "float": lambda: pa.array([None if u is None else float(u) for u in USERS]),
    "nan": lambda: pa.array([np.nan if u is None else float(u) for u in USERS]),
    "decimal": lambda: pa.array([None if u is None else int(u) for u in USERS], pa.int64()).cast(
        pa.decimal128(24, 3)
    ),
    "bytes": lambda: pa.array([None if u is None else u.encode() for u in USERS]),
}
ITEM_STORAGES = {
    "text": lambda: pa.array(ITEMS),
    "large text": lambda: pa.array(ITEMS, pa.large_string()),
    "view": lambda: pa.array(ITEMS, pa.string_view()),
    "category": lambda: pa.array(ITEMS).dictionary_encode(),
    "bytes": lambda: pa.array([None if it is None else it.encode() for it in ITEMS]),
    "empty text": lambda: pa.array(["" if it is None else it for it in ITEMS]),
}
SEEN_STORAGES = {
    "list": lambda: pa.array(SEEN),
    "large list": lambda: pa.array(SEEN, pa.large_list(pa.string())),
    "view": lambda: pa.array(SEEN, pa.list_view(pa.string())),
    "text": lambda: pa.array(["^".join(items) for items in SEEN]),
    "missing": lambda: pa.array([items or None for items in SEEN]),
}
PRICE_STORAGES = {
    "double": lambda: pa.array(PRICES),
    "half": lambda: pa.array([None if p is None else np.float16(p) for p in PRICES], pa.float16()),
    "text": lambda: pa.array([None if p is None else str(p) for p in PRICES]),
    "decimal": lambda: pa.array(PRICES).cast(pa.decimal128(24, 3)),
}
CLICK_STORAGES = {
    "int8": lambda: pa.array(CLICKS, pa.int8()),
    "double": lambda: pa.array([float(c) for c in CLICKS]),
    "bool": lambda: pa.array([bool(c) for c in CLICKS]),
    "text": lambda: pa.array([str(c) for c in CLICKS]),
}
STORAGES = (USER_STORAGES, ITEM_STORAGES, SEEN_STORAGES, PRICE_STORAGES, CLICK_STORAGES)


def recipe_of(names):
    user, item, seen, price, click = names
    return ke.data.Recipe(
        [
            ke.data.CategoricalColumn(user),
            ke.data.CategoricalColumn(item),
            ke.data.SequenceColumn(seen, max_length=3, table=item),
            ke.data.NumericColumn(price, "median", transform="quantile"),
        ],
        label=click,
    )


BASE = ke.data.from_dataframe(
    pa.table(
        [storage["text" if "double" not in storage else "double"]() for storage in STORAGES],
        ["user", "item", "seen", "price", "click"],
    ),
    recipe=recipe_of(["user", "item", "seen", "price", "click"]),
)


def assert_same(features, labels, names):
    for name, (base, expected) in zip(names, BASE.train.features.items(), strict=False):
        np.testing.assert_array_equal(features[name], expected, err_msg=base)
    np.testing.assert_array_equal(labels, BASE.train.labels)


def draw(seed):
    """A table of drawn storages, its names, and the way that it takes."""
    rng = np.random.default_rng(seed)
    names = [*rng.choice(NAMES, 4, replace=False).tolist(), "click"]
    kinds = [rng.choice(list(storage)) for storage in STORAGES]
    table = pa.table([make[kind]() for make, kind in zip(STORAGES, kinds, strict=True)], names)
    return rng, table, names, dict(zip(names, kinds, strict=True))


def in_memory(rng, table):
    """The table as people hold it."""
    way = rng.choice(["arrow", "polars", "pandas", "arrow pandas", "rows", "columns"])
    if way == "arrow":
        return table
    if way == "polars":
        return to_polars(table)
    if way == "pandas":
        return table.to_pandas()
    if way == "arrow pandas":
        return table.to_pandas(types_mapper=pd.ArrowDtype)
    return table.to_pylist() if way == "rows" else table.to_pydict()


def as_file(rng, table, folder):
    """The table as a file: Parquet, or text of drawn line ends, packing and last line."""
    if rng.random() < 0.4:
        to_polars(table).write_parquet(folder / "rows.parquet")
        return folder / "rows.parquet"
    texts = {}
    for name, values in to_polars(table).to_dict().items():
        if isinstance(values.dtype, pl.List):
            values = values.list.join("^")
        if values.dtype == pl.Binary:
            values = values.cast(pl.String)
        if values.dtype == pl.Boolean:
            values = values.cast(pl.Int8)
        texts[name] = values.fill_nan(None) if values.dtype.is_float() else values
    text = pl.DataFrame(texts).write_csv(line_terminator=str(rng.choice(["\n", "\r\n"])))
    text = text.rstrip("\r\n") if rng.random() < 0.5 else text
    data = (b"\xef\xbb\xbf" if rng.random() < 0.3 else b"") + text.encode()
    suffix = rng.choice([".csv", ".gz", ".zip", ".zst"])
    return pack(folder / f"rows{suffix}", data)


def check_in_memory(seed):
    rng, table, names, kinds = draw(seed)
    rows = in_memory(rng, table)
    data = ke.data.from_dataframe(rows, recipe=recipe_of(names))
    assert_same(data.train.features, data.train.labels, names)
    # What was learned from one storage holds for another.
    _, other, _, _ = draw(seed + 1)
    other = other.rename_columns(names)
    asked = data.preprocessor.split(in_memory(rng, other))
    assert_same(asked.features, asked.labels, names)
    return kinds


def check_file(seed, folder):
    rng, table, names, _ = draw(seed)
    path = as_file(rng, table, folder)
    # Whole numbers written as 3.0 are text in a CSV file, as FuxiCTR has them.
    recipe = recipe_of(names)
    if path.suffix != ".parquet":
        first = dataclasses.replace(recipe.columns[0], dtype="integer")
        recipe = dataclasses.replace(recipe, columns=(first, *recipe.columns[1:]))
    ke.data.prepare({"train": path}, recipe, folder / "out", progress=False)
    batches = ke.data.load(folder / "out", "train", ROWS)
    features, labels = next(iter(batches.as_numpy_iterator()))
    if path.suffix != ".parquet":
        labels, features = labels, dict(features)
        # Equally frequent integers are ordered otherwise than their texts, if at all.
        np.testing.assert_array_equal(
            features[names[0]] == features[names[0]].max(),
            BASE.train.features["user"] == BASE.train.features["user"].max(),
        )
        features[names[0]] = BASE.train.features["user"]
    assert_same(features, labels, names)


@pytest.mark.parametrize("start", [0, 20])
def test_some_storages_give_the_same_features(start):
    for seed in range(start, start + 20):
        check_in_memory(seed)


@pytest.mark.parametrize("seed", range(6))
def test_some_files_give_the_same_features(seed, tmp_path):
    check_file(seed, tmp_path)


@pytest.mark.slow
def test_1000_storages_give_the_same_features(tmp_path):
    for seed in range(1000, 2000):
        check_in_memory(seed)
        if seed % 5 == 0:
            folder = tmp_path / str(seed)
            folder.mkdir()
            check_file(seed, folder)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused(tmp_path, encoding):
    text = "click,item\n1,é\n0,a\n" * 3
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("item")], label="click")
    with pytest.raises(ValueError, match=r"rows\.csv.*(UTF-8|columns)"):
        ke.data.prepare({"train": tmp_path / "rows.csv"}, recipe, tmp_path / "out", progress=False)
