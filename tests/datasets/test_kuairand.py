import csv
import logging

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.datasets.kuairand import OUTCOME_COLUMNS
from tests.assertions import raises_value_error
from tests.datasets.kuairand_files import (
    EARLIER_LOG,
    LOG,
    LOG_HEADER,
    USERS,
    VIDEOS,
    impression,
    user,
    video,
    write_csv,
    write_files,
)

pytestmark = pytest.mark.backend_free

HISTORY = "user_history_before_20220425.parquet"
# Users 1 and 2 are known from training, 3 only later; video 13 likewise.
ROWS = [
    impression(1, 12, 20220424, hourmin=2300),
    impression(1, 10, 20220425, is_click=1, hourmin=100, duration_ms=0, tab=4),
    impression(2, 10, 20220426, hourmin=1259, duration_ms=1024),
    impression(1, 11, 20220502, is_click=1, hourmin=2300, duration_ms=1023),
    impression(3, 13, 20220503, is_click=1, hourmin=100),
    impression(2, 10, 20220504, hourmin=500),
    impression(2, 11, 20220505),
    impression(1, 13, 20220508, is_click=1),
]
EARLIER = [impression(1, 11, 20220409), impression(1, 10, 20220408), impression(4, 14, 20220410)]


@pytest.fixture
def folder(tmp_path):
    return write_files(tmp_path, ROWS, EARLIER)


def decode(data, name, ids):
    """The values behind the ids; None for padding and "?" for out-of-vocabulary."""
    words = (None, *data.vocabularies[data.schema[name].table_name].values, "?")
    return np.array(words, dtype=object)[ids].tolist()


def column(data, split, name):
    return decode(data, name, getattr(data, split).features[name])


def test_rows_go_to_the_split_of_their_date(folder):
    data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "video_id") == [10, 10, 11]
    assert data.train.labels.tolist() == [1, 0, 1]
    assert data.valid.labels.tolist() == [1, 0]
    assert data.test.labels.tolist() == [0, 1]
    assert data.train.labels.dtype == np.float32


def test_context_features(folder):
    data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "hour") == [1, 12, 23]
    # 1,023 ms has 10 binary digits, 1,024 has 11; 0 is an unknown duration.
    assert column(data, "train", "duration_bucket") == [0, 11, 10]
    assert column(data, "train", "tab") == [4, 1, 1]


def test_what_training_has_not_seen_is_out_of_vocabulary(folder):
    data = ke.datasets.kuairand_pure(folder)
    assert data.vocabularies["user_id"].values == (1, 2)
    assert column(data, "valid", "user_id") == ["?", 2]
    assert column(data, "valid", "video_id") == ["?", 10]
    assert column(data, "valid", "hour") == [1, "?"]
    # Video 12 is known from a history only; 14 is in the history of a user who is not in training.
    assert data.vocabularies["video_id"].values == (10, 11, 12)


def test_rare_values_are_out_of_vocabulary(folder):
    data = ke.datasets.kuairand_pure(folder, min_count=2)
    assert data.vocabularies["user_id"].values == (1,)
    assert column(data, "train", "user_id") == [1, "?", 1]


def test_history_is_the_last_impressions_before_training_oldest_first(folder):
    data = ke.datasets.kuairand_pure(folder, history_length=2)
    history = column(data, "train", "watch_history")
    assert history == [[11, 12], [None, None], [11, 12]]
    longer = ke.datasets.kuairand_pure(folder, history_length=4)
    assert column(longer, "valid", "watch_history") == [[None] * 4, [None] * 4]
    assert column(longer, "test", "watch_history")[1] == [10, 11, 12, None]


def test_history_shares_the_table_of_the_video(folder):
    schema = ke.datasets.kuairand_pure(folder, history_length=7).schema
    assert schema["watch_history"] == ke.Sequence("watch_history", 5, 7, table="video_id")
    assert schema["video_id"].vocabulary_size == 5


@pytest.mark.parametrize("history_length", [1, 2, 50])
def test_history_file_gives_what_the_logs_give(folder, history_length):
    from_logs = ke.datasets.kuairand_pure(folder, history_length)
    (folder / EARLIER_LOG).unlink()
    histories = {"user_id": [1, 4], "watch_seq": [[10, 11, 12], [14]], "history_len": [3, 1]}
    pl.DataFrame(histories).write_parquet(folder / HISTORY)
    from_file = ke.datasets.kuairand_pure(folder, history_length)
    assert from_file.schema == from_logs.schema
    assert from_file.vocabularies == from_logs.vocabularies
    for split in ("train", "valid", "test"):
        np.testing.assert_array_equal(
            getattr(from_file, split).features["watch_history"],
            getattr(from_logs, split).features["watch_history"],
        )


def test_history_counts_every_impression_once_for_each_row_of_the_log(tmp_path):
    twice = [impression(1, 11, 20220423), impression(1, 11, 20220423)]
    folder = write_files(tmp_path, [*twice, *ROWS], EARLIER)
    data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "watch_history")[0][:6] == [10, 11, 11, 11, 12, None]


def test_equal_rows_are_dropped_and_others_kept(tmp_path):
    first = impression(1, 10, 20220425, is_click=1)
    log = [first, first, first | {"play_time_ms": 7}, impression(2, 11, 20220503), first]
    data = ke.datasets.kuairand_pure(write_files(tmp_path, log))
    assert len(data.train) == 2
    assert len(data.valid) == 1
    assert len(data.test) == 0


def test_outcomes_never_enter(tmp_path):
    """Every outcome, and a column nobody knows, tells the label; no feature may."""
    generator = np.random.default_rng(0)
    log = []
    for number in range(400):
        label = int(generator.integers(2))
        outcomes = dict.fromkeys(OUTCOME_COLUMNS, label * 1000 + 7)
        day = 20220425 + number // 100 if number < 300 else 20220503
        log.append(impression(1, 10, day, label, time_ms=number, **outcomes, rating=label))
    folder = write_files(tmp_path, log[:0], [impression(1, 10, 20220410)], [user(1)], [video(10)])
    write_csv(folder / LOG, log, [*LOG_HEADER, "rating"])
    data = ke.datasets.kuairand_pure(folder)
    forbidden = {"is_click", *OUTCOME_COLUMNS, "rating", "time_ms", "date", "hourmin", "is_rand"}
    assert not forbidden & set(data.train.features)
    assert len(OUTCOME_COLUMNS) == 10
    for split in (data.train, data.valid):
        for name, values in split.features.items():
            assert (values == values[0]).all(), name


def test_features_are_those_of_the_schema_and_the_group(folder):
    data = ke.datasets.kuairand_pure(folder)
    assert data.schema.label == "is_click"
    assert data.schema.group_column == "user_id_group"
    for split in (data.train, data.valid, data.test):
        assert list(split.features) == list(data.schema.names)
        assert list(split.group) == ["user_id_group"]
        for feature in data.schema.features:
            values = split.features[feature.name]
            assert values.dtype == np.int32
            assert values.max(initial=0) < feature.vocabulary_size


def test_group_is_the_exact_user_in_every_split(folder):
    data = ke.datasets.kuairand_pure(folder)
    assert data.train.group["user_id_group"].tolist() == [0, 1, 0]
    assert data.valid.group["user_id_group"].tolist() == [2, 1]
    assert data.test.group["user_id_group"].tolist() == [1, 0]
    assert data.train.group["user_id_group"].dtype == np.int32


def test_users_and_videos_are_joined_and_constant_columns_left_out(tmp_path):
    users = [
        user(1, fans_user_num_range="[10,100)", onehot_feat4="", register_days=5),
        user(2, fans_user_num_range="[1,10)", onehot_feat4="2.0", register_days=6),
        user(3, fans_user_num_range="0", onehot_feat4="3.0", is_video_author=1),
    ]
    videos = [video(10, tag="39,68"), video(11, tag=""), video(12), video(13, tag="5"), video(14)]
    data = ke.datasets.kuairand_pure(write_files(tmp_path, ROWS, EARLIER, users, videos))
    context = ("user_id", "video_id", "tab", "hour", "duration_bucket")
    joined = ("fans_user_num_range", "onehot_feat4", "author_id", "tag")
    assert data.schema.names == (*context, *joined, "watch_history")
    assert column(data, "train", "fans_user_num_range") == ["[10,100)", "[1,10)", "[10,100)"]
    assert column(data, "valid", "fans_user_num_range") == ["?", "[1,10)"]
    assert column(data, "train", "onehot_feat4") == ["?", "2.0", "?"]
    assert column(data, "train", "author_id") == ["110", "110", "111"]
    assert column(data, "train", "tag") == ["39,68", "39,68", "?"]


def test_all_official_columns_that_vary_enter(tmp_path):
    first, second = user(1), user(2)
    second |= {name: "other" for name in second if name != "user_id"}
    old, new = video(10), video(11)
    new |= {name: "other" for name in new if name != "video_id"}
    log = [impression(1, 10, 20220425), impression(2, 11, 20220426)]
    data = ke.datasets.kuairand_pure(write_files(tmp_path, log, (), [first, second], [old, new]))
    # In the official files two of these 39, is_lowactive_period and visible_status, are constant.
    assert len(data.schema.features) == 39 + 1


def test_unknown_users_and_videos_have_no_features_but_stay(tmp_path, caplog):
    users = [user(1, user_active_degree="low_active"), user(3)]
    folder = write_files(tmp_path, ROWS, EARLIER, users, [video(10), video(11), video(12)])
    with caplog.at_level(logging.WARNING):
        data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "user_active_degree") == ["low_active", "?", "low_active"]
    assert column(data, "train", "user_id") == [1, 2, 1]
    assert f"{USERS} lacks 1 values of user_id, in 3 impressions" in caplog.text
    assert f"{VIDEOS} lacks 1 values of video_id, in 2 impressions" in caplog.text


@pytest.mark.parametrize("place", ["", "data", "KuaiRand-Pure/data"])
def test_finds_the_files_below_the_folder(tmp_path, place):
    write_files(tmp_path / place, ROWS, EARLIER)
    assert len(ke.datasets.kuairand_pure(str(tmp_path)).train) == 3


def test_an_empty_folder_is_told_in_three_lines(tmp_path):
    with pytest.raises(ke.datasets.DatasetNotFoundError) as error:
        ke.datasets.kuairand_pure(tmp_path)
    files, place, source = str(error.value).splitlines()
    for name in (LOG, EARLIER_LOG, USERS, VIDEOS):
        assert name in files.partition("Missing:")[2]
    assert str(tmp_path) in place
    for word in ("KuaiRand-Pure.tar.gz", "zenodo.org/records/10439422", "kuairand.com", "CC BY-SA"):
        assert word in source
    assert isinstance(error.value, FileNotFoundError)


def test_only_what_is_missing_is_called_missing(folder):
    (folder / EARLIER_LOG).unlink()
    with pytest.raises(ke.datasets.DatasetNotFoundError) as error:
        ke.datasets.kuairand_pure(folder)
    assert str(error.value).splitlines()[0].endswith(f"Missing: {EARLIER_LOG}.")


def rewrite(path, line, name, value):
    """Put a value into a line of a CSV file; line 1 is its header."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    rows[line - 2][name] = value
    write_csv(path, rows, list(rows[0]))


@pytest.mark.parametrize(
    ("file", "line", "name", "value", "shown"),
    [
        (LOG, 3, "is_click", 2, "0 or 1. Received: 2"),
        (LOG, 4, "is_click", "yes", "Received: 'yes'"),
        (LOG, 2, "is_click", "", "Received: an empty field"),
        (LOG, 5, "hourmin", "12:30", "Received: '12:30'"),
        (LOG, 5, "hourmin", 2400, "Received: 2400"),
        (LOG, 5, "hourmin", 1260, "Received: 1260"),
        (LOG, 9, "date", 20220509, "to 20220508. Received: 20220509"),
        (LOG, 9, "date", "2022-05-08", "Received: '2022-05-08'"),
        (LOG, 9, "user_id", "1.5", "Received: '1.5'"),
        (LOG, 2, "video_id", "", "Received: an empty field"),
        (LOG, 2, "duration_ms", -1, "Received: -1"),
        (LOG, 2, "duration_ms", "long", "Received: 'long'"),
        (EARLIER_LOG, 3, "time_ms", "noon", "Received: 'noon'"),
        (EARLIER_LOG, 3, "date", 0, "Received: 0"),
        (USERS, 3, "user_id", "two", "Received: 'two'"),
        (USERS, 3, "user_id", 1, "every user_id once. Received: 1"),
        (VIDEOS, 4, "video_id", 10, "every video_id once. Received: 10"),
    ],
)
def test_a_bad_value_is_named_with_file_and_line(folder, file, line, name, value, shown):
    rewrite(folder / file, line, name, value)
    with raises_value_error(f"{file}, line {line}, column '{name}'", shown):
        ke.datasets.kuairand_pure(folder)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (LOG, "is_click"),
        (LOG, "long_view"),
        (EARLIER_LOG, "time_ms"),
        (USERS, "onehot_feat17"),
        (VIDEOS, "tag"),
    ],
)
def test_a_missing_column_is_named(folder, file, name):
    with (folder / file).open() as source:
        rows = [{key: row[key] for key in row if key != name} for row in csv.DictReader(source)]
    write_csv(folder / file, rows, list(rows[0]))
    with raises_value_error(file, f"Missing: {name}"):
        ke.datasets.kuairand_pure(folder)


def test_missing_context_is_out_of_vocabulary(folder):
    rewrite(folder / LOG, 3, "tab", "")
    rewrite(folder / LOG, 3, "duration_ms", "")
    data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "tab") == ["?", 1, 1]
    assert column(data, "train", "duration_bucket") == ["?", 11, 10]


def test_files_of_another_kind_are_named(folder):
    (folder / USERS).write_bytes(b"")
    with raises_value_error(USERS, "empty"):
        ke.datasets.kuairand_pure(folder)
    (folder / USERS).write_text("user_id\n1,2,3\n")
    with raises_value_error(USERS, "Missing"):
        ke.datasets.kuairand_pure(folder)


def test_a_line_with_too_few_fields_is_named(folder):
    lines = (folder / LOG).read_text().splitlines(keepends=True)
    lines[2] = lines[2].rpartition(",")[0] + "\n"
    (folder / LOG).write_text("".join(lines))
    with raises_value_error(f"{LOG}, line 3", "fields"):
        ke.datasets.kuairand_pure(folder)


@pytest.mark.parametrize(
    "columns",
    [
        {"user_id": [1]},
        {"user_id": ["a"], "watch_seq": [[1]]},
        {"user_id": [1], "watch_seq": [1.5]},
    ],
)
def test_a_bad_history_file_is_named(folder, columns):
    pl.DataFrame(columns).write_parquet(folder / HISTORY)
    with raises_value_error(HISTORY, "watch_seq", "lists of integers"):
        ke.datasets.kuairand_pure(folder)


def test_a_user_with_two_histories_is_named(folder):
    histories = {"user_id": [1, 1], "watch_seq": [[1], [2]]}
    pl.DataFrame(histories).write_parquet(folder / HISTORY)
    with raises_value_error(HISTORY, "user_id", "twice or more: 1"):
        ke.datasets.kuairand_pure(folder)


def test_without_training_days_there_is_nothing_to_learn(tmp_path):
    folder = write_files(tmp_path, [impression(1, 10, 20220424), impression(1, 10, 20220503)])
    with raises_value_error(LOG, 20220425, 20220503, "none"):
        ke.datasets.kuairand_pure(folder)


def test_order_of_rows_and_histories_is_kept_in_a_longer_log(tmp_path):
    """Joins must not reorder rows: every row carries features of its own user and video."""
    generator = np.random.default_rng(0)
    people, items = generator.integers(0, 300, 5000), generator.integers(0, 200, 5000)
    log = [
        impression(int(u), int(v), 20220425 + i // 1000, i % 2, time_ms=i)
        for i, (u, v) in enumerate(zip(people, items, strict=True))
    ]
    earlier = [impression(u, u % 200, 20220410) for u in range(0, 300, 2)]
    users = [user(u, onehot_feat3=u) for u in range(300)]
    folder = write_files(tmp_path, log, earlier, users, [video(v) for v in range(200)])
    data = ke.datasets.kuairand_pure(folder)
    assert column(data, "train", "user_id") == people.tolist()
    assert column(data, "train", "onehot_feat3") == [str(u) for u in people]
    assert column(data, "train", "author_id") == [str(100 + v) for v in items]
    first_watched = [words[0] for words in column(data, "train", "watch_history")]
    assert first_watched == [None if u % 2 else u % 200 for u in people]
    assert data.train.labels.tolist() == [i % 2 for i in range(5000)]


def test_the_preprocessor_encodes_further_rows(folder):
    data = ke.datasets.kuairand_pure(folder, history_length=2)
    integers = {"user_id": 2, "video_id": 11, "tab": 1, "hour": 12, "duration_bucket": 11}
    row = {**dict.fromkeys(data.preprocessor.sources, "x"), **integers}
    row["watch_history"] = [12, 10, 11]
    features = data.preprocessor.features([row])
    assert decode(data, "video_id", features["video_id"]) == [11]
    assert decode(data, "watch_history", features["watch_history"]) == [[10, 11]]


def test_other_days(folder):
    data = ke.datasets.kuairand_pure(folder, valid_from=20220502, test_from=20220504)
    assert [len(split) for split in (data.train, data.valid, data.test)] == [2, 2, 3]
    # Vocabularies are of the training rows alone.
    assert column(data, "valid", "video_id") == [11, "?"]
    with raises_value_error("valid_from=20220505", "test_from=20220503"):
        ke.datasets.kuairand_pure(folder, valid_from=20220505, test_from=20220503)


def test_several_tasks(tmp_path):
    rows = [{**row, "is_like": number % 2} for number, row in enumerate(ROWS)]
    folder = write_files(tmp_path, rows, EARLIER)
    data = ke.datasets.kuairand_pure(folder, labels=["is_like", "is_click"])
    assert data.schema.labels == ("is_like", "is_click")
    assert data.train.labels.tolist() == [[1, 1], [0, 0], [1, 1]]
    alone = ke.datasets.kuairand_pure(folder)
    assert data.schema.features == alone.schema.features
    np.testing.assert_array_equal(data.valid.labels[:, 1], alone.valid.labels)
    with raises_value_error("is_click, long_view, is_like", "'play_time_ms'"):
        ke.datasets.kuairand_pure(folder, labels=["play_time_ms"])
