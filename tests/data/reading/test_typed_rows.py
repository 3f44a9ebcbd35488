import math

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import keras_elastor as ke
from keras_elastor.data.reading.typed_rows import parse_expression, type_rows
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

Categorical, History, Number = (
    ke.data.CategoricalColumn,
    ke.data.SequenceColumn,
    ke.data.NumericColumn,
)
BUCKET = "CASE WHEN x > 2 THEN FLOOR(POWER(LN(x), 2)) ELSE x END"
WEEKDAY = "EXTRACT(ISODOW FROM STRPTIME(SUBSTR(x, 1, 6), '%y%m%d')) % 7"


def typed(column, values, **recipe):
    """The values of a column and the numbers of its wrong rows."""
    frame = pl.DataFrame({"x": values, "label": pl.Series(["1"] * len(values))})
    rows, kept, bad = type_rows(frame.to_arrow(), ke.data.Recipe([column], **recipe), {})
    assert sorted([*kept, *(row.row for row in bad)]) == list(range(len(values)))
    return rows.features[column.name].to_pylist(), [(row.row, row.received) for row in bad]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (Categorical("x"), ["a", "", None, "07"], ["a", None, None, "07"]),
        (Categorical("x", fill="-"), ["a", "-", None], ["a", None, None]),
        (Categorical("x", dtype="integer"), ["7", "007", "-1", "3.0", ""], [7, 7, -1, 3, None]),
        (Categorical("x", dtype="integer", fill=0), ["0", "1", ""], [None, 1, None]),
        (
            Categorical("x", dtype="integer", fill=0, fill_is_known=True),
            ["0", "1", ""],
            [0, 1, 0],
        ),
        (Categorical("x", dtype="float", fill=0, fill_is_known=True), ["0.0", "", "2"], [0, 0, 2]),
        (Categorical("x", fill="-", fill_is_known=True), ["a", "-", None], ["a", "-", "-"]),
        (Categorical("x", dtype="float"), ["1.0", "2", ""], [1, 2, None]),
        (Categorical("x", dtype="integer"), [7.0, None], [7, None]),
        (Categorical("x"), [7, None], ["7", None]),
        (Number("x"), ["1.5", "", "-2e3"], [1.5, 0.0, -2000.0]),
        (Number("x", fill=7), ["", "1"], [7.0, 1.0]),
        (Number("x", expression="LN(1 + x)"), ["0", ""], [0.0, 0.0]),
        (History("x", 3), ["a^b", "", None, "a^^b"], [["a", "b"], [], [], ["a", None, "b"]]),
        (History("x", 3, dtype="integer", separator="|"), ["1|2", "3"], [[1, 2], [3]]),
        (History("x", 3), [["a", None], [], None], [["a", None], [], []]),
    ],
)
def test_right_values(column, values, expected):
    found, bad = typed(column, values)
    # A history of one missing element is an empty one.
    assert [value if value != [None] else [] for value in found] == expected
    assert not bad


@pytest.mark.parametrize(
    ("column", "values", "wrong"),
    [
        (Categorical("x", dtype="integer"), ["1", "a", "1.5", "nan", "1e300"], [1, 2, 3, 4]),
        (Categorical("x", dtype="integer"), [1.0, 1.5, math.nan], [1, 2]),
        (Number("x"), ["1", "one", "inf", "nan", "1e39", " 1", "1,5"], [1, 2, 3, 4, 5, 6]),
        (Number("x", fill=None), ["1", ""], [1]),
        (Number("x", expression="LN(x)"), ["1", "0", "-1"], [1, 2]),
        (History("x", 3, dtype="integer"), ["1^2", "1^a", "b"], [1, 2]),
        (Categorical("x", expression=WEEKDAY), ["14102100", "14135000", "x", "14102123"], [1, 2]),
    ],
)
def test_wrong_values_are_named(column, values, wrong):
    assert [row for row, _ in typed(column, values)[1]] == wrong


LISTS = [[1, 2], [], None, [3, 4]]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.large_list(pa.int32()),
        pa.list_view(pa.int64()),
        pa.large_list_view(pa.int16()),
        pa.list_(pa.int64(), 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["string", "integer"])
def test_every_storage_of_lists(kind, dtype):
    is_fixed = pa.types.is_fixed_size_list(kind)
    lists = [[1, 2], [0, 5], None, [3, 4]] if is_fixed else LISTS
    # A slice, so that the values do not begin at the start of their buffer.
    array = pa.array([[9, 9], *lists], kind)[1:]
    table = pa.table({"x": array, "label": [1] * len(lists)})
    rows, _, bad = type_rows(table, ke.data.Recipe([History("x", 3, dtype=dtype)]), {})
    convert = str if dtype == "string" else int
    expected = [[convert(item) for item in row or ()] for row in lists]
    assert rows.features["x"].to_pylist() == expected
    assert not bad


@pytest.mark.parametrize(
    "array",
    [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([[[1]]]), pa.array([b"\xff"])],
    ids=str,
)
@pytest.mark.parametrize(
    "column", [Categorical("x"), Categorical("x", dtype="integer"), Number("x")], ids=repr
)
def test_nested_values_and_bytes_are_named(array, column):
    table = pa.table({"x": array, "label": [1]})
    _, kept, bad = type_rows(table, ke.data.Recipe([column]), {})
    assert [(problem.row, problem.column) for problem in bad] == [(0, "x")]
    assert not len(kept)


def test_the_buckets_of_criteo():
    values = [-2, 0, 1, 2, 3, 10, 1000, 10**7]
    expected = [v if v <= 2 else int(np.floor(np.log(v) ** 2)) for v in values]
    column = Categorical("x", dtype="float", fill=0, expression=BUCKET)
    assert typed(column, [*map(str, values), ""]) == (
        [value if value != 0 else None for value in expected] + [None],
        [],
    )


def test_the_weekday_of_avazu_begins_with_sunday():
    days = ["14102600", "14102723", "14110100"]
    assert typed(Categorical("x", expression=WEEKDAY), days)[0] == [0, 1, 6]


def test_labels_groups_and_weights():
    recipe = ke.data.Recipe([Number("x")], ("a", "b"), group="g", weight="w")
    frame = pl.DataFrame(
        {
            "x": ["1"] * 6,
            "a": ["0", "1", "1.00000001", "", "1", "1"],
            "b": ["1", "0.0", "1", "1", "1", "1"],
            "g": ["5", "-1", "1", "1", str(2**31), "1"],
            "w": ["1", "0", "1", "1", "1", "1e39"],
        }
    )
    rows, kept, bad = type_rows(frame.to_arrow(), recipe, {})
    assert kept.tolist() == [0, 1]
    assert rows.labels.tolist() == [[0, 1], [1, 0]]
    assert rows.group.tolist() == [5, -1]
    assert rows.weight.tolist() == [1, 0]
    assert [(row.row, row.column) for row in bad] == [(2, "a"), (3, "a"), (4, "g"), (5, "w")]
    assert bad[1].received == "an empty field"


def test_rows_without_a_label_for_predict():
    rows, _, bad = type_rows(
        pl.DataFrame({"x": ["2"]}).to_arrow(), ke.data.Recipe([Number("x")]), {}, with_label=False
    )
    assert rows.features["x"].to_pylist() == [2.0]
    assert rows.labels.shape == (1, 0)
    assert not bad


@pytest.mark.parametrize("expression", ["x +", "y + 1", "1", "LN(x", "SUBSTR(x, 1)"])
def test_a_wrong_expression_is_named(expression):
    with raises_value_error("'n'", expression):
        parse_expression(expression, Number("n", source="x", expression=expression))
