"""Ranks of the embedding tables of a model."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("user", 6),
        ke.Numeric("price"),
        ke.Categorical("item", 4),
        ke.Sequence("history", 4, 3, table="item"),
    ]
)


def make_model(user, item):
    model = ke.models.FM(SCHEMA, embedding_dim=3)
    encoder = next(layer for layer in model.layers if layer.name == "encoder")
    encoder.table.embeddings.assign(np.concatenate([user, item]))
    return model


def test_every_field_has_the_numbers_of_its_table():
    user, item = np.zeros((6, 3)), np.zeros((4, 3))
    user[1:4] = np.diag([2.0, 1, 1])
    item[1:] = 1e-4
    frame = ke.analysis.table_ranks(make_model(user, item))
    assert frame.field.tolist() == ["user", "item", "history"]
    assert frame.table.tolist() == ["user", "item", "item"]
    assert frame.rows.tolist() == [6, 4, 4]
    assert set(frame.embedding_dim) == {3}
    assert set(frame.encoder) == {"encoder"}
    assert frame.information_abundance.tolist() == pytest.approx([2, 1, 1], rel=1e-6)
    assert frame.stable.tolist() == pytest.approx([1.5, 1, 1], rel=1e-6)
    assert frame.entropy.tolist() == pytest.approx([2**1.5, 1, 1], rel=1e-6)


def test_bad_input():
    item = np.zeros((4, 3))
    item[2, 1] = np.nan
    with raises_value_error("Embedding table 'item'", "nan", "(2, 1)"):
        ke.analysis.table_ranks(make_model(np.zeros((6, 3)), item))
    numeric = ke.models.FM(ke.FeatureSchema([ke.Numeric("price")]), embedding_dim=3)
    with raises_value_error("Categorical", "at least 2", "FM"):
        ke.analysis.table_ranks(numeric)
