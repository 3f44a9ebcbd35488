"""No wrong row gets into prepared data unnoticed, and none is lost."""

import errno
import gzip
import itertools
import json
import re
import shutil
import sys
from collections import Counter

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.prepared.blocks import write_blocks
from keras_elastor.utils.files import locked
from tests.assertions import raises_value_error
from tests.data.raw_files import RECIPE, make_rows, read
from tests.disks import failing_write, largest_file

pytestmark = pytest.mark.backend_free

ROWS = make_rows(60)
GOOD = ROWS.write_csv(quote_style="never").encode()
# Without the time of day, which would give every test process other names of tests.
PACKED = gzip.compress(GOOD, mtime=0)


def with_line(number, line):
    """The good file with another line in the place of the one of this number."""
    lines = GOOD.split(b"\n")
    lines[number - 1] = line
    return b"\n".join(lines)


def fields(**values):
    return ",".join({**ROWS.row(0, named=True), **values}.values()).encode()


def prepare(folder, data, name="train.csv", **options):
    path = folder / name
    path.write_bytes(data)
    options = {"progress": False, "segment_bytes": 500, **options}
    return ke.data.prepare({"train": path}, RECIPE, folder / "out", **options)


BAD_LINES = {
    "too few columns": (b"1,5,0", None, "7 fields", "3 fields in '1,5,0'"),
    "too many columns": (fields() + b",x", None, "7 fields", "8 fields"),
    "an empty line": (b"", None, "7 fields", "1 fields"),
    "no number": (fields(price="cheap"), "price", "finite number", "'cheap'"),
    "an infinite number": (fields(price="inf"), "price", "finite number", "'inf'"),
    "no whole number": (fields(user="5.5"), "user", "whole number", "'5.5'"),
    "label 2": (fields(click="2"), "click", "0 or 1", "'2'"),
    "no label": (fields(click=""), "click", "0 or 1", "an empty field"),
    "a negative weight": (fields(weight="-1"), "weight", "at least 0", "'-1'"),
    "no group": (fields(user=""), "user", "group", "an empty field"),
    "invalid UTF-8": (b"1,5,0,\xff,,,1", None, "UTF-8", "xff"),
    "a NUL byte": (fields(item="a\0b"), None, "NUL", "x00"),
    "an open quote": (fields(item='"a'), None, "quotes", '"a'),
}


@pytest.mark.parametrize("kind", BAD_LINES)
@pytest.mark.parametrize("number", [2, 40, 61])
def test_a_bad_line_stops_with_its_place(tmp_path, kind, number):
    line, column, expected, received = BAD_LINES[kind]
    place = f"{tmp_path / 'train.csv'}, line {number}"
    words = [place if column is None else f"{place}, column '{column}'", expected, received]
    with raises_value_error(*words, 'on_error="skip"'):
        prepare(tmp_path, with_line(number, line))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_skipped_rows_are_counted_and_kept_with_the_reason(tmp_path):
    lines = GOOD.split(b"\n")
    for number, (line, *_) in zip(range(5, 60, 4), BAD_LINES.values(), strict=False):
        lines[number - 1] = line
    manifest = prepare(tmp_path, b"\n".join(lines), on_error="skip")
    train = manifest.splits["train"]
    assert (train.rows, train.rejected) == (60 - len(BAD_LINES), len(BAD_LINES))
    text = (tmp_path / "out" / "rejected.jsonl").read_text()
    rejected = [json.loads(entry) for entry in text.splitlines()]
    assert [entry["line"] for entry in rejected] == list(range(5, 60, 4))[: len(BAD_LINES)]
    for entry, (line, column, expected, received) in zip(rejected, BAD_LINES.values(), strict=True):
        assert entry["file"] == str(tmp_path / "train.csv")
        assert entry["column"] == column
        assert expected in entry["expected"]
        assert received in entry["received"]
        assert entry["content"].encode("utf-8", "surrogateescape") == line
    # The rows that are left are those of a file without the bad lines.
    bad = {entry["line"] for entry in rejected}
    clean = [line for number, line in enumerate(lines, 1) if number not in bad]
    (tmp_path / "clean").mkdir()
    prepare(tmp_path / "clean", b"\n".join(clean))
    left = read(ke.data.load(tmp_path / "out", "train", 100))
    right = read(ke.data.load(tmp_path / "clean" / "out", "train", 100))
    for name, values in right[0].items():
        np.testing.assert_array_equal(left[0][name], values)
    np.testing.assert_array_equal(left[1], right[1])


def test_parquet_names_the_row(tmp_path):
    ROWS.with_columns(price=pl.Series(["1"] * 50 + ["x"] * 10)).write_parquet(tmp_path / "a.pq")
    with raises_value_error("a.pq, row 50, column 'price'", "'x'"):
        prepare(tmp_path, (tmp_path / "a.pq").read_bytes(), "a.pq")


def test_parquet_rows_are_skipped_too(tmp_path):
    ROWS.with_columns(click=pl.Series([0, 7] * 30)).write_parquet(tmp_path / "a.pq")
    manifest = prepare(tmp_path, (tmp_path / "a.pq").read_bytes(), "a.pq", on_error="skip")
    assert manifest.splits["train"].rows == 30
    first = json.loads((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()[0])
    assert (first["row"], first["column"], first["content"]["click"]) == (1, "click", 7)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("train.csv", b"", ["train.csv", "empty"]),
        ("train.csv", GOOD.split(b"\n")[0] + b"\n", ["train.csv", "none"]),
        ("train.csv", GOOD.replace(b"price", b"cost", 1), ["train.csv", "Missing: price", "cost"]),
        ("train.csv", GOOD.replace(b"price", b"item", 1), ["line 1", "twice: item"]),
        ("train.csv", b"\xff\xfe" + GOOD, ["line 1", "UTF-8"]),
        ("train.csv.gz", PACKED[:-20], ["train.csv.gz", "cut off"]),
        ("train.csv.gz", PACKED[:9], ["train.csv.gz", "cut off"]),
        ("train.csv.gz", PACKED[:-8] + bytes(8), ["train.csv.gz", "damaged"]),
        ("train.csv.gz", GOOD, ["train.csv.gz", "damaged"]),
        ("train.parquet", GOOD, ["train.parquet", "Parquet"]),
    ],
)
def test_a_file_that_is_damaged_as_a_whole_stops_always(tmp_path, name, data, words, on_error):
    with raises_value_error(*words):
        prepare(tmp_path, data, name, on_error=on_error)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_parquet_file_without_a_column_or_cut_off(tmp_path):
    ROWS.drop("history").write_parquet(tmp_path / "a")
    with raises_value_error("train.parquet", "Missing: history"):
        prepare(tmp_path, (tmp_path / "a").read_bytes(), "train.parquet")
    ROWS.write_parquet(tmp_path / "a")
    with raises_value_error("train.parquet", "Parquet"):
        prepare(tmp_path, (tmp_path / "a").read_bytes()[:-100], "train.parquet")


def test_a_split_of_which_nothing_is_left(tmp_path):
    with raises_value_error("'train'", "left out"):
        prepare(tmp_path, GOOD.split(b"\n")[0] + b"\nx,y\n", on_error="skip")


def test_segments_of_which_nothing_is_left(tmp_path):
    lines = GOOD.split(b"\n")
    lines[1:45] = [line + b",x" for line in lines[1:45]]
    manifest = prepare(tmp_path, b"\n".join(lines), on_error="skip")
    assert [shard.rows for shard in manifest.splits["train"].shards] == [0, 0, 5, 11]
    features, labels, _ = read(ke.data.load(tmp_path / "out", "train", 100, with_group=True))
    assert features["user_group"].tolist() == ROWS["user"].cast(pl.Int64).to_list()[44:]
    assert labels.tolist() == ROWS["click"].cast(pl.Int64).to_list()[44:]


def test_a_file_without_line_ends_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["keras_elastor.data.reading.segments"], "_LONGEST_LINE", 100)
    with raises_value_error("train.csv", "line 2", "text"):
        prepare(tmp_path, GOOD.split(b"\n")[0] + b"\n" + b"x" * 1000)


def test_a_full_disk_is_named_and_the_run_goes_on_later(tmp_path, monkeypatch):
    expected = prepare(tmp_path, GOOD)
    make = lambda: ke.data.prepare(  # noqa: E731
        {"train": tmp_path / "train.csv"}, RECIPE, tmp_path / "disturbed", segment_bytes=500
    )
    errors = []
    # Each call gets a little further than the one before it.
    for number in itertools.count(1):
        try:
            with failing_write(monkeypatch, number):
                manifest = make()
            break
        except OSError as error:
            errors.append(str(error))
    assert len(errors) > 3
    for error in errors:
        assert re.fullmatch("Cannot write .*: the disk is full. Free some space and .*", error)
    assert manifest.get_config()["splits"] == expected.get_config()["splits"]
    names = [
        sorted(path.name for path in (tmp_path / folder).rglob("*"))
        for folder in ("out", "disturbed")
    ]
    assert names[0] == names[1]


def test_what_tensorflow_says_of_the_disk(tmp_path):
    with largest_file(1000), pytest.raises(OSError, match="larger than allowed") as error:
        write_blocks(tmp_path / "blocks", {"floats": np.zeros((2000, 30), np.float32)})
    assert error.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_two_runs_in_one_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), pytest.raises(RuntimeError, match=r"out: another process"):
        prepare(tmp_path, GOOD)
    prepare(tmp_path, GOOD)


# The label comes last, so that no line end inside a row leaves a whole row before it.
LABEL_LAST = ROWS.select(*ROWS.columns[1:], "click").write_csv(quote_style="never").encode()


def corrupt(seed):
    """A file with one error."""
    rng = np.random.default_rng(seed)
    lines = LABEL_LAST.split(b"\n")
    first = len(lines[0]) + 1
    number = int(rng.integers(1, 61))
    line = lines[number].split(b",")
    column, kind = int(rng.integers(len(line))), rng.integers(8)
    if kind == 0:
        del line[column]
    elif kind == 1:
        line.insert(column, b"x")
    elif kind == 2:
        line[column] = rng.choice([b"\xff\xfe", b"a\0b", b'"', b"a\rb"])
    elif kind == 3:
        line[[0, 4, 5][column % 3]] = rng.choice([b"x", b"1e", b"--1", b"inf", b"nan", b"1 "])
    elif kind == 4:
        line[-1] = rng.choice([b"2", b"-1", b"0.5", b"", b"yes"])
    elif kind == 5:
        # Behind the last row there is only its line end, which it does not need.
        number = min(number, 59)
        lines[number : number + 2] = [b"".join(lines[number : number + 2])]
        return b"\n".join(lines)
    elif kind == 6:
        # One row is left, as a split without rows is an error.
        end = int(rng.integers(first + len(lines[1]) + 2, len(LABEL_LAST)))
        # Cut off between two rows, a file without a count of its rows is right, and so is a last
        # row without its line end: the label at least must be gone.
        while LABEL_LAST[end - 1] == ord("\n") or LABEL_LAST[end : end + 1] == b"\n":
            end -= 1
        return LABEL_LAST[:end]
    else:
        position = int(rng.integers(first, len(LABEL_LAST)))
        return LABEL_LAST[:position] + b"\n" + LABEL_LAST[position:]
    lines[number] = b",".join(line)
    return b"\n".join(lines)


def rows_of(folder):
    """Every row as a tuple of what does not depend on the other rows."""
    features, labels, weights = read(ke.data.load(folder, "train", 100, with_group=True))
    return [*zip(features["price"], features["user_group"], labels, weights, strict=True)]


def test_a_piece_of_a_row_at_the_edge_of_a_segment_is_not_skipped(tmp_path):
    with raises_value_error("train.csv, line 2", "Which row it belongs to", "'1'"):
        prepare(tmp_path, with_line(2, b"1"), on_error="skip")


@pytest.mark.slow
def test_of_1000_corruptions_none_yields_a_silently_wrong_row(tmp_path):
    (tmp_path / "good").mkdir()
    prepare(tmp_path / "good", LABEL_LAST)
    good = Counter(rows_of(tmp_path / "good" / "out"))
    assert good.total() == 60
    for seed in range(1000):
        data, folder = corrupt(seed), tmp_path / str(seed)
        folder.mkdir()
        with pytest.raises(ValueError, match=r"train\.csv, line \d+.*expected.*Received"):
            prepare(folder, data)
        shutil.rmtree(folder / "out")
        try:
            manifest = prepare(folder, data, on_error="skip")
        except ValueError as error:
            if "Which row it belongs to is not known" not in str(error):
                raise
            continue
        train = manifest.splits["train"]
        rejected = (folder / "out" / "rejected.jsonl").read_text().splitlines()
        assert len(rejected) == train.rejected > 0, seed
        lines = data.count(b"\n") - 1 + (not data.endswith(b"\n"))
        assert train.rows + train.rejected == lines, seed
        assert not Counter(rows_of(folder / "out")) - good, seed
        shutil.rmtree(folder)
