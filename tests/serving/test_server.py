"""The server over HTTP, with whatever a client may send."""

import contextlib
import http.client
import json
import os
import random
import socket
import sys
import time

import pyarrow as pa
import pytest

from keras_elastor.serving import serve
from keras_elastor.serving.bodies import ARROW
from keras_elastor.serving.served_model import ServedModel
from keras_elastor.serving.server import listen
from tests.serving.artefacts import weighted_artefact
from tests.serving.servers import LIMIT, ask, predict, running
from tests.serving.test_bodies import ROWS, expected

pytestmark = pytest.mark.backend_free


@pytest.fixture(scope="module")
def port():
    with running() as port:
        yield port


def test_predictions_health_schema_and_page(port):
    assert predict(port, ROWS[:1])[0] == pytest.approx(expected(ROWS[:1])[0], abs=1e-6)
    assert ask(port, None, "GET", "/health") == (200, b'{"status":"ok"}')
    status, body = ask(port, None, "GET", "/schema")
    assert status == 200
    assert set(json.loads(body)) == {"inputs", "outputs"}
    inputs = {entry["name"]: entry["kind"] for entry in json.loads(body)["inputs"]}
    assert inputs == {"user": "text", "item": "integer", "price": "number", "history": "integers"}
    status, body = ask(port, None, "GET", "/")
    assert status == 200
    assert b"<form>" in body
    assert ask(port, None, "GET", "/predict")[0] == 405
    assert ask(port, None, "GET", "/nothing")[0] == 404


def test_answers_do_not_wait_for_acknowledgements():
    """Nagle's algorithm would hold the body back until the client acknowledges the header."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_wrong_value_is_named(port):
    status, body = ask(port, json.dumps({"rows": [ROWS[0], {**ROWS[0], "item": "many"}]}))
    told = json.loads(body)
    assert (status, told["row"], told["column"]) == (422, 1, "item")
    assert "expected a whole number" in told["error"]


def test_metrics_count_what_was_asked():
    with running() as port:
        predict(port, ROWS[:2])
        ask(port, b"{")
        text = ask(port, None, "GET", "/metrics")[1].decode()
    assert 'predict_requests_total{status="200"} 1' in text
    assert 'predict_requests_total{status="400"} 1' in text
    assert "predict_rows_total 2" in text
    assert 'predict_seconds_bucket{le="+Inf"} 2' in text
    assert "predict_seconds_count 2" in text


def test_bodies_above_the_limit(port):
    assert ask(port, b" " * (LIMIT + 1))[0] == 413
    # A length that is told, and nothing sent.
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413")
    # No length is told.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(
        "POST",
        "/predict",
        iter([b" " * LIMIT, b" " * LIMIT]),
        encode_chunked=True,
        headers={"transfer-encoding": "chunked"},
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_time_limits():
    class Slow(ServedModel):
        def predict_rows(self, rows):
            time.sleep(0.5)
            return super().predict_rows(rows)

    with running(timeout=0.2, model=Slow(weighted_artefact()[1])) as port:
        assert ask(port, json.dumps({"rows": ROWS[:1]}))[0] == 503
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
            assert client.recv(100).startswith(b"HTTP/1.1 408")


def test_a_fault_of_the_server_is_not_told_to_clients(caplog):
    class Faulty(ServedModel):
        def predict_rows(self, rows):
            raise RuntimeError("secret")

    with running(model=Faulty(weighted_artefact()[1])) as port:
        status, body = ask(port, json.dumps({"rows": ROWS[:1]}))
    assert status == 500
    assert b"secret" not in body
    assert "secret" in caplog.text


_NUMBERS = (True, -1, 0.5, 10**400, -1e308, 1e-320, 2**63, -(2**63))
_TEXTS = ("", " ", "nan", "Infinity", "1e999", "0x10", "\uff11", "\ud800", "a\0b", "x" * 5000)
_NESTED = ([], {}, [[]], [None], [1, "x"], {"a": {"b": []}}, [[[[[[]]]]]])
_VALUES = (None, *_NUMBERS, *_TEXTS, *_NESTED)


def malformed(random):
    """A body that is wrong in one of many ways, or is right by chance."""
    row = dict(ROWS[0])
    for _ in range(random.randint(1, 3)):
        row[random.choice([*row, "other", ""])] = random.choice(_VALUES)
    if random.random() < 0.2:
        row.pop(random.choice([*row]))
    whole = random.choice(
        [
            {"rows": [row]},
            {"rows": [ROWS[0], row] * random.randint(1, 60)},
            {"rows": row},
            {"columns": {name: [value] for name, value in row.items()}},
            {"columns": row},
            {"user": row, "candidates": [row]},
            {"user": {}, "candidates": [row]},
            {"user": random.choice(_VALUES), "candidates": random.choice(_VALUES)},
            random.choice(_VALUES),
        ]
    )
    body = json.dumps(whole).encode(random.choice(["utf-8"] * 6 + ["utf-16", "utf-32"]))
    kind = random.random()
    if kind < 0.2:
        body = body[: random.randrange(len(body) + 1)]
    elif kind < 0.4:
        place = random.randrange(len(body) + 1)
        body = body[:place] + random.randbytes(random.randint(1, 4)) + body[place + 1 :]
    elif kind < 0.45:
        body = b"[" * random.randint(1, LIMIT)
    elif kind < 0.5:
        body = b'{"a":' * random.randint(1, 10_000)
    elif kind < 0.55:
        body = random.randbytes(random.randint(0, 2000))
    return body


def malformed_stream(random):
    """An Arrow stream that is wrong in one of many ways, or is right by chance."""
    columns = {"user": ["ann"], "item": [1], "price": [0.5], "history": [[1, 2]]}
    name = random.choice([*columns])
    wrong = random.choice(
        [
            pa.array(["x" * 3000] * 90).dictionary_encode(),
            pa.array(["x" * 3000] * 90, pa.string_view()),
            pa.nulls(10**9),
            pa.array([[0.0] * 500_000]),
            pa.array([[1] * 20_000] * 90),
            pa.array([b"x", None]),
            pa.array([random.choice([-(2**63), 0, 2**62])]),
            pa.array([10**15], pa.timestamp("ns", "Nowhere/Atlantis")),
            pa.array([random.choice(["", "1", "\uff11", "x" * 5000])]),
        ]
    )
    table = pa.table({**columns, name: wrong} if len(wrong) == 1 else {name: wrong})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=random.choice([None, "lz4", "zstd"]))
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        for _ in range(random.choice([1, 1, 3])):
            writer.write_table(table)
    body = bytearray(sink.getvalue())
    for _ in range(random.choice([0, 0, 1, 3])):
        body[random.randrange(len(body))] = random.randrange(256)
    return bytes(body[: random.choice([None, None, random.randrange(len(body))])])


def abuse(port, bodies, seed):
    """Statuses of malformed bodies, among which right ones are answered rightly."""
    draws = random.Random(seed)
    right = expected(ROWS[:1])[0]
    statuses = {}
    for number in range(bodies):
        kind = draws.choice(["application/json"] * 7 + [ARROW] * 3 + ["", "x/y"])
        is_stream = kind == ARROW and draws.random() < 0.8
        body = malformed_stream(draws) if is_stream else malformed(draws)
        status, answer = ask(port, body, kind=kind)
        assert status in (200, 400, 413, 415, 422), (status, body[:300])
        told = json.loads(answer)
        assert ("predictions" if status == 200 else "error") in told
        statuses[status] = statuses.get(status, 0) + 1
        if number % 20 == 0:
            assert predict(port, ROWS[:1])[0] == pytest.approx(right, abs=1e-6)
    return statuses


def test_malformed_bodies(port):
    statuses = abuse(port, bodies=100, seed=0)
    assert {200, 400, 422} <= set(statuses)


def _resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_a_thousand_malformed_bodies_leave_no_memory_behind(port):
    abuse(port, bodies=300, seed=1)
    before = _resident_bytes()
    statuses = abuse(port, bodies=1000, seed=2)
    assert sum(statuses.values()) == 1000
    for _ in range(3):
        # A client that sends 100 MB although it is told to stop.
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert ask(port, b" " * (100 << 20))[0] == 413
    assert _resident_bytes() - before < 64 << 20


def test_what_cannot_be_served(tmp_path, monkeypatch):
    _, folder = weighted_artefact()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} of 127.0.0.1: .* in use"):
            serve(folder, port=port)
    with pytest.raises(ValueError, match="a port from 0 to 65535"):
        serve(folder, port=70_000)
    with pytest.raises(FileNotFoundError, match=r"artefact\.json: there is no such file"):
        serve(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"onnxruntime.*keras-elastor\[serve\]"):
        serve(folder)
