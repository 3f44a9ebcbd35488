"""Arrow streams are read within bounds, or refused before they are unpacked."""

import numpy as np
import pyarrow as pa
import pytest

from keras_elastor.serving.arrow_bodies import read_arrow
from keras_elastor.serving.request_error import RequestError

pytestmark = pytest.mark.backend_free


def stream(table, compression=None):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(body, columns=("x",), max_rows=1000, max_bytes=1 << 20):
    return read_arrow(body, columns, max_rows, max_bytes)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_plain_columns_are_read_compressed_or_not(compression):
    columns = {
        "x": [1.5, None, -2.0] * 100,
        "history": [[1, 2], [], None] * 100,
        "text": ["a", None, "\u00e9" * 300] * 100,
        "missing": [None] * 300,
        "flag": [True, None, False] * 100,
    }
    body = stream(pa.table({**columns, "other": range(300)}), compression)
    found = read(body, [*columns, "not there"])
    assert found == columns


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_unpacks_to_far_more_is_not_unpacked(compression):
    table = pa.table(
        {"x": [np.zeros(1 << 20).tolist()]}, pa.schema([("x", pa.list_(pa.float64()))])
    )
    body = stream(table, compression)
    assert len(body) < 1 << 16
    before = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory()
    with pytest.raises(RequestError, match="at most 1048576 bytes, unpacked") as error:
        read(body)
    assert error.value.status == 413
    assert pa.total_allocated_bytes() == before
    assert pa.default_memory_pool().max_memory() == peak
    assert len(read(body, max_bytes=1 << 24)["x"][0]) == 1 << 20


def test_sizes_that_lie_are_refused():
    body = stream(pa.table({"x": np.zeros(10_000)}), "zstd")
    size = (80_000).to_bytes(8, "little")
    assert body.count(size) == 1
    for wrong in (79_999, 80_001, 2**62, 0):
        with pytest.raises(RequestError) as error:
            read(body.replace(size, wrong.to_bytes(8, "little")), max_rows=10_000)
        assert error.value.status == (413 if wrong > 1 << 20 else 400)


LONG = "x" * 50_000


@pytest.mark.parametrize(
    "array",
    [
        pa.array([LONG] * 500).dictionary_encode(),
        pa.array([LONG] * 500, pa.string_view()),
        pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int32()), pa.array([1])),
        pa.array([{}] * 100, pa.struct([])),
        pa.ListArray.from_arrays(pa.array([0, 10**6], pa.int32()), pa.nulls(10**6)),
        pa.array([b"x"]),
    ],
    ids=["dictionary", "views", "runs", "structs", "nulls in lists", "bytes"],
)
def test_types_whose_values_are_more_than_their_bytes(array):
    with pytest.raises(RequestError, match="Column 'x': expected numbers, text") as error:
        read(stream(pa.table({"x": array})), max_rows=2**40)
    assert (error.value.status, error.value.column) == (422, "x")


def test_rows_are_counted_before_they_are_values():
    body = stream(pa.table({"x": pa.nulls(10**9)}))
    assert len(body) < 1000
    with pytest.raises(RequestError, match=r"1 to 1000 rows\. Received: 1000000000"):
        read(body)


def test_a_zone_that_is_none():
    array = pa.array([0], pa.timestamp("us", "Nowhere/Atlantis"))
    with pytest.raises(RequestError, match="Not a readable Arrow stream") as error:
        read(stream(pa.table({"x": array})))
    assert error.value.status == 400


def status_of(body):
    try:
        read(body)
    except RequestError as error:
        return error.status
    return 200


def test_drawn_damage_is_refused_or_read():
    """No other exception, whatever the bytes are."""
    random = np.random.default_rng(0)
    table = pa.table({"x": [0.5, None] * 50, "text": ["a", "b" * 40] * 50})
    bodies = [stream(table, compression) for compression in (None, "lz4", "zstd")]
    refused = 0
    for number in range(600):
        body = bytearray(bodies[number % 3])
        for place in random.integers(0, len(body), random.integers(1, 4)):
            body[place] = random.integers(256)
        if number % 7 == 0:
            del body[random.integers(len(body)) :]
        status = status_of(bytes(body))
        assert status in (200, 400, 413, 422)
        refused += status != 200
    assert 100 < refused < 600
