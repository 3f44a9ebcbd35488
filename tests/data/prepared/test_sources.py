"""The files that people name, in the forms in which they have them."""

import codecs
import gzip

import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.data.raw_files import RECIPE, make_rows, read

pytestmark = pytest.mark.backend_free

ROWS = make_rows(60)


def prepared(files, tmp_path, recipe=RECIPE):
    """Number of rows and the first feature's vocabulary, by preparing the files."""
    folder = tmp_path / "prepared"
    manifest = ke.data.prepare({"train": files}, recipe, folder, progress=False)
    features, labels, _ = read(ke.data.load(folder, "train", batch_size=1000))
    return manifest.splits["train"].rows, features["user"].tolist(), labels.tolist()


@pytest.fixture
def expected(tmp_path):
    path = tmp_path / "whole.csv"
    ROWS.write_csv(path)
    return prepared(path, tmp_path / "expected")


def test_a_folder_of_spark(tmp_path, expected):
    folder = tmp_path / "day=1"
    (folder / "_temporary").mkdir(parents=True)
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").write_bytes(b"x")
    (folder / "_temporary" / "part-9.parquet").write_bytes(b"half")
    ROWS[:20].write_parquet(folder / "part-0.snappy.parquet")
    ROWS[20:].write_parquet(folder / "part-1.snappy.parquet")
    assert prepared(folder, tmp_path) == expected


def test_a_pattern(tmp_path, expected):
    ROWS[:20].write_csv(tmp_path / "day1.csv")
    ROWS[20:].write_csv(tmp_path / "day2.csv")
    assert prepared(tmp_path / "day?.csv", tmp_path) == expected


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(FileNotFoundError, match="raw: the folder holds no files of rows"):
        prepared(tmp_path / "raw", tmp_path)


@pytest.mark.parametrize("name", ["rows.PARQUET", "rows.parquet.brotli", "rows"])
def test_parquet_of_any_name(name, tmp_path, expected):
    ROWS.write_parquet(tmp_path / name)
    assert prepared(tmp_path / name, tmp_path) == expected


def test_gzip_in_capitals(tmp_path, expected):
    path = tmp_path / "ROWS.CSV.GZ"
    path.write_bytes(gzip.compress(ROWS.write_csv().encode()))
    assert prepared(path, tmp_path) == expected


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_byte_order_mark_is_no_part_of_a_value(suffix, tmp_path):
    recipe = ke.data.Recipe(
        [ke.data.CategoricalColumn("item")], label="click", file_columns=["item", "click"]
    )
    data = codecs.BOM_UTF8 + b"a,1\na,0\nb,1\n"
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    manifest = ke.data.prepare({"train": path}, recipe, tmp_path / "prepared", progress=False)
    assert manifest.splits["train"].rows == 3
    assert ke.data.Preprocessor.load(tmp_path / "prepared").vocabularies["item"].values == (
        "a",
        "b",
    )


@pytest.mark.parametrize("argument", ["label", "group", "weight"])
def test_a_number_as_a_name_is_refused(argument):
    arguments = {"label": "click", argument: 1}
    with raises_value_error(f"`{argument}`", "1"):
        ke.data.Recipe([ke.data.CategoricalColumn("item")], **arguments)
    with raises_value_error("`label`", "2"):
        ke.data.Recipe([ke.data.CategoricalColumn("item")], label=("click", 2))


def test_frames_and_files_agree_on_a_boolean(tmp_path):
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("new")], label="click")
    frame = pl.DataFrame({"new": [True, True, False], "click": [1, 0, 1]})
    path = tmp_path / "rows.csv"
    path.write_text("new,click\nTrue,1\nTrue,0\nFalse,1\n")
    ke.data.prepare({"train": path}, recipe, tmp_path / "prepared", progress=False)
    by_file = ke.data.Preprocessor.load(tmp_path / "prepared").vocabularies["new"]
    by_frame = ke.data.from_dataframe(frame, label="click", recipe=recipe)
    assert by_file.values == by_frame.preprocessor.vocabularies["new"].values == ("True", "False")
