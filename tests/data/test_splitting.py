"""Parts of a table by time, by user and at random."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

ROWS = pl.DataFrame(
    {
        "user": [f"u{i % 50}" for i in range(1000)],
        "time": [(i * 7919) % 100 for i in range(1000)],
        "row": range(1000),
    }
)


def test_by_time_the_last_rows_are_for_test():
    train, test = ke.data.train_test_split(ROWS, 0.25, by="time", column="time")
    assert train["time"].max() == 74
    assert test["time"].min() == 75
    assert sorted([*train["row"], *test["row"]]) == list(range(1000))
    assert train["row"].is_sorted()


def test_by_user_no_user_is_on_both_sides():
    train, test = ke.data.train_test_split(ROWS, 0.3, by="user", column="user", seed=1)
    assert not set(train["user"]) & set(test["user"])
    assert len(set(test["user"])) == 15
    # A table of integers or floats of the same users gives the same side to each of them.
    sides = []
    for dtype in (pl.Int64, pl.Float64):
        numbers = ROWS.with_columns(pl.col("user").str.slice(1).cast(dtype))
        _, test = ke.data.train_test_split(numbers, 0.3, by="user", column="user", seed=1)
        sides.append(sorted(map(int, set(test["user"]))))
    assert sides[0] == sides[1]


def test_at_random_by_the_seed():
    train, test = ke.data.train_test_split(ROWS, 0.2)
    assert (len(train), len(test)) == (800, 200)
    again, other = (ke.data.train_test_split(ROWS, 0.2, seed=seed)[1] for seed in (0, 1))
    assert again.equals(test)
    assert not other.equals(test)
    # About a fifth of every tenth of the rows.
    counts = np.bincount(test["row"].to_numpy() // 100, minlength=10)
    assert counts.min() >= 8


def test_pandas_stays_pandas_with_its_index():
    frame = ROWS.to_pandas().set_index("row", drop=False)
    train, valid, test = ke.data.split_by_time(frame, "time")
    assert isinstance(train, pd.DataFrame)
    assert [len(part) for part in (train, valid, test)] == [800, 100, 100]
    assert list(test.index) == list(test["row"])
    dated = frame.assign(time=pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["time"], "D"))
    assert list(ke.data.split_by_time(dated, "time")[2]["row"]) == list(test["row"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=60), st.floats(0.1, 0.9))
def test_parts_keep_their_order_and_lose_nothing(times, test_size):
    rows = {"time": times, "row": list(range(len(times)))}
    try:
        train, test = ke.data.train_test_split(rows, test_size, by="time", column="time")
    except ValueError:
        # One instant, or one so frequent that nothing is left for a side.
        assert max(map(times.count, times)) > min(test_size, 1 - test_size) * len(times)
        return
    assert max(train["time"]) < min(test["time"])
    assert sorted([*train["row"], *test["row"]]) == rows["row"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"by": "day"}, ["random, time, user", "'day'"]),
        ({"test_size": 0}, ["above 0"]),
        ({"test_size": 1.5}, ["above 0", "1.5"]),
        ({"by": "time"}, ["`column`", "time"]),
        ({"by": "time", "column": "hour"}, ["'hour'", "user, time, row"]),
        ({"by": "user", "column": "gap"}, ["'gap'", "row 1", "an empty field"]),
        ({"by": "time", "column": "same"}, ["different", "'same'"]),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    rows = ROWS
    if arguments.get("column") == "gap":
        rows = pl.DataFrame({"gap": ["a", None, "b"]})
    if arguments.get("column") == "same":
        rows = pl.DataFrame({"same": [1, 1, 1]})
    with raises_value_error(*words):
        ke.data.train_test_split(rows, **arguments)
