import dataclasses

import hypothesis
import hypothesis.strategies as st
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free


def make_schema():
    return ke.FeatureSchema(
        [
            ke.Numeric("price"),
            ke.Categorical("item", 50),
            ke.Sequence("history", 50, 10, table="item"),
            ke.Embedding("image", 16),
        ],
        label="click",
        group="user",
    )


def test_properties_follow_the_order_of_the_features():
    schema = make_schema()
    assert schema.names == ("price", "item", "history", "image")
    assert schema.table_sizes == {"item": 50}
    assert schema.labels == ("click",)
    assert schema.num_tasks == 1
    assert schema["history"].max_length == 10


def test_group_column_is_separate_where_the_group_is_a_feature():
    assert make_schema().group_column == "user"
    assert ke.FeatureSchema([ke.Categorical("user", 5)], group="user").group_column == "user_group"
    assert ke.FeatureSchema([ke.Categorical("user", 5)]).group_column is None


def test_frozen_hashable_and_comparable():
    schema = make_schema()
    assert schema == make_schema()
    assert hash(schema) == hash(make_schema())
    assert schema != dataclasses.replace(schema, label="like")
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.label = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema["item"].vocabulary_size = 3


names = st.lists(
    st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=2, max_size=8, unique=True
)


@hypothesis.given(names, st.data())
def test_json_round_trip(names, data):
    *features, label = names
    kinds = [
        lambda name: ke.Numeric(name),
        lambda name: ke.Categorical(name, data.draw(st.integers(1, 10**9))),
        lambda name: ke.Sequence(
            name, data.draw(st.integers(1, 99)), data.draw(st.integers(1, 99))
        ),
        lambda name: ke.Embedding(name, data.draw(st.integers(1, 99))),
    ]
    schema = ke.FeatureSchema([data.draw(st.sampled_from(kinds))(name) for name in features], label)
    assert ke.FeatureSchema.from_json(schema.to_json()) == schema


def test_several_labels_survive_json():
    schema = ke.FeatureSchema([ke.Numeric("x")], label=("click", "like"))
    assert schema.num_tasks == 2
    assert ke.FeatureSchema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ke.FeatureSchema([]), ["at least one feature"]),
        (lambda: ke.FeatureSchema("price"), ["list of features", "'price'"]),
        (lambda: ke.FeatureSchema(["price"]), ["Numeric, Categorical", "'price'"]),
        (lambda: ke.FeatureSchema([ke.Numeric("x"), ke.Categorical("x", 3)]), ["'x'", "two"]),
        (
            lambda: ke.FeatureSchema([ke.Categorical("a", 5), ke.Sequence("b", 6, 2, table="a")]),
            ["'b'", "'a'", "vocabulary_size=5", "vocabulary_size=6"],
        ),
        (lambda: ke.FeatureSchema([ke.Numeric("label")]), ["'label'", "label"]),
        (lambda: ke.FeatureSchema([ke.Numeric("x")], label=("a", "a")), ["'a'"]),
        (lambda: ke.FeatureSchema([ke.Numeric("x")], label=3), ["label=3"]),
        (lambda: ke.FeatureSchema([ke.Numeric("x")], group=3), ["group=3"]),
        (lambda: ke.FeatureSchema([ke.Numeric("x")], group="label"), ["group='label'"]),
        (lambda: ke.Sequence("s", 5, 0), ["'s'", "max_length", "at least 1", "max_length=0"]),
        (lambda: ke.Categorical("c", 0), ["'c'", "vocabulary_size=0"]),
        (lambda: ke.Categorical("c", 2.5), ["'c'", "2.5", "float"]),
        (lambda: ke.Categorical("c", True), ["'c'", "bool"]),
        (lambda: ke.Categorical("c", 5, table=""), ["'c'", "table=''"]),
        (lambda: ke.Embedding("e", -1), ["'e'", "dim=-1"]),
        (lambda: ke.Numeric(""), ["Numeric", "name=''"]),
        (lambda: ke.FeatureSchema.from_json('{"features": []}'), ["keys"]),
        (
            lambda: ke.FeatureSchema.from_config(
                {"features": [{"type": "Word", "name": "x"}], "label": "y", "group": None}
            ),
            ["'Word'"],
        ),
        (
            lambda: ke.FeatureSchema.from_config(
                {"features": [{"type": "Numeric", "nam": "x"}], "label": "y", "group": None}
            ),
            ["nam"],
        ),
    ],
)
def test_wrong_use_names_the_feature_and_what_was_received(make, words):
    with raises_value_error(*words):
        make()
