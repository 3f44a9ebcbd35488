import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_elastor.data.reading.short_text import read_keys, to_dictionary, to_keys, to_text

pytestmark = pytest.mark.backend_free

FIELD = st.text(st.characters(exclude_characters="\0\n,", codec="utf-8"), max_size=8)


def test_keys_are_the_bytes_from_the_highest_to_the_lowest():
    keys, longest = read_keys(b"a,12345678\n,b\n", 2, ",")
    assert keys.tolist() == [[0x61 << 56, 0], [0x3132333435363738, 0x62 << 56]]
    assert longest.tolist() == [1, 8]
    assert to_text(keys[1]).to_pylist() == ["12345678", "b"]
    assert to_text(keys[0][:0]).to_pylist() == []


@pytest.mark.parametrize("piece_bytes", [1, 30, 1000])
def test_lines_in_pieces(monkeypatch, piece_bytes):
    monkeypatch.setattr("keras_elastor.data.reading.short_text._PIECE_BYTES", piece_bytes)
    rows = [(str(row), "x" * (row % 12), str(row % 3)) for row in range(100)]
    data = "".join("\t".join(row) + "\n" for row in rows).encode()
    keys, longest = read_keys(data, 3, "\t")
    assert longest.tolist() == [2, 11, 1]
    assert to_text(keys[0]).to_pylist() == [row[0] for row in rows]
    coded = to_dictionary(keys[2])
    assert coded.dictionary.to_pylist() == ["0", "1", "2"]
    assert coded.to_pylist() == [row[2] for row in rows]


@pytest.mark.parametrize(
    "data", [b"a,b\nc\n", b"a\nb,c\n", b"a,b,c\nd\n", b"a,b\n\n", b"\n\n", b"a,b\nc,d,e,f\n"]
)
def test_another_number_of_fields_is_found(data):
    assert read_keys(data, 2, ",") is None


def test_one_field_a_line_and_no_lines():
    keys, longest = read_keys(b"a\n\nb\n", 1, ",")
    assert to_text(keys[0]).to_pylist() == ["a", "", "b"]
    assert longest.tolist() == [1]
    keys, longest = read_keys(b"", 3, ",")
    assert keys.shape == (3, 0)
    assert longest.tolist() == [0, 0, 0]


@given(st.lists(FIELD))
def test_text_comes_back_and_keeps_its_order(values):
    keys = to_keys(pl.Series(values, dtype=pl.String))
    if max((len(value.encode()) for value in values), default=0) > 8:
        assert keys is None
    else:
        assert to_text(keys).to_pylist() == values
        assert to_text(np.sort(keys)).to_pylist() == sorted(values)


def test_text_that_has_no_keys():
    assert to_keys(pl.Series(["a", "123456789"])) is None
    # It would be as short text without it.
    assert to_keys(pl.Series(["a\0"])) is None
    # A part of a column.
    assert to_text(to_keys(pl.Series(["123456789", "b", "c"])[1:])).to_pylist() == ["b", "c"]
