"""A server in this process, and requests to it."""

import contextlib
import http.client
import json
import threading
import time

import uvicorn

from keras_elastor.serving.app import App
from keras_elastor.serving.served_model import ServedModel
from keras_elastor.serving.server import listen
from tests.serving.artefacts import weighted_artefact

LIMIT = 1 << 16


@contextlib.contextmanager
def running(timeout=5.0, model=None, routes=()):
    model = model or ServedModel(weighted_artefact()[1], max_rows=100)
    app = App(model, LIMIT, timeout, workers=2).application()
    app.router.routes.extend(routes)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def ask(port, body, method="POST", path="/predict", kind="application/json"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {"content-type": kind})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def predict(port, rows):
    status, body = ask(port, json.dumps({"rows": rows}))
    assert status == 200, body
    return json.loads(body)["predictions"]["click"]
