"""What is asked in JSON or Arrow is answered as the predictor does, or refused by name."""

import functools
import json

import numpy as np
import pytest

from keras_elastor.serving.bodies import ARROW, JSON, answer_body
from keras_elastor.serving.request_error import RequestError
from keras_elastor.serving.served_model import ServedModel
from tests.serving.artefacts import weighted_artefact

pytestmark = pytest.mark.backend_free

ROWS = [
    {"user": "ann", "item": 1, "price": 0.25, "history": [1, 3, 2, 2]},
    {"user": "new", "item": 99, "price": None, "history": []},
    {"user": None, "item": "2", "price": "1.5", "history": "3^1", "other": "ignored"},
]


@functools.cache
def model():
    return ServedModel(weighted_artefact()[1], max_rows=500)


def ask(body, kind=JSON):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer_body(model(), body, kind, max_bytes=1 << 20)


def expected(rows):
    predictor, _ = weighted_artefact()
    return np.array(
        [
            predictor.predict([{**row, "history": as_list(row.get("history"))}])["click"][0]
            for row in rows
        ]
    )


def as_list(value):
    return [int(part) for part in value.split("^")] if isinstance(value, str) else value


def test_rows_columns_and_arrow_have_the_same_answers():
    import pyarrow as pa

    answer = ask({"rows": ROWS})["click"]
    plain = [
        {**row, "item": int(row["item"]), "price": row["price"] and float(row["price"])}
        for row in ROWS
    ]
    np.testing.assert_allclose(answer, expected(plain), atol=1e-6)
    assert len(np.unique(answer)) == 3
    columns = {name: [row.get(name) for row in ROWS] for name in ROWS[0]}
    assert ask({"columns": columns})["click"] == answer
    columns = {
        "user": ["ann", "new", None],
        "item": [1, 99, 2],
        "price": [0.25, None, 1.5],
        "history": [[1, 3, 2, 2], [], [3, 1]],
    }
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert ask(sink.getvalue().to_pybytes(), ARROW)["click"] == answer


def test_the_columns_of_a_user_are_given_once():
    user = {"user": "bob", "history": [2, 2]}
    candidates = [{"item": item, "price": price} for item, price in ((1, 0.5), (3, None), (7, 2))]
    rows = [{**user, **candidate} for candidate in candidates]
    answer = ask({"user": user, "candidates": candidates})
    assert answer == ask({"rows": rows})
    with pytest.raises(RequestError, match="'item' in the user or in the candidates") as error:
        ask({"user": {**user, "item": 1}, "candidates": candidates})
    assert error.value.column == "item"


@pytest.mark.parametrize(
    ("body", "status", "message", "row", "column"),
    [
        ({"rows": [ROWS[0], {**ROWS[0], "item": "many"}]}, 422, "a whole number", 1, "item"),
        ({"rows": [{**ROWS[0], "price": 1e300}]}, 422, "a finite number", 0, "price"),
        ({"rows": [{**ROWS[0], "history": {"a": 1}}]}, 422, "a list of whole", 0, "history"),
        ({"rows": [{**ROWS[0], "user": ["x"]}]}, 422, "expected text", 0, "user"),
        ({"rows": [{**ROWS[0], "user": "a\0"}]}, 422, "without the character 0", 0, "user"),
        ({"rows": [{**ROWS[0], "user": "\ud800"}]}, 422, "text of Unicode", 0, "user"),
        ({"rows": [{"user": "ann"}]}, 422, "Missing: item, price, history", None, "item"),
        ({"rows": []}, 422, "1 to 500 rows. Received: 0", None, None),
        ({"rows": [{}] * 501}, 422, "1 to 500 rows. Received: 501", None, None),
        ({"rows": {"user": "ann"}}, 422, "a list of one object", None, None),
        ({"rows": [3]}, 422, "Row 0: expected an object", 0, None),
        ({"columns": [3]}, 422, "one list per column", None, None),
        (
            {"columns": {"user": "ann", "item": 1, "price": 1, "history": 1}},
            422,
            "a list",
            None,
            "user",
        ),
        (
            {"columns": {"user": ["a"], "item": [1, 2], "price": [1], "history": [[]]}},
            422,
            "of one length",
            None,
            None,
        ),
        ({"user": 3, "candidates": [{}]}, 422, "`user` as an object", None, None),
        ({"columns": {}, "rows": []}, 422, "Expected an object with", None, None),
        ([], 422, "Expected an object", None, None),
        (b"{", 400, "Not readable JSON", None, None),
        (b"", 400, "Not readable JSON", None, None),
        (b'{"rows": [NaN]}', 400, "NaN is not a number", None, None),
        (b'{"rows": [], "rows": []}', 400, "occurs twice", None, None),
        (b"[" * 100_000, 400, "nested too deeply", None, None),
        (b'{"rows": [' + b"9" * 5000 + b"]}", 400, "Not readable JSON", None, None),
        (b"\xff\xfe{\x00}\x00", 400, "Not readable JSON", None, None),
    ],
)
def test_what_is_wrong_is_told(body, status, message, row, column):
    with pytest.raises(RequestError, match=message) as error:
        ask(body)
    assert (error.value.status, error.value.row, error.value.column) == (status, row, column)


def test_content_of_other_types():
    with pytest.raises(RequestError, match=JSON) as error:
        ask(b"a,b", "text/csv")
    assert error.value.status == 415
    with pytest.raises(RequestError, match="Not a readable Arrow stream") as error:
        ask(b"nothing", ARROW)
    assert error.value.status == 400


def test_folders_that_hold_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ke\.export"):
        ServedModel(tmp_path)
    _, folder = weighted_artefact()
    text = (folder / "artefact.json").read_text()
    (tmp_path / "artefact.json").write_text(text)
    (tmp_path / "model.onnx").write_bytes(b"half")
    with pytest.raises(ValueError, match="not a readable model"):
        ServedModel(tmp_path)
    (tmp_path / "artefact.json").write_text(text.replace('"onnx"', '"saved_model"'))
    with pytest.raises(ValueError, match=r"format onnx\. Received: saved_model"):
        ServedModel(tmp_path)
    (tmp_path / "artefact.json").write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(ValueError, match=r"expected format 1\. Received: 99"):
        ServedModel(tmp_path)
