"""Raw files as people have them: packed, with other separators, markers and blanks."""

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

COLUMNS = [ke.data.CategoricalColumn("item"), ke.data.NumericColumn("price")]
RECIPE = ke.data.Recipe(COLUMNS, label="click")
TEXT = "click,item,price\n1,a,2.5\n0,b,1\n" + "0,a,3\n" * 400 + "1,c,7"


def pack(path, data):
    """Write bytes as the suffix of a path says."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.csv", data)
            archive.writestr("__MACOSX/._rows.csv", b"notes")
        return path
    packed = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": lambda text: pa.compress(text, "zstd", asbytes=True),
        ".csv": bytes,
    }[suffix](data)
    path.write_bytes(packed)
    return path


def prepared(tmp_path, path, recipe=RECIPE, **arguments):
    """The features and labels of a file, in order."""
    out = tmp_path / f"out_{len(list(tmp_path.iterdir()))}"
    ke.data.prepare({"train": path}, recipe, out, progress=False, **arguments)
    features, labels = next(iter(ke.data.load(out, "train", 1000).as_numpy_iterator()))
    return {**features, "click": labels}


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip", ".ZIP", ".BZ2"])
def test_packed_files_are_as_their_text(tmp_path, suffix):
    expected = prepared(tmp_path, pack(tmp_path / "plain.csv", TEXT.encode()))
    assert len(expected["click"]) == 403
    path = pack(tmp_path / f"rows.csv{suffix}", TEXT.encode())
    # Read in pieces, each of which begins behind the one before it.
    for name, values in prepared(tmp_path, path, segment_bytes=500).items():
        np.testing.assert_array_equal(values, expected[name])
    no_header = ke.data.Recipe(COLUMNS, label="click", file_columns=("click", "item", "price"))
    body = TEXT.partition("\n")[2].encode()
    for name, values in prepared(tmp_path, pack(path, body), no_header).items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_damaged_packed_files_are_named(tmp_path, suffix):
    path = pack(
        tmp_path / f"rows.csv{suffix}", np.random.default_rng(0).bytes(90_000).hex().encode()
    )
    packed = path.read_bytes()
    for damaged in (packed[: len(packed) // 2], b"x" + packed[1:], b"nothing of the kind"):
        path.write_bytes(damaged)
        with raises_value_error(str(path), "damaged or cut off"):
            prepared(tmp_path, path)


def test_an_archive_of_two_files_is_refused(tmp_path):
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", TEXT)
        archive.writestr("b.csv", TEXT)
    with raises_value_error("two.zip", "one file", "a.csv, b.csv"):
        prepared(tmp_path, path)


def test_movielens_separator(tmp_path):
    path = tmp_path / "ratings.dat"
    path.write_text(TEXT.replace(",", "::"))
    found = prepared(tmp_path, path, ke.data.Recipe(COLUMNS, label="click", separator="::"))
    expected = prepared(tmp_path, pack(tmp_path / "plain.csv", TEXT.encode()))
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


NULLS = ke.data.Recipe(
    [
        *COLUMNS,
        ke.data.SequenceColumn("seen", 3, table="item", separator="|"),
        ke.data.NumericColumn("age", fill=-1.0),
    ],
    label="click",
    null_values=("NULL", "\\N", "NA"),
    trim=True,
)
MARKED = {
    "click": ["1", " 0", "0 "],
    "item": [" a", "NULL", "a "],
    "price": ["1.5", " NA ", "\\N"],
    "seen": ["a| a|NULL", "\\N", ""],
    "age": ["NULL", "30", " 40"],
}
CLEAN = {
    "click": ["1", "0", "0"],
    "item": ["a", "", "a"],
    "price": ["1.5", "", ""],
    "seen": ["a|a|", "", ""],
    "age": ["", "30", "40"],
}


def test_markers_and_blanks(tmp_path):
    clean = ke.data.from_dataframe(CLEAN, recipe=ke.data.Recipe(NULLS.columns, label="click"))
    marked = ke.data.from_dataframe(MARKED, recipe=NULLS)
    assert marked.train.features["item"].tolist() == [1, 2, 1]
    assert marked.train.features["seen"].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert marked.train.features["age"].tolist() == [-1, 30, 40]
    pl.DataFrame(MARKED).write_csv(tmp_path / "marked.csv")
    pl.DataFrame(MARKED).write_parquet(tmp_path / "marked.parquet")
    for found in (
        marked.train.features,
        marked.features(MARKED),
        prepared(tmp_path, tmp_path / "marked.csv", NULLS),
        prepared(tmp_path, tmp_path / "marked.parquet", NULLS),
    ):
        for name, values in clean.train.features.items():
            np.testing.assert_array_equal(found[name], values)
    assert ke.data.Recipe.from_json(NULLS.to_json()) == NULLS
    # Without being asked for, nothing is left out of text.
    plain = ke.data.CategoricalColumn("item")
    data = ke.data.from_dataframe(
        {"item": [" a", "NULL", "a"], "label": [0, 1, 1]}, recipe=ke.data.Recipe([plain])
    )
    assert set(data.preprocessor.vocabularies["item"].values) == {" a", "NULL", "a"}


def test_a_marker_is_no_label():
    with raises_value_error("Row 1", "'click'", "0 or 1", "empty"):
        ke.data.from_dataframe(
            {"item": ["a", "b"], "click": ["1", "NULL"]},
            recipe=ke.data.Recipe(COLUMNS[:1], label="click", null_values=["NULL"]),
        )
