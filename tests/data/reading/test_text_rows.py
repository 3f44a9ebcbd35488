import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_elastor.data.reading.text_rows import parse_lines
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

COLUMNS = ["x", "y"]


def parse(data, separator=",", needed=("x", "y")):
    table, lines, bad = parse_lines(data, COLUMNS, list(needed), separator)
    rows = [tuple(row.values()) for row in table.to_pylist()]
    coded, *_ = parse_lines(data, COLUMNS, list(needed), separator, coded=COLUMNS)
    assert [tuple(row.values()) for row in coded.to_pylist()] == rows
    return rows, lines.tolist(), [(row.row, row.expected, row.received) for row in bad]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,1\nb,2\n", [("a", "1"), ("b", "2")]),
        (b"a,1\r\nb,\r\n", [("a", "1"), ("b", "")]),
        (b",\n", [("", "")]),
        (b'"a,b",1\n"q""r",2\n"",3\n', [("a,b", "1"), ('q"r', "2"), ("", "3")]),
        ("é,日\n".encode(), [("é", "日")]),
        (b" a ,#\n", [(" a ", "#")]),
        (b"", []),
    ],
)
def test_right_lines(data, rows):
    assert parse(data) == (rows, list(range(len(rows))), [])


def test_only_needed_columns_in_the_wanted_order():
    assert parse(b"a,1\n", needed=["y", "x"])[0] == [("1", "a")]
    assert parse(b"a\t1\n", "\t", needed=["y"])[0] == [("1",)]


@pytest.mark.parametrize(
    ("line", "expected", "received"),
    [
        (b"b,2,3", "2 fields", "3 fields in 'b,2,3'"),
        (b"", "2 fields", "1 fields in ''"),
        (b"\xff,2", "UTF-8", "\\\\xff"),
        (b"b\0,2", "NUL", "x00"),
        (b"b\rc,2", "carriage", "\\r"),
        (b'b"c,2', "quotes", 'b"c'),
        (b'"b,2', "quotes", '"b,2'),
        (b'"b"c,2', "quotes", '"b"c'),
        (b'"b", "2"', "quotes", '"2"'),
    ],
)
def test_a_wrong_line_is_named_and_its_neighbours_survive(line, expected, received):
    rows, lines, bad = parse(b"a,1\n" + line + b"\nc,3\n")
    assert (rows, lines) == ([("a", "1"), ("c", "3")], [0, 2])
    [(row, why, what)] = bad
    assert row == 1
    assert expected in why
    assert received in what


def test_a_last_line_needs_no_end_but_all_its_fields():
    assert parse(b"a,1\nb,2") == ([("a", "1"), ("b", "2")], [0, 1], [])
    rows, lines, bad = parse(b"a,1\nb")
    assert (rows, lines) == ([("a", "1")], [0])
    assert bad[0][:2] == (1, "2 fields")


def test_a_separator_of_several_letters():
    def parse_wide(data, coded=()):
        table, numbers, bad = parse_lines(data, COLUMNS, COLUMNS, "::", coded)
        rows = [tuple(row.values()) for row in table.to_pylist()]
        return rows, numbers.tolist(), bad

    titled = b'1::"Great" Cats (1998): a, b\r\n2::M*A*S*H'
    rows = [("1", '"Great" Cats (1998): a, b'), ("2", "M*A*S*H")]
    for coded in ((), COLUMNS):
        assert parse_wide(titled, coded) == (rows, [0, 1], [])
    rows, numbers, bad = parse_wide(b"1::a\n2::b::c\n3::d\n")
    assert (rows, numbers) == ([("1", "a"), ("3", "d")], [0, 2])
    assert (bad[0].row, bad[0].expected) == (1, "2 fields")
    assert bad[0].received == "3 fields in '2::b::c'"
    with raises_value_error("'::'", "control characters"):
        parse_wide(b"1::a\x1f\n")


def test_a_piece_of_a_row_takes_its_neighbours_with_it():
    # "18,5" with a line end in its first field leaves "8,5", a row of another value.
    rows, lines, bad = parse(b"a,1\nb,2\n1\n8,5\nc,3\n")
    assert (rows, lines) == ([("a", "1"), ("c", "3")], [0, 4])
    assert [row for row, *_ in bad] == [1, 2, 3]
    assert [row.stops for row in parse_lines(b"a,1\nb\nc,3\n", COLUMNS, COLUMNS, ",")[2]] == [
        False
    ] * 3
    for data, row in ((b"b\nc,3\n", 0), (b"a,1\nb\n", 1)):
        stops = {bad.row: bad.stops for bad in parse_lines(data, COLUMNS, COLUMNS, ",")[2]}
        assert stops == {row: True, 1 - row: False}
    # An empty line is a line end too many, but no piece of a row; nor is what is cut off.
    assert parse(b"a,1\n\nc,3\n")[1] == [0, 2]
    assert parse(b"a,1\nb")[1] == [0]


def test_a_line_longer_than_a_piece_and_many_pieces(monkeypatch):
    monkeypatch.setattr("keras_elastor.data.reading.text_rows._PIECE_BYTES", 10)
    data = b"a,1\nb,2\nc,3\nd,1\n" + b"x" * 50 + b",2\n"
    values = ["a", "b", "c", "d", "x" * 50]
    assert parse(data)[0] == list(zip(values, "12312", strict=True))
    assert parse(data[:16])[0] == list(zip(values[:4], "1231", strict=True))


def test_errors_that_cancel_out_are_found():
    # As many fields in all as two right rows have.
    assert [row for row, *_ in parse(b"a,b,c\nd\n")[2]] == [0, 1]


FIELD = st.text(st.sampled_from('ab",; \té'), max_size=4)


@given(st.lists(st.tuples(FIELD, FIELD), max_size=8))
def test_reads_what_the_csv_module_writes(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    found, _, bad = parse(out.getvalue().encode())
    assert found == rows
    assert not bad


@given(st.binary(max_size=60))
def test_every_line_is_a_row_or_named(data):
    table, lines, bad = parse_lines(data, COLUMNS, COLUMNS, ",")
    number = len(data.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")) if data else 0
    assert sorted([*lines.tolist(), *(row.row for row in bad)]) == list(range(number))
    assert len(table) == len(lines)
