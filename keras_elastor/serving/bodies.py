"""The bodies of requests, which may hold anything."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from keras_elastor.serving.served_model import RequestError, ServedModel
from keras_elastor.utils.optional import import_optional

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


def answer_body(model: ServedModel, body: bytes, content_type: str) -> dict[str, list[float]]:
    """Predictions by label for the body of a request.

    Args:
        model: That is asked.
        body: JSON with "rows", "columns", or "user" and "candidates"; or an Arrow stream.
        content_type: Its type.

    Raises:
        RequestError: If the body is wrong.
    """
    if content_type == ARROW:
        return model.predict_columns(_read_arrow(body))
    if content_type != JSON:
        raise RequestError(415, f"Expected content of type {JSON} or {ARROW}")
    asked = read_json(body)
    if not isinstance(asked, dict):
        raise RequestError(422, "Expected an object")
    kinds = {
        frozenset({"rows"}): lambda: model.predict_rows(asked["rows"]),
        frozenset({"columns"}): lambda: model.predict_columns(asked["columns"]),
        frozenset({"user", "candidates"}): lambda: model.predict_candidates(
            asked["user"], asked["candidates"]
        ),
    }
    answer = kinds.get(frozenset(asked))
    if answer is None:
        raise RequestError(
            422,
            'Expected an object with "rows", or with "columns", or with "user" and "candidates"',
        )
    return answer()


def read_json(body: bytes) -> Any:
    """The value of JSON, all of whose objects have every key once.

    Raises:
        RequestError: If it is none.
    """
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise RequestError(400, "Not readable JSON: nested too deeply") from None
    except ValueError as error:
        raise RequestError(400, f"Not readable JSON: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _read_arrow(body: bytes) -> dict[str, list[Any]]:
    pa = import_optional("pyarrow", extra="data")
    ipc = import_optional("pyarrow.ipc", extra="data")
    try:
        with ipc.open_stream(body) as reader:
            table = reader.read_all()
        table.validate(full=True)
        names = table.column_names
        if len(set(names)) < len(names):
            raise ValueError("a column occurs twice")
        return {name: table[name].to_pylist() for name in names}
    except (pa.ArrowException, ValueError, OSError, OverflowError, MemoryError) as error:
        raise RequestError(400, f"Not a readable Arrow stream: {_first_line(error)}") from error
