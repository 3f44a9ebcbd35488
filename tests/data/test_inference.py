"""What columns are taken for, and what is left out, said and asked for."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.columns.all_columns import CategoricalColumn, NumericColumn, SequenceColumn
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

ROWS = 400
RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 2, ROWS)
NOON = datetime.datetime(2026, 1, 31, 12)


def infer(values, name="x", **arguments):
    """The column that a recipe has for some values; a second one keeps the table a table."""
    frame = pl.DataFrame({name: values, "other": LABEL % 2 + RNG.integers(0, 3, len(values))})
    frame = frame.with_columns(label=pl.Series(LABEL[: len(values)]))
    columns = ke.data.infer_recipe(frame, **arguments).columns
    return columns[0]


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("age", RNG.integers(18, 90, ROWS)),
            ("user", RNG.integers(0, 300, ROWS)),
            ("item_id", RNG.lognormal(8, 2, ROWS).astype(int)),
            ("zip", RNG.lognormal(8, 2, ROWS).astype(int)),
            # Hashes are spread evenly.
            ("hashed", RNG.choice(RNG.integers(0, 2**62, 200), ROWS)),
        ],
    )
    def test_whole_numbers_are_categories(self, name, values):
        assert infer(values, name) == CategoricalColumn(name, "integer")

    def test_amounts_are_numbers(self):
        column = infer(RNG.lognormal(8, 2, ROWS).astype(int), "price_in_cents")
        assert column == NumericColumn("price_in_cents", "median", transform="quantile")

    @pytest.mark.parametrize("kind", ["float64", "Int64", "object"])
    def test_whole_numbers_with_a_missing_one_are_integers(self, kind):
        values = pd.Series([*RNG.integers(0, 30, ROWS - 1), None], dtype="float64").astype(kind)
        frame = pd.DataFrame({"user": values, "label": LABEL})
        (column,) = ke.data.infer_recipe(frame).columns
        assert column == CategoricalColumn("user", "integer")
        data = ke.data.from_dataframe(frame)
        asked = data.features({"user": np.array([3])})["user"]
        np.testing.assert_array_equal(asked, data.features({"user": [3.0]})["user"])
        assert asked != data.preprocessor.vocabularies["user"].out_of_vocabulary

    def test_floats_are_numbers_whole_or_not(self):
        for values in (RNG.normal(size=ROWS), RNG.integers(0, 5, ROWS).astype(float)):
            assert infer(values) == NumericColumn("x", "median", transform="quantile")

    @pytest.mark.parametrize("separator", ["|", "^", ";", ","])
    def test_separated_text_is_a_list(self, separator):
        values = [
            separator.join(RNG.choice(["Action", "Film Noir", "War", "Drama"], RNG.integers(1, 4)))
            for _ in range(ROWS)
        ]
        expected = SequenceColumn("genres", 3, separator=separator)
        assert infer(values, "genres") == expected

    def test_commas_of_names_are_not_separators(self):
        values = [f"{name}, {RNG.integers(9)}" for name in RNG.choice(["Doe", "Roe"], ROWS)]
        assert isinstance(infer(values), CategoricalColumn)

    def test_free_text_is_refused(self):
        values = [" ".join(RNG.choice(list("abcdefghijklm"), 9)) for _ in range(ROWS)]
        with raises_value_error("'x'", "free text", "9 words", "`drop`", "`categorical`"):
            infer(values)
        assert infer(values, categorical=["x"]) == CategoricalColumn("x")

    @pytest.mark.parametrize(
        ("values", "parts"),
        [
            ([NOON + datetime.timedelta(hours=int(h)) for h in range(ROWS)], ["hour", "weekday"]),
            ([NOON.date() + datetime.timedelta(int(d)) for d in range(ROWS)], ["weekday"]),
        ],
    )
    def test_dates(self, values, parts):
        frame = pl.DataFrame({"at": values, "label": LABEL})
        columns = ke.data.infer_recipe(frame).columns
        assert columns == ke.data.DateColumn("at", parts).columns()

    @pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1000), ("us", 10**6)])
    def test_timestamps_in_numbers(self, unit, per_second):
        values = RNG.integers(1_600_000_000, 1_700_000_000, ROWS) * per_second
        assert infer(values, "timestamp") == ke.data.DateColumn("timestamp", unit=unit).columns()[0]
        assert not isinstance(infer(values, "watched"), ke.data.DatePart)

    def test_lists(self):
        assert infer([[1, 2], [3]] * 200) == SequenceColumn("x", 2, "integer")
        assert infer([["a"], []] * 200) == SequenceColumn("x", 1)


class TestLeftOut:
    @pytest.mark.parametrize(
        ("name", "values", "why"),
        [
            ("Unnamed: 0", np.arange(ROWS), "index"),
            ("row", np.arange(ROWS) * 3 + 7, "index"),
            ("impression_id", RNG.permutation(10**6)[:ROWS], "another in every row"),
            ("uuid", [f"{number:032x}" for number in range(ROWS)], "another in every row"),
            ("country", ["SE"] * ROWS, "the same in every row"),
            ("nothing", pl.Series([None] * ROWS, dtype=pl.String), "no values"),
            ("clicks", LABEL, "AUC 1.0000"),
            ("dwell", LABEL * 10.0 + RNG.random(ROWS), "AUC 1.0000"),
            ("answer", np.where(LABEL == 1, "yes", "no"), "AUC 1.0000"),
            ("inverse", -LABEL - RNG.random(ROWS) / 2, "AUC 1.0000"),
        ],
    )
    def test_is_said_and_can_be_overruled(self, name, values, why):
        with pytest.warns(UserWarning, match=f"(?s)Left out: {name} .*{why}.*`categorical`"):
            assert infer(values, name).name == "other"
        assert infer(values, name, drop=[name]).name == "other"
        assert infer(values, name, categorical=[name]).name == name

    def test_a_group_is_kept(self):
        frame = pl.DataFrame({"user": np.arange(ROWS), "label": LABEL})
        assert [it.name for it in ke.data.infer_recipe(frame, group="user").columns] == ["user"]

    def test_short_tables_are_taken_as_they_are(self):
        frame = pl.DataFrame({"x": ["a", "b"], "Unnamed: 0": [0, 1], "label": [0, 1]})
        assert len(ke.data.infer_recipe(frame).columns) == 2

    def test_a_good_feature_is_no_leak(self):
        noisy = np.where(RNG.random(ROWS) < 0.9, LABEL, 1 - LABEL)
        assert infer(noisy, "good").name == "good"

    def test_nothing_left(self):
        frame = pl.DataFrame({"index": np.arange(ROWS), "label": LABEL})
        with raises_value_error("index", "counts the rows"):
            ke.data.infer_recipe(frame)


class TestAsked:
    def test_each_kind(self):
        frame = pl.DataFrame(
            {
                "age": RNG.integers(18, 90, ROWS),
                "price": RNG.normal(size=ROWS),
                "tags": ["a b", "b"] * 200,
                "when": RNG.integers(1_600_000_000, 1_700_000_000, ROWS),
                "junk": ["x", "y"] * 200,
                "label": LABEL,
            }
        )
        data = ke.data.from_dataframe(
            frame,
            drop=["junk"],
            numeric=["age"],
            categorical=["price"],
            sequences={"tags": " "},
            dates={"when": "s"},
        )
        assert data.recipe.columns == (
            NumericColumn("age", "median", transform="quantile"),
            CategoricalColumn("price"),
            SequenceColumn("tags", 2, separator=" "),
            *ke.data.DateColumn("when", unit="s").columns(),
        )
        names = ["age", "price", "tags", "when_hour", "when_weekday"]
        assert list(data.schema.names) == names
        shown = str(data)
        assert "junk" in shown
        assert "asked for" in shown
        assert "<th>column</th>" in data._repr_html_()
        assert "<td>junk</td><td>dropped</td>" in data._repr_html_()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"drop": ["otter"]}, ["drop", "otter", "other"]),
            ({"drop": ["x"], "numeric": ["x"]}, ["'x'", "drop", "numeric"]),
            ({"numeric": "x"}, ["numeric", "list of names", "'x'"]),
        ],
    )
    def test_wrong_names(self, arguments, words):
        with raises_value_error(*words):
            infer(RNG.integers(0, 9, ROWS), **arguments)
