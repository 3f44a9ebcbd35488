"""Arrow streams, whose size is known before they are unpacked."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from keras_elastor.serving.request_error import RequestError
from keras_elastor.utils.optional import import_optional

# Numbers of the tables in Arrow's Message.fbs.
_RECORD_BATCH = 3
_HEADER_TYPE, _HEADER = 1, 2
_BUFFERS, _COMPRESSION = 2, 3


def read_arrow(
    body: bytes, columns: Iterable[str], max_rows: int, max_bytes: int
) -> dict[str, list[Any]]:
    """Values of columns by their name; columns that the stream lacks are left out.

    Args:
        body: An Arrow stream.
        columns: Those that are looked at.
        max_rows: The most rows.
        max_bytes: The most bytes of what its compressed buffers hold.

    Raises:
        RequestError: If it is none, too large, or a column is of a type whose values may be more
            than the bytes that were sent.
    """
    pa = import_optional("pyarrow", extra="data")
    ipc = import_optional("pyarrow.ipc", extra="data")
    try:
        unpacked = sum(map(_unpacked_bytes, ipc.MessageReader.open_stream(body)))
        if unpacked > max_bytes:
            raise RequestError(413, f"Expected at most {max_bytes} bytes, unpacked")
        with ipc.open_stream(body) as reader:
            names = reader.schema.names
            if len(set(names)) < len(names):
                raise ValueError("a column occurs twice")
            for field in reader.schema:
                _require_plain(field)
            table = reader.read_all()
        if len(table) > max_rows:
            raise RequestError(422, f"Expected 1 to {max_rows} rows. Received: {len(table)}")
        table.validate(full=True)
        return {name: table[name].to_pylist() for name in columns if name in names}
    except RequestError:
        raise
    except (pa.ArrowException, ValueError, OSError, KeyError, OverflowError, struct.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(400, f"Not a readable Arrow stream: {reason}") from error


def _require_plain(field: Any) -> None:
    """Raise RequestError unless every value of a column is sent by bytes of its own.

    Dictionaries, views and runs name one value many times, and nulls and empty structs are none.
    """
    types = import_optional("pyarrow", extra="data").types
    kind, is_list = field.type, False
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind, is_list = kind.value_type, True
    checks = [types.is_integer, types.is_floating, types.is_string, types.is_large_string]
    checks += [types.is_date, types.is_timestamp]
    if not is_list:
        checks += [types.is_boolean, types.is_null]
    if not any(check(kind) for check in checks):
        raise RequestError(
            422,
            f"Column '{field.name}': expected numbers, text, dates or lists of these, neither as a "
            f"dictionary nor as views. Received: {field.type}",
            column=field.name,
        )


def _unpacked_bytes(message: Any) -> int:
    """What the compressed buffers of a message hold; 0 without compression.

    pyarrow does not tell, and unpacks whatever it is given. Before each compressed buffer stands
    its size, -1 if it is not compressed after all.
    """
    metadata = message.metadata
    (root,) = struct.unpack_from("<I", metadata)
    kind = _field(metadata, root, _HEADER_TYPE)
    header = _field(metadata, root, _HEADER)
    if kind is None or header is None or metadata[kind] != _RECORD_BATCH:
        return 0
    batch = _behind(metadata, header)
    vector = _field(metadata, batch, _BUFFERS)
    if _field(metadata, batch, _COMPRESSION) is None or vector is None:
        return 0
    start = _behind(metadata, vector)
    (count,) = struct.unpack_from("<I", metadata, start)
    total = 0
    for offset, length in struct.iter_unpack("<qq", metadata[start + 4 : start + 4 + 16 * count]):
        if length:
            (size,) = struct.unpack_from("<q", message.body, offset)
            total += length if size < 0 else size
    return total


def _field(metadata: Any, table: int, number: int) -> int | None:
    """Where a field of a table of FlatBuffers is."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    (size,) = struct.unpack_from("<H", metadata, vtable)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number)
    return table + int(offset) if offset else None


def _behind(metadata: Any, place: int) -> int:
    """Where an offset points to."""
    return place + int(struct.unpack_from("<I", metadata, place)[0])
