import dataclasses
import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_elastor as ke
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

Vocabulary = ke.data.Vocabulary
COLORS = pl.Series("color", ["red", "blue", "red", None, "green", "blue", "red", "black"])


def test_ids_fall_with_frequency_and_ties_follow_the_values():
    vocabulary = Vocabulary.build(COLORS)
    assert vocabulary.values == ("red", "blue", "black", "green")
    assert vocabulary.size == 6
    assert vocabulary.out_of_vocabulary == 5


def test_rare_values_stay_unknown():
    vocabulary = Vocabulary.build(COLORS, min_count=2)
    assert vocabulary.values == ("red", "blue")
    assert vocabulary.encode(COLORS).tolist() == [1, 2, 1, 3, 3, 2, 1, 3]


def test_a_shared_table_begins_with_the_first_column_and_counts_lists_by_their_elements():
    items = pl.Series([10, 20], dtype=pl.Int32)
    histories = pl.Series([[30, 20, None], [], None, [40, 30, 20]], dtype=pl.List(pl.Int64))
    assert Vocabulary.build(items, histories).values == (10, 20, 30, 40)
    # Each column must reach the count on its own, as in FuxiCTR's merge of two tokenizers.
    assert Vocabulary.build(items, histories, min_count=2).values == (20, 30)


def test_strings_of_one_frequency_follow_their_code_points():
    values = ["é", "b", "B", "10", "9", "", "日", "a b"]
    assert Vocabulary.build(pl.Series(values)).values == tuple(sorted(values))


def test_extension_keeps_every_id_and_moves_the_last_one():
    old = Vocabulary(("b", "a"))
    new = old.extend(pl.Series(["c", "a", "d", "d", "e"]), pl.Series(["f", "f"]))
    assert new.values == ("b", "a", "d", "c", "e", "f")
    assert new.encode(pl.Series(["b", "a", "?"])).tolist() == [1, 2, 7]
    assert old.extend(pl.Series(["c", "a", "d", "d"]), min_count=2).values == ("b", "a", "d")
    assert old.values == ("b", "a")


def test_unknown_and_missing_values_are_out_of_vocabulary():
    ids = Vocabulary((7, 5)).encode(pl.Series([5, 6, None, 7], dtype=pl.Int16))
    assert ids.tolist() == [2, 3, 3, 1]
    assert ids.dtype == np.int32


def test_a_column_of_nulls_only_is_out_of_vocabulary():
    assert Vocabulary((7,)).encode(pl.Series([None, None])).tolist() == [2, 2]


def test_lists_keep_their_end_and_are_padded_behind():
    lists = pl.Series([[5], [7, 6, 5, 7], [], None, [None, 6]], dtype=pl.List(pl.Int64))
    ids = Vocabulary((7, 5)).encode_lists(lists, max_length=3)
    assert ids.tolist() == [[2, 0, 0], [3, 2, 1], [0, 0, 0], [0, 0, 0], [0, 3, 0]]
    assert ids.dtype == np.int32


@pytest.mark.parametrize(
    ("padding", "truncation", "expected"),
    [
        ("pre", "pre", [[0, 0, 2], [3, 2, 1], [0, 0, 0], [0, 0, 3]]),
        ("pre", "post", [[0, 0, 2], [1, 3, 2], [0, 0, 0], [0, 0, 3]]),
        ("post", "post", [[2, 0, 0], [1, 3, 2], [0, 0, 0], [0, 3, 0]]),
    ],
)
def test_sides_of_padding_and_truncation(padding, truncation, expected):
    lists = pl.Series([[5], [7, 6, 5, 7], [], [None, 6]], dtype=pl.List(pl.Int64))
    ids = Vocabulary((7, 5)).encode_lists(lists, 3, padding=padding, truncation=truncation)
    assert ids.tolist() == expected


def test_no_rows():
    assert Vocabulary((7,)).encode(pl.Series([], dtype=pl.Int64)).shape == (0,)
    no_lists = pl.Series([], dtype=pl.List(pl.Int64))
    assert Vocabulary((7,)).encode_lists(no_lists, 3).shape == (0, 3)


def test_without_known_values_everything_is_out_of_vocabulary():
    vocabulary = Vocabulary.build(pl.Series([None], dtype=pl.String))
    assert vocabulary.size == 2
    assert vocabulary.encode(pl.Series(["a", None])).tolist() == [1, 1]
    assert vocabulary.encode(pl.Series([3])).tolist() == [1]
    assert vocabulary.encode_lists(pl.Series([["a", None]]), 3).tolist() == [[1, 0, 0]]


@given(
    train=st.lists(st.none() | st.integers(-3, 3)),
    later=st.lists(st.none() | st.integers(-6, 6)),
    min_count=st.integers(1, 3),
)
def test_agrees_with_counting_by_hand(train, later, min_count):
    counts = Counter(value for value in train if value is not None)
    known = sorted(
        (value for value in counts if counts[value] >= min_count),
        key=lambda value: (-counts[value], value),
    )
    vocabulary = Vocabulary.build(pl.Series(train, dtype=pl.Int64), min_count=min_count)
    assert list(vocabulary.values) == known
    expected = [known.index(v) + 1 if v in known else len(known) + 1 for v in later]
    assert vocabulary.encode(pl.Series(later, dtype=pl.Int64)).tolist() == expected


def test_values_of_equal_hashes_keep_their_own_ids(monkeypatch):
    def poor(values, seed):
        # With seed 0 all known values collide, with seed 1 only others with them.
        texts = values.fill_null("").to_list()
        keys = [len(text) if seed == 0 else ord((text + " ")[0]) for text in texts]
        return np.array(keys, np.uint64)

    monkeypatch.setattr("keras_elastor.data.vocabularies.value_index.hashes", poor)
    vocabulary = Vocabulary(("cc", "aa", "bb"))
    ids = vocabulary.encode(pl.Series(["aa", "ab", "bb", "b", None, "z", "", "cc"]))
    assert ids.tolist() == [2, 4, 3, 4, 4, 4, 4, 1]


def test_survives_json_and_stays_frozen():
    for vocabulary in (Vocabulary((3, 1)), Vocabulary(("b", "a")), Vocabulary(())):
        config = json.loads(json.dumps(vocabulary.get_config()))
        assert Vocabulary.from_config(config) == vocabulary
    with pytest.raises(dataclasses.FrozenInstanceError):
        vocabulary.values = ()


def test_is_saved_with_one_value_per_line(tmp_path):
    path = tmp_path / "words.json"
    for vocabulary in (Vocabulary(("b", '"a",\n', "é")), Vocabulary((3, -1)), Vocabulary(())):
        vocabulary.save(path)
        assert Vocabulary.load(path) == vocabulary
    Vocabulary(("b", "é")).save(path)
    assert path.read_text(encoding="utf-8") == '{"values": ["b",\n"é"]}\n'
    path.write_text('{"values": [1, 1]}')
    with raises_value_error(path, "once"):
        Vocabulary.load(path)
    path.write_text("{")
    with raises_value_error(path):
        Vocabulary.load(path)


def test_wrong_use_is_named():
    with raises_value_error("integers or strings", "float"):
        Vocabulary((1.5,))
    with raises_value_error("int, str"):
        Vocabulary((1, "a"))
    with raises_value_error("once"):
        Vocabulary((1, 1))
    with raises_value_error("min_count", 0):
        Vocabulary.build(COLORS, min_count=0)
    with raises_value_error("['min_count', 'values']"):
        Vocabulary.from_config({"values": [], "min_count": 1})
    with raises_value_error("padding='left'"):
        Vocabulary((1,)).encode_lists(pl.Series([[1]]), 1, padding="left")
    with raises_value_error("int, str"):
        Vocabulary((1,)).extend(COLORS)
    with raises_value_error("'price'", "row 1", "inf"):
        Vocabulary.build(pl.Series("price", [1.5, float("inf")]))
    with raises_value_error("'user'", "2^63", 2**63):
        Vocabulary.build(pl.Series("user", [1, 2**63], dtype=pl.UInt64))
    with raises_value_error("'color'", "integers", "red"):
        Vocabulary((1, 2)).encode(COLORS)
    with raises_value_error("lists", "Int64"):
        Vocabulary((1, 2)).encode_lists(pl.Series([1]), 3)
