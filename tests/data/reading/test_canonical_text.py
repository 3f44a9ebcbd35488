"""One value, one text, whatever stores it."""

import datetime
from decimal import Decimal

import hypothesis
import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st

import keras_elastor as ke
from keras_elastor.data.reading.canonical_text import canonical_text

pytestmark = pytest.mark.backend_free

INSTANT = datetime.datetime(2024, 1, 31, 9, 30, 5, 120_000)
BERLIN = datetime.timezone(datetime.timedelta(hours=1))


def texts(values, dtype=None):
    found, bad = canonical_text(pl.Series(values, dtype=dtype))
    assert not bad.any()
    return found.to_list()


@pytest.mark.parametrize(
    "dtype", ["Int8", "UInt16", "Int64", "UInt64", "Float32", "Float64", "String", "Categorical"]
)
def test_a_whole_number_has_one_text_in_every_storage(dtype):
    values = ["101", None] if dtype in ("String", "Categorical") else [101, None]
    assert texts(values, getattr(pl, dtype)) == ["101", None]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([Decimal("101.00"), Decimal("1.50"), Decimal("100")], None, ["101", "1.5", "100"]),
        ([0.1, -0.0, -7.0, float("nan")], None, ["0.1", "0", "-7", None]),
        ([0.1, 16_777_215.0], pl.Float32, ["0.1", "16777215"]),
        ([2.0**53 - 1], None, ["9007199254740991"]),
        ([2**64 - 1], pl.UInt64, ["18446744073709551615"]),
        ([True, False, None], None, ["True", "False", None]),
        ([datetime.date(2024, 1, 31)], None, ["2024-01-31"]),
        ([INSTANT, None], pl.Datetime("ms"), ["2024-01-31 09:30:05.12", None]),
        ([INSTANT], pl.Datetime("us"), ["2024-01-31 09:30:05.12"]),
        ([INSTANT], pl.Datetime("ns"), ["2024-01-31 09:30:05.12"]),
        ([INSTANT.replace(microsecond=0)], None, ["2024-01-31 09:30:05"]),
        ([INSTANT.replace(tzinfo=BERLIN)], None, ["2024-01-31 08:30:05.12+00:00"]),
        (["É".encode(), None], None, ["É", None]),
    ],
)
def test_values_of_other_types(values, dtype, expected):
    assert texts(values, dtype) == expected


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([float("inf")], None),
        ([2.0**53], None),
        ([2.0**24], pl.Float32),
        ([b"\xff"], None),
        ([[1]], None),
        ([{"a": 1}], None),
    ],
)
def test_what_has_no_text_of_its_own_is_marked(values, dtype):
    assert canonical_text(pl.Series([*values, None], dtype=dtype))[1].to_list() == [True, False]


@hypothesis.given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1))
@hypothesis.settings(deadline=None)
def test_integers_survive_floats(values):
    assert texts(values, pl.Int64) == texts([float(value) for value in values])


STORAGES = {
    "int64": [101, 7, 101],
    "float64 with a missing value": [101.0, 7.0, None],
    "nullable": pl.Series([101, 7, None], dtype=pl.UInt16),
    "text": ["101", "7", "101"],
    "decimal": [Decimal("101.0"), Decimal("7.0"), Decimal("101.0")],
}


@pytest.mark.parametrize("trained_on", STORAGES)
@pytest.mark.parametrize("asked_with", STORAGES)
def test_ids_do_not_depend_on_the_storage(trained_on, asked_with):
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("user")], label="click")
    table = pl.DataFrame({"user": STORAGES[trained_on], "click": [0, 1, 1]})
    data = ke.data.from_dataframe(table, label="click", recipe=recipe)
    ids = {"101": 1, "7": 2, None: 3}
    if trained_on in ("float64 with a missing value", "nullable"):
        # Both values occur once; which comes first is the rule of ties.
        ids = dict(zip(["101", "7"], data.features(table)["user"][:2].tolist(), strict=True))
        ids[None] = 3
    new = pl.DataFrame({"user": STORAGES[asked_with]})
    expected = [ids[text] for text in texts(new["user"])]
    np.testing.assert_array_equal(data.features(new)["user"], expected)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pl.Series([Decimal("1.5"), Decimal("1.7")]), "a whole number"),
        (pl.Series([2.0**53, 1.0]), "below 9007199254740992"),
        (pl.Series([2**63, 1], dtype=pl.UInt64), "below 2^63"),
    ],
)
def test_no_integer_id_is_rounded(values, words):
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("user", "integer")], label="click")
    table = pl.DataFrame({"user": values, "click": [0, 1]})
    with pytest.raises(ValueError, match="user") as caught:
        ke.data.from_dataframe(table, label="click", recipe=recipe)
    assert words in str(caught.value)
