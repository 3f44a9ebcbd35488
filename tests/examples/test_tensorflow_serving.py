"""The example asks as TensorFlow Serving's documentation has it; the server here is a stand-in."""

import http.server
import importlib.util
import json
import pathlib
import threading

import pytest

from tests.serving.artefacts import weighted_artefact

pytestmark = pytest.mark.backend_free
SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "tensorflow_serving.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("tensorflow_serving_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server():
    """Answers 0.25 and 0.5, and keeps what it was asked; refuses a model of another name."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            known = self.path == "/v1/models/click_model:predict"
            asked.append((self.path, json.loads(body)))
            answer = {"outputs": [0.25, 0.5]} if known else {"error": "Servable not found"}
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", asked
        made.shutdown()
        thread.join()


ROWS = [{"user": "ann", "item": 1, "price": 0.5, "history": [1, 2]}, {"item": "2", "history": [3]}]


def test_rows_in_columnar_form(script, server, tmp_path, capsys):
    address, asked = server
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    arguments = [str(weighted_artefact()[1]), str(tmp_path / "rows.json"), "--server", address]
    assert script.main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {"click": [0.25, 0.5]}
    ((path, body),) = asked
    assert path == "/v1/models/click_model:predict"
    assert body["signature_name"] == "serving_default"
    missing = -(2**63)
    price = body["inputs"].pop("price")
    assert price[0] == 0.5
    assert price[1] != price[1]
    assert body["inputs"] == {
        "user": ["ann", ""],
        "item": [1, 2],
        "history": [[1, 2], [3, missing]],
    }


def test_what_is_wrong_is_one_line(script, server, tmp_path, capsys):
    address, _ = server
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"item": "many"}]))
    folder = str(weighted_artefact()[1])
    assert script.main([folder, str(rows), "--server", address]) == 2
    assert "Row 0, column 'item': expected a whole number" in capsys.readouterr().err
    rows.write_text(json.dumps(ROWS))
    assert script.main([folder, str(rows), "--server", address, "--model", "other"]) == 2
    assert "Servable not found" in capsys.readouterr().err
    assert script.main([str(tmp_path), str(rows), "--server", address]) == 2
    assert "artefact.json: there is no such file" in capsys.readouterr().err
