"""Ask an exported model through the REST interface of TensorFlow Serving.

keras-elastor export RUN --format saved_model --output click_model
docker run -p 8501:8501 -v "$PWD/click_model:/models/click_model" -e MODEL_NAME=click_model \
    tensorflow/serving
python examples/tensorflow_serving.py click_model rows.json

TensorFlow Serving finds the SavedModel in click_model/1. The rows are a JSON list of one object per
row. Prints the predictions as JSON, by label.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import RowError, make_feeds


def request_body(artefact: Artefact, rows: list[dict[str, Any]]) -> bytes:
    """Raw rows in TensorFlow Serving's columnar form; a key that a row lacks is a missing value."""
    columns = {entry.name: [row.get(entry.name) for row in rows] for entry in artefact.inputs}
    feeds = make_feeds(artefact.inputs, columns)
    # TensorFlow Serving reads NaN, a missing number, as Python writes it.
    inputs = {name: array.tolist() for name, array in feeds.items()}
    for name in inputs:
        if name.endswith("_bytes") and feeds[name].dtype == object:
            # Text of such a name is taken for bytes.
            encoded = [base64.b64encode(text.encode()).decode() for text in inputs[name]]
            inputs[name] = [{"b64": text} for text in encoded]
    return json.dumps({"signature_name": "serving_default", "inputs": inputs}).encode()


def predictions(artefact: Artefact, answer: Any) -> dict[str, list[float]]:
    """Predictions by label; the answer of a model with one output is that output alone."""
    outputs = answer["outputs"]
    if len(artefact.outputs) == 1:
        return {artefact.outputs[0].name: outputs}
    return {output.name: outputs[output.tensor] for output in artefact.outputs}


def ask(address: str, body: bytes) -> Any:
    """The answer of the server, or a ValueError with what it says is wrong."""
    request = urllib.request.Request(address, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode(errors="replace")) from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="folder that ke.export wrote, format saved_model")
    parser.add_argument("rows", type=Path, help="JSON file: a list of one object per row")
    parser.add_argument("--server", default="http://localhost:8501")
    parser.add_argument("--model", default="click_model", help="its name on the server")
    options = parser.parse_args(arguments)
    try:
        artefact = Artefact.load(options.path)
        rows = json.loads(options.rows.read_text(encoding="utf-8"))
        address = f"{options.server}/v1/models/{options.model}:predict"
        answer = ask(address, request_body(artefact, rows))
    except (OSError, ValueError, RowError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(predictions(artefact, answer)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
