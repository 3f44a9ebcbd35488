"""Dates and times: parts by hand, in all storages, zones and units."""

import datetime

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

# A Saturday in the fifth ISO week.
INSTANT = datetime.datetime(2026, 1, 31, 23, 30, 5, 250_000)
SECONDS = 1_769_902_205.25
PARTS = {
    "minute": 30,
    "hour": 23,
    "weekday": 6,
    "day": 31,
    "week": 5,
    "month": 1,
    "quarter": 1,
    "year": 2026,
}


def parts(values, unit=None, timezone=None, names=tuple(PARTS), dtype=None):
    """The known values of each part of one instant."""
    column = ke.data.DateColumn("t", names, timezone=timezone, unit=unit)
    frame = pl.DataFrame({"t": pl.Series(values, dtype=dtype), "label": [0] * len(values)})
    vocabularies = ke.data.from_dataframe(
        frame, recipe=ke.data.Recipe([column])
    ).preprocessor.vocabularies
    return {name.removeprefix("t_"): words.values[0] for name, words in vocabularies.items()}


@pytest.mark.parametrize(
    ("value", "unit", "dtype"),
    [
        (INSTANT, None, pl.Datetime("ms")),
        (INSTANT, None, pl.Datetime("ns")),
        (INSTANT.replace(tzinfo=datetime.UTC), None, None),
        (
            INSTANT.replace(tzinfo=datetime.UTC).astimezone(
                datetime.timezone(datetime.timedelta(hours=5, minutes=30))
            ),
            None,
            None,
        ),
        ("2026-01-31 23:30:05.25", None, None),
        ("2026-01-31T23:30:05Z", None, None),
        ("2026-01-31 23:30", None, None),
        (" 2026-02-01 00:30:05+01:00 ", None, None),
        (SECONDS, "s", None),
        (int(SECONDS), "s", None),
        (str(int(SECONDS)), "s", None),
        (int(SECONDS * 1000), "ms", None),
        (int(SECONDS * 10**6), "us", None),
        (int(SECONDS) * 10**9, "ns", None),
    ],
)
def test_one_instant_in_all_storages(value, unit, dtype):
    assert parts([value], unit, dtype=dtype) == PARTS


def test_dates_have_no_time():
    expected = {**PARTS, "minute": 0, "hour": 0}
    for value in (INSTANT.date(), "2026-01-31"):
        assert parts([value]) == expected


def test_zones():
    # An hour later in winter, on the next day; two in summer.
    berlin = parts([INSTANT], timezone="Europe/Berlin")
    assert (berlin["hour"], berlin["weekday"], berlin["month"]) == (0, 7, 2)
    summer = parts([INSTANT.replace(month=7)], timezone="Europe/Berlin", names=["hour"])
    assert summer == {"hour": 1}


def test_age_in_days():
    column = ke.data.DateAge("t", transform="none", fill=0.0)
    values = ["1970-01-02", "1970-01-03 12:00", None]
    frame = pl.DataFrame({"t": values, "label": [0, 1, 0]})
    data = ke.data.from_dataframe(frame, recipe=ke.data.Recipe([column]))
    np.testing.assert_array_equal(data.train.features["t"], np.array([1, 2.5, 0], "float32"))
    column = ke.data.DateColumn("t", parts=["age_in_days"])
    data = ke.data.from_dataframe(frame, recipe=ke.data.Recipe([column]))
    ages = data.train.features["t_age_in_days"]
    assert ages[0] < ages[2] < ages[1]
    new = data.features({"t": ["2026-01-01"]})["t_age_in_days"]
    np.testing.assert_array_equal(new, ages[1:2])


def test_missing_and_unseen_are_out_of_vocabulary():
    frame = pl.DataFrame({"t": [INSTANT, None], "label": [0, 1]})
    recipe = ke.data.Recipe([ke.data.DateColumn("t", parts=["hour"])])
    data = ke.data.from_dataframe(frame, recipe=recipe)
    assert data.train.features["t_hour"].tolist() == [1, 2]
    assert data.features({"t": [INSTANT.replace(hour=3)]})["t_hour"].tolist() == [2]


def test_a_prepared_folder_is_the_same(tmp_path):
    hours = pl.datetime_range(
        INSTANT, INSTANT + datetime.timedelta(days=9), "7h", eager=True
    ).alias("t")
    frame = hours.to_frame().with_columns(label=pl.lit(0))
    frame.write_csv(tmp_path / "train.csv")
    frame.write_parquet(tmp_path / "valid.parquet")
    recipe = ke.data.Recipe([ke.data.DateColumn("t", timezone="Asia/Kolkata")])
    files = {"train": tmp_path / "train.csv", "valid": tmp_path / "valid.parquet"}
    ke.data.prepare(files, recipe, tmp_path / "out", progress=False)
    assert ke.data.Manifest.load(tmp_path / "out").recipe == recipe
    expected = ke.data.from_dataframe(frame, recipe=recipe).train.features
    for split in files:
        batch = next(iter(ke.data.load(tmp_path / "out", split, 100).as_numpy_iterator()))
        for name, ids in expected.items():
            np.testing.assert_array_equal(batch[0][name], ids)


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        (["2026-01-31", "31.01.2026"], None, ["Row 1", "'t'", "2026-01-31", "'31.01.2026'"]),
        ([1_700_000_000], None, ["Row 0", "'t'", "unit", "1700000000"]),
        ([1_700_000_000_000], "s", ["Row 0", "'t'", "number of s", "1700000000000"]),
        (["soon"], "s", ["Row 0", "'t'", "number of s", "'soon'"]),
    ],
)
def test_what_is_no_instant(values, unit, words):
    with raises_value_error(*words):
        parts(values, unit)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ke.data.DateColumn("t", parts=["hours"]), ["'t'", "parts", "hours", "weekday"]),
        (lambda: ke.data.DateColumn("t", parts=[]), ["'t'", "parts"]),
        (lambda: ke.data.DatePart("t", part="second"), ["'t'", "part", "second", "minute"]),
        (lambda: ke.data.DatePart("t", timezone="Berlin"), ["'t'", "timezone", "Europe/Berlin"]),
        (lambda: ke.data.DatePart("t", unit="min"), ["'t'", "unit", "min", "ms"]),
        (lambda: ke.data.DatePart("t", fill=0), ["'t'", "fill"]),
        (lambda: ke.data.DateAge("t", expression="t + 1"), ["'t'", "expression"]),
    ],
)
def test_bad_arguments(make, words):
    with raises_value_error(*words):
        make()
