"""Values of one kind are the same whatever stores them; those of another kind are refused."""

import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import keras_elastor as ke
from keras_elastor.data.reading.value_kinds import merge_kinds, value_kind
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

DAY = datetime.date(2026, 1, 31)
NOON = datetime.datetime(2026, 1, 31, 12)
UTC = NOON.replace(tzinfo=datetime.UTC)
# A column of each kind.
KINDS = {
    "numbers": [1, 2],
    "booleans": [True, False],
    "dates": [DAY, DAY],
    "instants": [NOON, NOON],
    "instants with a time zone": [UTC, UTC],
}
RECIPE = ke.data.Recipe([ke.data.CategoricalColumn("user")], label="click")


def frame(values, dtype=None):
    return pl.DataFrame({"user": pl.Series(values, dtype=dtype), "click": [0, 1]})


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pa.int8(), "numbers"),
        (pa.uint64(), "numbers"),
        (pa.float32(), "numbers"),
        (pa.decimal128(10, 2), "numbers"),
        (pa.bool_(), "booleans"),
        (pa.date32(), "dates"),
        (pa.timestamp("ns"), "instants"),
        (pa.timestamp("s", "Europe/Berlin"), "instants with a time zone"),
        (pa.large_string(), "text"),
        (pa.binary(), "text"),
        (pa.dictionary(pa.int8(), pa.int64()), "numbers"),
        (pa.list_(pa.string()), "text"),
        (pa.large_list(pa.int32()), "numbers"),
        (pa.list_(pa.bool_(), 3), "booleans"),
        (pa.null(), None),
        (pa.struct([("a", pa.int8())]), None),
        (pa.duration("s"), None),
    ],
)
def test_kind_of_a_storage(dtype, kind):
    assert value_kind(dtype) == kind


@pytest.mark.parametrize("asked", KINDS)
@pytest.mark.parametrize("trained", KINDS)
def test_another_kind_is_refused(trained, asked, tmp_path):
    data = ke.data.from_dataframe(frame(KINDS[trained]), recipe=RECIPE)
    assert data.preprocessor.kinds == {"user": trained}
    data.preprocessor.save(tmp_path / "kept")
    loaded = ke.data.Preprocessor.load(tmp_path / "kept")
    if trained == asked:
        np.testing.assert_array_equal(
            loaded.features(frame(KINDS[asked]))["user"], data.train.features["user"]
        )
        return
    for preprocessor in (data.preprocessor, loaded):
        for encode in (preprocessor.features, preprocessor.split):
            with raises_value_error("'user'", f"expected {trained}", f"Received: {asked}"):
                encode(frame(KINDS[asked]))


@pytest.mark.parametrize("trained", KINDS)
def test_text_is_the_same_as_what_it_says(trained):
    preprocessor = ke.data.from_dataframe(frame(KINDS[trained]), recipe=RECIPE).preprocessor
    written = {
        "numbers": ["1", "2"],
        "booleans": ["True", "False"],
        "dates": ["2026-01-31"] * 2,
        "instants": ["2026-01-31 12:00:00"] * 2,
        "instants with a time zone": ["2026-01-31 12:00:00+00:00"] * 2,
    }[trained]
    np.testing.assert_array_equal(
        preprocessor.features(frame(written))["user"],
        preprocessor.features(frame(KINDS[trained]))["user"],
    )


@pytest.mark.parametrize("dtype", ["integer", "float"])
@pytest.mark.parametrize("kind", ["dates", "instants", "instants with a time zone"])
def test_instants_are_no_numbers(dtype, kind):
    columns = [ke.data.CategoricalColumn("user", dtype), ke.data.NumericColumn("user")]
    for column in columns:
        with raises_value_error("'user'", "expected numbers", kind):
            recipe = ke.data.Recipe([column], label="click")
            ke.data.from_dataframe(frame(KINDS[kind]), recipe=recipe)


def test_files_of_one_preparation_agree(tmp_path):
    frame([101, 102]).write_parquet(tmp_path / "integers.parquet")
    frame([101.0, None]).write_parquet(tmp_path / "floats.parquet")
    frame(["102", "101"]).write_csv(tmp_path / "texts.csv")
    frame([True, False]).write_parquet(tmp_path / "booleans.parquet")
    days = [tmp_path / name for name in ("integers.parquet", "floats.parquet", "texts.csv")]
    ke.data.prepare({"train": days}, RECIPE, tmp_path / "out", progress=False)
    preprocessor = ke.data.Preprocessor.from_prepared(tmp_path / "out")
    assert preprocessor.vocabularies["user"].values == ("101", "102")
    assert preprocessor.kinds == {"user": "numbers"}
    with raises_value_error("'user'", "expected numbers", "booleans"):
        preprocessor.features(frame([True, False]))
    for files in (
        {"train": [*days, tmp_path / "booleans.parquet"]},
        {"train": days, "valid": tmp_path / "booleans.parquet"},
    ):
        with raises_value_error("booleans.parquet", "'user'", "integers.parquet", "booleans"):
            ke.data.prepare(files, RECIPE, tmp_path / "refused", progress=False)
    assert not (tmp_path / "refused").exists()


def test_item_and_history_share_a_table_in_all_storages():
    columns = [
        ke.data.CategoricalColumn("item"),
        ke.data.SequenceColumn("seen", max_length=2, table="item"),
    ]
    table = pl.DataFrame({"item": [1.0, 2.0], "seen": [["2"], ["1"]], "label": [0, 1]})
    features = ke.data.from_dataframe(table, recipe=ke.data.Recipe(columns)).train.features
    assert features["item"].tolist() == [1, 2]
    assert features["seen"].tolist() == [[2, 0], [1, 0]]


def test_known_values_are_those_of_the_files(tmp_path):
    frame([7, 8]).write_parquet(tmp_path / "train.parquet")
    files, folder = {"train": tmp_path / "train.parquet"}, tmp_path / "out"
    known = {"user": [8.0, 9, np.int64(10), 11.5]}
    ke.data.prepare(files, RECIPE, folder, progress=False, known_values=known)
    words = ke.data.Preprocessor.from_prepared(folder).vocabularies["user"]
    assert words.values == ("7", "8", "10", "11.5", "9")


def test_a_vocabulary_takes_any_storage_of_its_values():
    words = ke.data.Vocabulary(("101", "True", "2026-01-31"))
    for values, ids in (
        ([101.0, None], [1, 4]),
        ([101, 5], [1, 4]),
        ([True, False], [2, 4]),
        ([DAY, None], [3, 4]),
    ):
        assert words.encode(pl.Series(values)).tolist() == ids
    numbers = ke.data.Vocabulary.build(pl.Series([5.0, None, 7.0, 7.0]))
    assert numbers.values == (7, 5)
    assert numbers.encode(pl.Series(["5", "7", "9"])).tolist() == [2, 1, 3]
    assert ke.data.Vocabulary.build(pl.Series([1.5, 2.0])).values == ("1.5", "2")


def test_text_does_not_hide_a_conflict_between_others():
    with raises_value_error("c", "'user'", "numbers", "in a", "booleans"):
        places = [("a", "numbers"), ("b", "text"), ("c", "booleans")]
        merge_kinds((place, {"user": kind}) for place, kind in places)
    assert merge_kinds([("a", {"x": "text"}), ("b", {"x": "dates"})]) == {"x": "dates"}


@pytest.mark.parametrize("rows", [{1: [0], "1": [1]}, [{1: 0, "1": 1}]], ids=["dict", "rows"])
def test_two_columns_of_one_name(rows):
    with raises_value_error("different names", "1", "'1'"):
        ke.data.from_dataframe(rows, label="1")


def test_durations_are_refused_by_name():
    waited = [datetime.timedelta(1), datetime.timedelta(2)]
    with raises_value_error("'user'", "Row 0"):
        ke.data.from_dataframe(frame(waited), recipe=RECIPE)
