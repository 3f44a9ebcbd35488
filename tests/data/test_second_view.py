"""Numbers of larger tables are two features, each of which knows what the other does not."""

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.columns.all_columns import CategoricalColumn, NumericColumn

pytestmark = pytest.mark.backend_free

ROWS = 5_000
RNG = np.random.default_rng(0)


def infer(values, name="x", **arguments):
    frame = pl.DataFrame({name: values, "label": RNG.integers(0, 2, len(values))})
    return list(ke.data.infer_recipe(frame, **arguments).columns)


def number(name, source, transform="quantile"):
    return NumericColumn(name, "median", source=source, transform=transform)


@pytest.mark.parametrize(
    ("name", "values", "first", "second"),
    [
        (
            "gain",
            np.where(RNG.random(ROWS) < 0.9, 0, RNG.choice([2174, 5013, 5178, 99999], ROWS)),
            CategoricalColumn("gain", "integer"),
            number("gain_number", "gain"),
        ),
        (
            "tips",
            RNG.choice([0.0, 0.5, 1.25], ROWS),
            number("tips", None),
            CategoricalColumn("tips_value", "string", source="tips"),
        ),
        (
            "price",
            RNG.lognormal(8, 2, ROWS),
            number("price", None),
            number("price_bucket", "price", "bucketize"),
        ),
        (
            "age",
            RNG.integers(17, 91, ROWS),
            CategoricalColumn("age", "integer"),
            number("age_number", "age"),
        ),
        (
            "years",
            [None, *map(float, RNG.integers(17, 91, ROWS - 1))],
            CategoricalColumn("years", "integer"),
            number("years_number", "years"),
        ),
    ],
)
def test_each_kind(name, values, first, second):
    assert infer(values, name) == [first, second]
    # Fewer rows, and what was asked for, are taken as they are.
    assert infer(values[1:], name)[1:] == []
    kind = "numeric" if isinstance(first, NumericColumn) else "categorical"
    assert infer(values, name, **{kind: [name]}) == [first]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("item_id", RNG.integers(0, 100, ROWS)),
        ("item", RNG.integers(0, 300, ROWS)),
        ("is_new", RNG.integers(0, 2, ROWS)),
        ("city", RNG.choice(["Ulm", "Bonn", "Kiel"], ROWS)),
    ],
)
def test_what_has_no_order_has_one_feature(name, values):
    assert len(infer(values, name)) == 1


def test_it_is_said_and_leaves_other_columns_alone():
    frame = pl.DataFrame(
        {
            "price": RNG.lognormal(8, 2, ROWS),
            "tax": RNG.lognormal(2, 1, ROWS),
            "tax_bucket": RNG.choice(["a", "b", "c"], ROWS),
            "label": RNG.integers(0, 2, ROWS),
        }
    )
    data = ke.data.from_dataframe(frame)
    assert data.schema.names == ("price", "price_bucket", "tax", "tax_bucket")
    assert "number, buckets" in str(data)
    buckets = data.train.features["price_bucket"]
    assert np.bincount(buckets)[1:33].min() > ROWS / 32 - 2
    # Both read one raw column.
    again = data.features(frame.drop("tax_bucket").with_columns(tax_bucket=pl.lit("a")).head(3))
    np.testing.assert_array_equal(again["price_bucket"], buckets[:3])


def test_a_group_has_no_order():
    frame = pl.DataFrame({"user": RNG.integers(0, 50, ROWS), "label": RNG.integers(0, 2, ROWS)})
    [column] = ke.data.infer_recipe(frame, group="user").columns
    assert column == CategoricalColumn("user", "integer")
