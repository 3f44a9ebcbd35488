"""How fast an exported model answers: in this process, and over HTTP on 127.0.0.1.

python benchmarks/serving.py click_model --seconds 5

The rows are drawn from the values that artefact.json's model was verified with: any value takes the
same way through the graph. Every part runs for `--seconds`, the server in a process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.onnx_model import open_session
from keras_elastor.export.verification import VERIFY


def measure(name: str, rows: int, ask: Callable[[], Any], seconds: float) -> None:
    """Print how long one call takes, after some that are not counted."""
    for _ in range(5):
        ask()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - start))
    p50, p99 = np.percentile(times, [50, 99])
    rate = 1000 * rows / np.mean(times)
    print(f"| {name} | {rows} | {p50:.3f} | {p99:.3f} | {rate:,.0f} | {len(times)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="folder that ke.export wrote, of format onnx")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line (default: 5)")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 500, 4096])
    parser.add_argument("--threads", type=int, default=0, help="of ONNX Runtime (default: all)")
    options = parser.parse_args()
    artefact = Artefact.load(options.path)
    row = json.loads((options.path / VERIFY).read_text(encoding="utf-8"))["worst_row"]
    session = open_session(options.path, options.threads)
    outputs = [output.tensor for output in artefact.outputs]
    print("| part | rows | p50 ms | p99 ms | rows/s | calls |\n|---|---|---|---|---|---|")
    for rows in options.rows:
        columns = {name: [value] * rows for name, value in row.items()}
        feeds = make_feeds(artefact.inputs, columns)
        measure(
            "rows to tensors",
            rows,
            lambda c=columns: make_feeds(artefact.inputs, c),
            options.seconds,
        )
        measure(
            "tensors to answers", rows, lambda f=feeds: session.run(outputs, f), options.seconds
        )
        measure(
            "rows to answers",
            rows,
            lambda c=columns: session.run(outputs, make_feeds(artefact.inputs, c)),
            options.seconds,
        )
    command = [sys.executable, "-m", "keras_elastor_command", "serve", str(options.path)]
    command += ["--port", "0", "--threads", str(options.threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            address = server.stdout.readline().split()[0]
            client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            for rows in options.rows:
                body = json.dumps({"rows": [row] * rows}).encode()
                measure("HTTP, JSON", rows, lambda b=body: _ask(client, b), options.seconds)
        finally:
            server.terminate()


def _ask(client: http.client.HTTPConnection, body: bytes) -> None:
    client.request("POST", "/predict", body, {"content-type": "application/json"})
    response = client.getresponse()
    answer = response.read()
    if response.status != 200:
        raise ValueError(f"Expected status 200. Received: {response.status}, {answer[:300]!r}")


if __name__ == "__main__":
    main()
