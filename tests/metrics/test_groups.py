"""Groups of any type: equal values are one group, however a batch stores them."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.metrics.exact_accumulators import GroupCodes

LABELS = np.array([0, 1, 0, 0, 1, 1, 0, 1])
SCORES = np.array([0.1, 0.4, 0.4, 0.5, 0.2, 0.9, 0.3, 0.3])
NUMBERS = np.array([7, 7, 9, 9, 9, 7, 8, 8])
DAYS = np.array("2026-01-01", "datetime64[D]") + NUMBERS
GROUPS = {
    "text": np.array([f"user_{number}" for number in NUMBERS]),
    "bytes": np.array([f"user_{number}" for number in NUMBERS]).astype("S"),
    "objects": np.array([f"user_{number}" for number in NUMBERS], object),
    "floats": NUMBERS + 0.25,
    "half": (NUMBERS + 0.5).astype("float32"),
    "decimals": np.array([Decimal(int(number)) / 4 for number in NUMBERS], object),
    "days": DAYS,
    "times": DAYS.astype("datetime64[ns]") + np.timedelta64(1, "ns"),
    "dates": DAYS.astype(object),
    "booleans": NUMBERS > 7,
}


@pytest.mark.parametrize("kind", GROUPS)
def test_gauc_of_groups_of_any_type(kind):
    numbers = NUMBERS > 7 if kind == "booleans" else NUMBERS
    expected = ke.metrics.group_auc(LABELS, SCORES, numbers.astype(int))
    assert ke.metrics.group_auc(LABELS, SCORES, GROUPS[kind]) == expected
    assert 0 < expected < 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DAYS, DAYS.astype("datetime64[ns]")),
        (DAYS.astype("datetime64[s]"), DAYS.astype(object)),
        (NUMBERS.astype("int8"), NUMBERS.astype("float64")),
        (NUMBERS + 0.5, np.array((NUMBERS + 0.5).tolist(), object)),
    ],
)
def test_equal_groups_of_two_batches_are_one(one, other):
    codes = GroupCodes()
    np.testing.assert_array_equal(codes.encode(one), codes.encode(other))


def test_a_nanosecond_tells_groups_apart():
    times = np.array(["2026-01-01T00:00:00.000000001", "2026-01-01"], "datetime64[ns]")
    assert len(set(GroupCodes().encode(times).tolist())) == 2


FRAME = {
    "user": [f"u{number}" for number in NUMBERS],
    "item": ["a", "b", "a", "c", "b", "a", "c", "b"],
    "click": LABELS.tolist(),
}
TYPES = {
    "text": FRAME["user"],
    "floats": (NUMBERS + 0.5).tolist(),
    "days": [datetime.date(2026, 1, int(number)) for number in NUMBERS],
    "long": (NUMBERS + 2**40).tolist(),
}


@pytest.mark.parametrize("kind", TYPES)
def test_the_group_of_a_table_and_of_prepared_files_is_the_same(tmp_path, kind):
    frame = pl.DataFrame({**FRAME, "user": TYPES[kind]})
    columns = [ke.data.CategoricalColumn("item")]
    recipe = ke.data.Recipe(columns, "click", group="user", group_dtype="string")
    assert ke.data.Recipe.from_json(recipe.to_json()) == recipe
    table = ke.data.from_dataframe(frame, recipe=recipe)
    groups = table.train.group["user"]
    assert groups.dtype == np.int64
    _, expected = np.unique(NUMBERS, return_inverse=True)
    _, first = np.unique(groups, return_index=True)
    assert len(first) == 3
    for group in range(3):
        assert len(set(groups[expected == group].tolist())) == 1
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"rows.{suffix}"
        frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
        ke.data.prepare({"train": path}, recipe, tmp_path / suffix, progress=False)
        (features, label), *_ = ke.data.load(tmp_path / suffix, "train", 8, with_group=True)
        np.testing.assert_array_equal(features["user"].numpy(), groups)
        np.testing.assert_array_equal(label.numpy(), table.train.labels)
    model = ke.models.LogisticRegression(table.schema)
    scores = model.predict(table.train.features, verbose=0)[:, 0]
    found = ke.evaluate(model, table.train)["gauc"]
    assert found == ke.metrics.group_auc(LABELS, scores, NUMBERS)
    model.compile()
    model.fit(table.train.features, table.train.labels, verbose=0)


def test_a_recipe_is_inferred_for_groups_of_any_type():
    for frame in (pd.DataFrame(FRAME), pl.DataFrame(FRAME)):
        table = ke.data.from_dataframe(frame, label="click", group="user")
        assert table.recipe.group_dtype == "string"
        assert table.schema.group_column == "user_group"
        assert len(set(table.train.group["user_group"].tolist())) == 3
    numbers = ke.data.infer_recipe(pl.DataFrame({**FRAME, "user": NUMBERS}), "click", "user")
    assert numbers.group_dtype == "integer"


def test_a_missing_group_is_named():
    frame = pl.DataFrame({**FRAME, "user": [*FRAME["user"][:3], None, *FRAME["user"][4:]]})
    with pytest.raises(ValueError, match="Row 3, column 'user': expected a group"):
        ke.data.from_dataframe(frame, label="click", group="user")
