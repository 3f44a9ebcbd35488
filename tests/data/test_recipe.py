import json

import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

Recipe, Vocabulary = ke.data.Recipe, ke.data.Vocabulary
Categorical, History, Number = (
    ke.data.CategoricalColumn,
    ke.data.SequenceColumn,
    ke.data.NumericColumn,
)
FULL = Recipe(
    [
        Categorical("hour", dtype="integer", expression="time // 100", source="time"),
        Categorical("item", min_count=3, fill="", fill_is_known=True),
        History("seen", 5, separator="|", padding="pre", truncation="post", table="item"),
        Number("price", fill=None, expression="LN(1 + price)"),
    ],
    label=("click", "like"),
    group="user",
    weight="w",
    separator="\t",
    file_columns=("click", "like", "time", "item", "seen", "price", "user", "w"),
)


def test_survives_json():
    assert Recipe.from_json(FULL.to_json()) == FULL
    config = json.loads(FULL.to_json())
    assert config["columns"][0]["type"] == "CategoricalColumn"
    assert config["columns"][1]["min_count"] == 3


def test_what_a_person_leaves_out_of_the_json_has_its_default():
    text = '{"columns": [{"type": "NumericColumn", "name": "price"}], "label": "click"}'
    assert Recipe.from_json(text) == Recipe([Number("price")], label="click")


def test_sources_are_read_once_in_order():
    assert FULL.sources == ("click", "like", "time", "item", "seen", "price", "user", "w")
    twice = Recipe([Number("a", source="x"), Number("b", source="x")], group="x")
    assert twice.sources == ("label", "x")


def test_schema_of_the_vocabularies():
    schema = FULL.schema({"hour": Vocabulary((1, 2)), "item": Vocabulary(("a",))})
    assert schema == ke.FeatureSchema(
        [
            ke.Categorical("hour", 4),
            ke.Categorical("item", 3),
            ke.Sequence("seen", 3, 5, table="item"),
            ke.Numeric("price"),
        ],
        label=("click", "like"),
        group="user",
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Categorical(""), ["name", "''"]),
        (lambda: Categorical("a", dtype="int"), ["'a'", "dtype", "'int'", "integer"]),
        (lambda: Categorical("a", min_count=0), ["'a'", "min_count", "0"]),
        (lambda: Categorical("a", fill=0), ["'a'", "fill", "string"]),
        (lambda: Categorical("a", fill_is_known=True), ["'a'", "fill_is_known", "without `fill`"]),
        (lambda: Categorical("a", expression=""), ["'a'", "expression"]),
        (lambda: History("a", 0), ["'a'", "max_length", "0"]),
        (lambda: History("a", 3, padding="left"), ["'a'", "padding", "'left'"]),
        (lambda: History("a", 3, separator=""), ["'a'", "separator"]),
        (lambda: Number("a", fill="0"), ["'a'", "fill", "'0'"]),
        (lambda: Recipe([]), ["at least one feature"]),
        (lambda: Recipe(["a"]), ["'a'", "CategoricalColumn"]),
        (lambda: Recipe([Number("a"), Number("a")]), ["'a'", "name of its own"]),
        (lambda: Recipe([Number("a", source="label")]), ["'a'", "see the answer"]),
        (lambda: Recipe([Number("a")], weight="a"), ["'a'", "weight"]),
        (lambda: Recipe([Number("a")], separator='a"'), ["separator", "'a\"'"]),
        (lambda: Recipe([Number("a")], separator=""), ["separator", "''"]),
        (lambda: Recipe([Number("a")], null_values="NA"), ["null_values", "'NA'"]),
        (lambda: Recipe([Number("a")], null_values=[""]), ["null_values", "''"]),
        (lambda: Recipe([Number("a")], file_columns=("a",)), ["file_columns", "label"]),
        (lambda: Recipe([Number("a")], file_columns=("a", "a")), ["file column", "once"]),
        (lambda: Recipe.from_config({}), ["columns"]),
        (lambda: Recipe.from_config({"columns": [{"name": "a"}]}), ["type=None"]),
        (
            lambda: Recipe.from_config({"columns": [{"type": "NumericColumn", "min": 1}]}),
            ["'columns.0.min'"],
        ),
        (lambda: Recipe.from_config({"columns": FULL.get_config()["columns"], "x": 1}), ["'x'"]),
        (lambda: Recipe.from_json("{"), []),
    ],
)
def test_wrong_use_is_named(make, words):
    with raises_value_error(*words):
        make()
