"""Values of one kind are the same whatever stores them; those of another kind are refused."""

import dataclasses
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


# The first value of each kind, as pandas, polars, databases and people write it.
SPELLINGS = {
    "numbers": ["1", "1.0", "1.", "+1", "01", "1e0", " 1 "],
    "booleans": ["True", "true", "TRUE"],
    "dates": ["2026-01-31", "2026-01-31 00:00:00", "2026-01-31T00:00:00.000000"],
    "instants": ["2026-01-31 12:00:00", "2026-01-31T12:00:00.000000", "2026-01-31 12:00"],
    "instants with a time zone": [
        "2026-01-31 12:00:00+00:00",
        "2026-01-31T12:00:00.000000+0000",
        "2026-01-31T12:00:00Z",
        "2026-01-31 13:00:00+01:00",
        "2026-01-31 06:30:00.000-05:30",
    ],
}


@pytest.mark.parametrize("trained", KINDS)
def test_text_is_the_same_as_what_it_says(trained):
    table = ke.data.from_dataframe(frame(KINDS[trained]), recipe=RECIPE)
    for dtype in (pl.String, pl.Categorical, pl.Binary):
        texts = pl.Series(SPELLINGS[trained]).cast(dtype)
        ids = table.features(pl.DataFrame({"user": texts}))["user"]
        assert set(ids.tolist()) == {table.train.features["user"][0]}


@pytest.mark.parametrize("trained", KINDS)
def test_what_was_text_is_found_by_what_it_says(trained):
    for spelling in SPELLINGS[trained]:
        table = ke.data.from_dataframe(frame([spelling, "other"]), recipe=RECIPE)
        assert table.preprocessor.kinds == {"user": "text"}
        known = table.train.features["user"].tolist()
        assert table.features(frame([spelling, "other"]))["user"].tolist() == known
        asked = table.features(frame(KINDS[trained]))["user"]
        assert asked[0] == known[0]
        assert table.preprocessor.split(frame(KINDS[trained])).features["user"][0] == known[0]
        grown = table.preprocessor.extend(frame(KINDS[trained])).vocabularies["user"].values
        assert grown[:2] == table.preprocessor.vocabularies["user"].values
        assert len(grown) == 2 + (KINDS[trained][0] != KINDS[trained][1])


# What may be a code ("01") or, at midnight, a date or an instant, is hashed as it stands.
AMBIGUOUS = {"+1", "01", "1e0", " 1 ", *SPELLINGS["dates"][1:]}
HASHED = [
    (kind, text) for kind, texts in SPELLINGS.items() for text in texts if text not in AMBIGUOUS
]


@pytest.mark.parametrize(("kind", "spelling"), HASHED)
def test_what_was_hashed_as_text_is_found_by_what_it_says(kind, spelling):
    columns = [
        ke.data.CategoricalColumn("user", hash_buckets=10**8),
        ke.data.CrossedColumn(["user", "place"], hash_buckets=10**8),
    ]
    recipe = ke.data.Recipe(columns, label="click")
    trained = frame([spelling, "other"]).with_columns(place=pl.lit("a"))
    table = ke.data.from_dataframe(trained, recipe=recipe)
    asked = table.features(frame(KINDS[kind]).with_columns(place=pl.lit("a")))
    for name in ("user", "user_x_place"):
        known = table.train.features[name].tolist()
        assert asked[name][0] == known[0]
        assert table.features(trained)[name].tolist() == known


def test_lists_that_were_hashed_as_text_are_found_by_what_they_say():
    recipe = ke.data.Recipe(
        [ke.data.SequenceColumn("user", 2, separator="|", hash_buckets=10**8)], label="click"
    )
    table = ke.data.from_dataframe(frame(["1.0|2", "7|007"]), recipe=recipe)
    first, second = table.train.features["user"]
    assert table.features(frame([[1, 2], [7]]))["user"].tolist()[0] == first.tolist()
    assert second[0] != second[1]


@pytest.mark.parametrize("trained", KINDS)
def test_crossed_text_is_found_by_what_it_says(trained):
    recipe = ke.data.Recipe([ke.data.CrossedColumn(["user", "place"], fill="no|ne")], label="click")
    places = pl.Series(["a|b", None])
    for spelling in SPELLINGS[trained]:
        rows = frame([spelling, spelling]).with_columns(place=places)
        table = ke.data.from_dataframe(rows, recipe=recipe)
        known = table.train.features["user_x_place"].tolist()
        assert sorted(known) == [1, 2]
        asked = frame([KINDS[trained][0]] * 2).with_columns(place=places)
        assert table.features(asked)["user_x_place"].tolist() == known
        grown = table.preprocessor.extend(asked).vocabularies["user_x_place"]
        assert grown == table.preprocessor.vocabularies["user_x_place"]


def test_text_that_a_vocabulary_holds_goes_before_what_it_says():
    table = ke.data.from_dataframe(frame(["1.0", "1"]), recipe=RECIPE)
    assert table.preprocessor.vocabularies["user"].values == ("1", "1.0")
    assert table.features(frame([1.0, 2.0]))["user"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("trained", "text"),
    [
        ("numbers", "1e300"),
        ("numbers", "9007199254740993.0"),
        ("booleans", "1"),
        ("booleans", "yes"),
        ("dates", "31.01.2026"),
        ("dates", "2026-02-30"),
        ("dates", "2026-01-31 12:00:00"),
        ("instants", "2026-01-31 12:00:00+01:00"),
        ("instants", "2026-01-31 25:00:00"),
        ("instants with a time zone", "2026-01-31 12:00:00"),
    ],
)
def test_text_that_cannot_be_of_the_kind_is_refused(trained, text):
    preprocessor = ke.data.from_dataframe(frame(KINDS[trained]), recipe=RECIPE).preprocessor
    with raises_value_error("'user'", "Row 1", text):
        preprocessor.features(frame([None, text]))


def test_text_that_is_no_number_is_a_value_of_its_own():
    preprocessor = ke.data.from_dataframe(frame([1, 2]), recipe=RECIPE).preprocessor
    assert preprocessor.features(frame(["new", "9007199254740993"]))["user"].tolist() == [3, 3]


@pytest.mark.parametrize("order", [1, -1])
def test_files_of_one_preparation_tell_the_kind_of_text(tmp_path, order):
    frame([101, 102]).write_parquet(tmp_path / "a.parquet")
    frame(["101.0", "102"]).write_csv(tmp_path / "b.csv")
    files = [tmp_path / "a.parquet", tmp_path / "b.csv"][::order]
    for number, parts in enumerate(({"train": files}, {"train": files[0], "valid": files[1]})):
        folder = tmp_path / f"out{number}"
        ke.data.prepare(parts, RECIPE, folder, progress=False, known_values={"user": ["103.0"]})
        words = ke.data.Preprocessor.load(folder).vocabularies["user"]
        assert words.values == ("101", "102", "103")
        for split in parts:
            [(features, _)] = ke.data.load(folder, split, batch_size=4)
            assert set(features["user"].numpy().tolist()) == {1, 2}


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
    preprocessor = ke.data.Preprocessor.load(tmp_path / "out")
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
    written = table.with_columns(seen=pl.Series(["2.0^1", "1.0"]))
    table = ke.data.from_dataframe(written, recipe=ke.data.Recipe(columns))
    assert table.train.features["seen"].tolist() == [[2, 1], [1, 0]]
    assert table.preprocessor.kinds == {"item": "numbers", "seen": "numbers"}


def test_columns_of_one_table_hold_one_kind(tmp_path):
    columns = [
        ke.data.CategoricalColumn("item"),
        ke.data.SequenceColumn("seen", max_length=2, table="item"),
    ]
    recipe = ke.data.Recipe(columns)
    table = pl.DataFrame({"item": [True, False], "seen": [[1], [0]], "label": [0, 1]})
    message = ("'seen'", "'item'", "booleans", "numbers")
    with raises_value_error(*message):
        ke.data.from_dataframe(table, recipe=recipe)
    table.write_parquet(tmp_path / "train.parquet")
    with raises_value_error(*message):
        ke.data.prepare({"train": tmp_path / "train.parquet"}, recipe, tmp_path / "out")
    # Columns of whole numbers hold 1 for True.
    whole = [dataclasses.replace(column, dtype="integer") for column in columns]
    features = ke.data.from_dataframe(table, recipe=ke.data.Recipe(whole)).train.features
    assert features["item"].tolist() == [2, 1]
    assert features["seen"].tolist() == [[2, 0], [1, 0]]


def test_keys_of_vectors_tell_the_kind_of_text(tmp_path):
    vectors = pl.DataFrame({"id": [101, 7], "vector": [[1.0, 0.0], [0.0, 1.0]]})
    vectors.write_parquet(tmp_path / "numbers.parquet")
    texts = vectors.with_columns(pl.Series("id", ["101.0", "7"]))
    texts.write_parquet(tmp_path / "texts.parquet")
    for file in ("numbers", "texts"):
        column = ke.data.PretrainedColumn("user", tmp_path / f"{file}.parquet", dim=2)
        recipe = ke.data.Recipe([column], label="click")
        for values in ([101, 7], [101.0, 7.0], ["101", "7"], ["101.0", "7"]):
            if file == "texts" and values == ["101", "7"]:
                continue  # Text is asked for by text.
            features = ke.data.from_dataframe(frame(values), recipe=recipe).train.features
            assert features["user"].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with raises_value_error("'user'", "numbers", "booleans"):
        recipe = ke.data.Recipe(
            [ke.data.PretrainedColumn("user", tmp_path / "numbers.parquet", dim=2)], label="click"
        )
        ke.data.from_dataframe(frame([True, False]), recipe=recipe)


def test_known_values_are_those_of_the_files(tmp_path):
    frame([7, 8]).write_parquet(tmp_path / "train.parquet")
    files, folder = {"train": tmp_path / "train.parquet"}, tmp_path / "out"
    known = {"user": [8.0, 9, np.int64(10), 11.5]}
    ke.data.prepare(files, RECIPE, folder, progress=False, known_values=known)
    words = ke.data.Preprocessor.load(folder).vocabularies["user"]
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
