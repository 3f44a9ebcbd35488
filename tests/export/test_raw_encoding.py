"""The encoding in a graph is that of `Preprocessor.encode`, or is refused."""

import datetime

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.export.artefact import Artefact
from keras_elastor.export.export import require_expressible
from keras_elastor.export.feeds import RowError, make_feeds
from keras_elastor.export.graph_ops import MISSING
from keras_elastor.export.onnx_ops import OnnxOps
from keras_elastor.export.raw_inputs import raw_inputs
from keras_elastor.export.sample_rows import sample_rows
from keras_elastor.export.tensorflow_ops import TensorFlowOps
from keras_elastor.export.torch_ops import TorchOps
from tests.export.graphs import encode_by_onnx
from tests.export.recipes import all_columns, all_rows, vector_file

pytestmark = pytest.mark.backend_free


def fit(columns, rows, **options):
    recipe = ke.data.Recipe(columns, label="click", **options)
    return ke.data.Preprocessor.fit(rows, recipe)[0]


def require_equal(found, expected):
    assert set(expected) <= set(found)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        if array.dtype == np.int32:
            np.testing.assert_array_equal(found[name], array, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6, err_msg=name)


def test_every_kind_of_column(tmp_path):
    rows = all_rows()
    preprocessor = fit(all_columns(vector_file(tmp_path)), rows, null_values=("b", "NULL"))
    found = encode_by_onnx(preprocessor, rows)
    require_equal(found, preprocessor.features(rows))
    assert not found["/wrong"].any()
    # The features do tell rows apart.
    for name, array in found.items():
        assert name == "/wrong" or len(np.unique(array)) > 1, name


def test_drawn_rows_with_unseen_missing_and_odd_values(tmp_path):
    preprocessor = fit(all_columns(vector_file(tmp_path)), all_rows(), null_values=("NULL",))
    drawn = sample_rows(preprocessor, raw_inputs(preprocessor), rows=400, seed=3)
    assert len(drawn["site"]) > 150
    assert {None, "", "NULL"} <= set(drawn["site"])
    assert set(drawn["site"]) & {"a", "b"}
    found = encode_by_onnx(preprocessor, drawn)
    require_equal(found, preprocessor.features(drawn))
    assert not found["/wrong"].any()


def test_ids_and_vectors_of_a_schema():
    schema = ke.FeatureSchema(
        [
            ke.Categorical("user", 5),
            ke.Sequence("history", 9, 3, "item"),
            ke.Numeric("x/y"),
            ke.Embedding("picture", 2),
        ]
    )
    preprocessor = ke.data.Preprocessor.from_schema(schema)
    rows = {
        "user": [0, 4, 1],
        "history": [[8, 1, 2, 3], [], [5]],
        "x/y": [0.5, -1.0, 2.0],
        "picture": [[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]],
    }
    found = encode_by_onnx(preprocessor, rows)
    require_equal(found, preprocessor.features(rows))
    assert found["/wrong"].tolist() == [False] * 3
    for column, value, expected in (
        ("user", 5, "an id from 0 to 4"),
        ("user", None, "a whole number"),
        ("history", [1, 9], "an id from 0 to 8"),
        ("x/y", None, "a finite number"),
        ("picture", [1.0], "a list of 2 numbers"),
    ):
        wrong = {name: list(values) for name, values in rows.items()}
        wrong[column][1] = value
        with pytest.raises(RowError, match=f"Row 1, column '{column}': expected {expected}"):
            make_feeds(raw_inputs(preprocessor).values(), wrong)


def test_values_that_the_predictor_refuses_are_told(tmp_path):
    columns = [
        ke.data.NumericColumn("price", fill=None),
        ke.data.CategoricalColumn("level", dtype="float"),
        ke.data.DateColumn("seen", ["hour"]),
    ]
    day = datetime.datetime(2026, 1, 31, 9)
    rows = {"price": [1.0, 2.0], "level": [1.0, 2.0], "seen": [day, day], "click": [0, 1]}
    preprocessor = fit(columns, rows)
    inputs = raw_inputs(preprocessor)
    feeds = make_feeds(inputs.values(), {name: values * 3 for name, values in rows.items()})
    feeds["price"][1] = np.nan
    feeds["price"][2] = np.inf
    feeds["level"][3] = 1.5
    feeds["seen"][4] = -(2**62)
    found = encode_by_onnx_feeds(preprocessor, feeds)
    assert found["/wrong"].tolist() == [False, True, True, True, True, False]


def encode_by_onnx_feeds(preprocessor, feeds):
    from keras_elastor.export.graph_ops import Value
    from keras_elastor.export.raw_encoding import RawEncoder
    from tests.export.graphs import ask

    inputs = raw_inputs(preprocessor)
    ops = OnnxOps()
    raw = {name: Value(ops, entry.tensor, entry.dtype) for name, entry in inputs.items()}
    features, wrong = RawEncoder(ops, preprocessor, inputs).encode(raw)
    return ask(ops, raw, {**features, "/wrong": wrong}, feeds, inputs)


@pytest.mark.parametrize(
    "expression",
    [
        "price * 2 - 1.5 / (1 + price)",
        "CASE WHEN price IS NULL THEN -1 WHEN price >= 3 AND NOT price = 5 THEN 1 ELSE price END",
        "COALESCE(price, 7)",
        "SQRT(ABS(price)) + CEIL(price) - SIGN(price)",
        "LOG10(1 + price) + LOG1P(price) + EXP(-price)",
        "CAST(price AS BIGINT)",
        "CASE WHEN price < 2 OR price > 5 THEN 1 ELSE 0 END",
        "CASE WHEN LN(price - 3) > 0 THEN 1 ELSE 0 END",
    ],
)
def test_expressions(expression):
    rows = {"price": [0.0, 1.5, 2.0, 3.0, 5.0, 7.25, 100.0], "click": [0, 1, 0, 1, 0, 1, 0]}
    column = ke.data.NumericColumn("y", fill=0.5, source="price", expression=expression)
    preprocessor = fit([column], rows)
    asked = {"price": [*rows["price"], None]}
    found = encode_by_onnx(preprocessor, asked)
    require_equal(found, preprocessor.features(asked))


def test_expressions_of_missing_numbers():
    expression = "CASE WHEN price > 2 THEN 1 WHEN price IS NULL THEN 3 ELSE 2 END"
    column = ke.data.CategoricalColumn("y", "float", expression=expression, source="price")
    rows = {"price": [1.0, 3.0, None, 3.0], "click": [0, 1, 0, 1]}
    preprocessor = fit([column], rows)
    require_equal(encode_by_onnx(preprocessor, rows), preprocessor.features(rows))


def refusal(column, rows, kind=OnnxOps, **options):
    preprocessor = fit([column, ke.data.CategoricalColumn("other")], rows, **options)
    with pytest.raises(ValueError, match=r"Column '\w+' cannot be exported") as error:
        require_expressible(preprocessor, Artefact.of(preprocessor, "onnx", {}), kind)
    return str(error.value)


ROWS = {"site": ["a", "b"], "other": ["1", "2"], "x": [1.0, 2.0], "click": [0, 1]}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ke.data.CategoricalColumn("site", hash_buckets=10), "hash_buckets=10"),
        (ke.data.CrossedColumn(["site", "other"], hash_buckets=10), "hash_buckets=10"),
        (
            ke.data.CategoricalColumn("part", source="site", expression="SUBSTR(site, 1, 1)"),
            "SUBSTR",
        ),
        (ke.data.NumericColumn("sine", source="x", expression="SIN(x)"), "SIN"),
        (ke.data.NumericColumn("number", source="other"), "text by 'other'"),
    ],
)
def test_what_no_format_expresses_is_refused_by_name(column, expected):
    assert expected in refusal(column, ROWS)


def test_what_one_format_cannot_express():
    column = ke.data.NumericColumn("x")
    assert "trim=True" in refusal(column, ROWS, trim=True)
    assert "PyTorch has no text" in refusal(column, ROWS, TorchOps)
    preprocessor = fit([ke.data.CategoricalColumn("site")], ROWS, trim=True)
    require_expressible(preprocessor, Artefact.of(preprocessor, "onnx", {}), TensorFlowOps)


def test_elements_that_hold_the_separator_are_refused():
    column = ke.data.SequenceColumn("site", 2)
    rows = {"site": [["a^b"], ["c"]], "other": ["1", "2"], "click": [0, 1]}
    assert "'a^b'" in refusal(column, rows)


def test_feeds_are_the_values_of_the_rows():
    columns = [
        ke.data.CategoricalColumn("text"),
        ke.data.CategoricalColumn("age", dtype="integer"),
        ke.data.SequenceColumn("texts", 2),
        ke.data.SequenceColumn("ages", 2, dtype="integer"),
        ke.data.DateColumn("seen", ["hour"]),
    ]
    rows = {
        "text": ["a", "b"],
        "age": [1, 2],
        "texts": ["a", "b"],
        "ages": [[1], [2]],
        "seen": ["2026-01-31", "2026-02-01"],
        "click": [0, 1],
    }
    preprocessor = fit(columns, rows, null_values=("NULL",))
    feeds = make_feeds(
        raw_inputs(preprocessor).values(),
        {
            "text": [True, 12.0, 0.25, datetime.datetime(2026, 1, 31, 9, 30, 0, 500_000), "NULL"],
            "age": ["12.0", "-7", 3.0, None, "NULL"],
            "texts": [["a", None, 3], "a^b", None, [], ["x"]],
            "ages": [[1, None, "3"], "4^^5", None, [], [6]],
            "seen": ["1970-01-01T01:00:00+01:00", "1970-01-02", None, "1969-12-31 23:59", ""],
        },
    )
    assert feeds["text"].tolist() == ["True", "12", "0.25", "2026-01-31 09:30:00.5", ""]
    assert feeds["age"].tolist() == [12, -7, 3, MISSING, MISSING]
    assert feeds["texts"].tolist() == ["a^^3", "a^b", "", "", "x"]
    assert feeds["ages"].tolist()[:2] == [[1, MISSING, 3], [4, MISSING, 5]]
    assert feeds["ages"].tolist()[2:] == [[MISSING] * 3, [MISSING] * 3, [6, MISSING, MISSING]]
    assert feeds["seen"].tolist() == [0, 86_400 * 10**6, MISSING, -60 * 10**6, MISSING]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", "many", "a whole number"),
        ("age", 2**63, "below 2\\^63"),
        ("age", "9" * 5000, "a whole number"),
        ("age", [1], "a whole number"),
        ("price", "1e999", "a finite number"),
        ("price", float("inf"), "a finite number"),
        ("price", True, None),
        ("site", 1e300, "text"),
        ("site", {"a": 1}, "text"),
        ("history", ["a^b"], "elements without"),
    ],
)
def test_wrong_values_are_named(column, value, expected):
    columns = [
        ke.data.CategoricalColumn("site"),
        ke.data.CategoricalColumn("age", dtype="integer"),
        ke.data.NumericColumn("price"),
        ke.data.SequenceColumn("history", 2),
    ]
    rows = {"site": ["a"], "age": [1], "price": [1.0], "history": ["a"], "click": [1]}
    inputs = raw_inputs(fit(columns, rows))
    asked = {name: [*rows[name], rows[name][0]] for name in inputs}
    asked[column][1] = value
    if expected is None:
        assert make_feeds(inputs.values(), asked)[column].tolist() == [1.0, 1.0]
        return
    with pytest.raises(RowError, match=f"Row 1, column '{column}': expected .*{expected}"):
        make_feeds(inputs.values(), asked)


def test_rows_of_many_columns_of_whole_numbers_are_right():
    """As Criteo's: one number that is not whole would have the row refused."""
    columns = [ke.data.CategoricalColumn(f"C{i}", dtype="float", fill=0) for i in range(26)]
    random = np.random.default_rng(0)
    rows = {column.name: random.integers(1, 9, 50).astype(float).tolist() for column in columns}
    preprocessor = fit(columns, {**rows, "click": [0, 1] * 25})
    drawn = sample_rows(preprocessor, raw_inputs(preprocessor), rows=100, seed=0)
    assert len(drawn["C0"]) == 100
    features, _ = preprocessor.encode(pl.DataFrame(drawn))
    known = np.mean([ids < 9 for ids in features.values()])
    assert 0.6 < known < 0.95
    require_equal(encode_by_onnx(preprocessor, drawn), features)
