from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_elastor as ke
from keras_elastor.data.vocabularies import encoding
from keras_elastor.data.vocabularies.encoding import RecipeFitter

pytestmark = pytest.mark.backend_free


def known(parts, dtype):
    """The vocabulary of values that arrive in parts."""
    recipe = ke.data.Recipe([ke.data.CategoricalColumn("x")], label="click")
    counter = RecipeFitter(recipe)
    for part in parts:
        counts = Counter(part)
        values = pl.Series(list(counts), dtype=dtype if part else pl.Null)
        counter.add({"x": pl.DataFrame({"value": values, "count": list(counts.values())})})
    return list(counter.encoder({}, {}).vocabularies["x"].values)


def known_by_hand(parts):
    counts = Counter(value for part in parts for value in part)
    return sorted(counts, key=lambda value: (-counts[value], value))


# Some are longer than the eight bytes that make a key.
TEXT = st.text(st.sampled_from("abé"), max_size=9)


@pytest.mark.parametrize(
    ("values", "dtype"), [(TEXT, pl.String), (st.integers(-3, 3), pl.Int64)], ids=["text", "int"]
)
def test_counts_of_parts_add_up(values, dtype, monkeypatch):
    # As if all parts were large.
    monkeypatch.setattr(encoding, "_GROWTH", -1000)

    @given(st.lists(st.lists(values, max_size=6), max_size=5))
    def check(parts):
        assert known(parts, dtype) == known_by_hand(parts)

    check()


def test_short_and_long_values_are_one_column():
    parts = [["b", "a", "123456789"], ["a", "c"], ["123456789", "123456789"]]
    assert known(parts, pl.String) == ["123456789", "a", "b", "c"]
