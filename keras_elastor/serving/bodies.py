"""The bodies of requests, which may hold anything."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from keras_elastor.serving.arrow_bodies import read_arrow
from keras_elastor.serving.request_error import RequestError
from keras_elastor.serving.served_model import ServedModel

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


def answer_body(
    model: ServedModel, body: bytes, content_type: str, max_bytes: int
) -> dict[str, list[float]]:
    """Predictions by label for the body of a request.

    Args:
        model: That is asked.
        body: JSON with "rows", "columns", or "user" and "candidates"; or an Arrow stream.
        content_type: Its type.
        max_bytes: The most bytes of an Arrow stream, unpacked.

    Raises:
        RequestError: If the body is wrong.
    """
    if content_type == ARROW:
        names = [entry.name for entry in model.artefact.inputs]
        return model.predict_columns(read_arrow(body, names, model.max_rows, max_bytes))
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
