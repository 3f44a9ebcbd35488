"""How fast an exported model answers: in this process, and over HTTP on 127.0.0.1.

python benchmarks/serving.py click_model
python benchmarks/serving.py rank_elastor --build
python benchmarks/serving.py rank_elastor --build --official RankElastor --fuxictr FuxiCTR

`--build` makes the artefact first, if the folder is not there: RankElastor, preset
rank_elastor_criteo_dim20, with drawn weights, vocabularies of Criteo's sizes, and drawn rows to ask
with. Any other artefact is asked with the row that it was verified with, again and again. Half of
the columns are taken for those of a user where the export named none. `--official` also times a
checkout of the official code (github.com/vasile-paskardlgm/RankElastor) on ids, without encoding;
it needs a checkout of FuxiCTR. Every line runs for `--seconds`, the server in its own process.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROWS = "benchmark_rows.json"
# Distinct values of the categories of Criteo's Kaggle set, the largest cut so that all together are
# the 2.09 million of Criteo_x1, which leaves out rare ones.
LARGEST = 303_528
CARDINALITIES = (
    *(1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992),
    *(5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572),
)
CANDIDATES = 500

Rows = list[dict[str, Any]]


def build(path: Path, sizes: list[int]) -> None:
    """Write RankElastor with drawn weights as an ONNX artefact, and rows to ask it with.

    Args:
        path: A new folder.
        sizes: Numbers of distinct values of the 26 categories.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import polars as pl

    import keras_elastor as ke
    from keras_elastor.datasets.criteo import criteo_x1_recipe

    random = np.random.default_rng(0)
    count = max(4096, *sizes)
    columns = {f"I{i}": random.random(count) for i in range(1, 14)}
    for i, size in enumerate(sizes, start=1):
        # Every value is there, so that each is known.
        columns[f"C{i}"] = (np.arange(count) % size + 1).astype(float)
    table = pl.DataFrame({"label": random.integers(0, 2, count), **columns})
    data = ke.data.from_dataframe(table, recipe=criteo_x1_recipe())
    keras.utils.set_random_seed(0)
    model = ke.models.RankElastor.from_preset("rank_elastor_criteo_dim20", data.schema)
    user = [f"I{i}" for i in range(1, 8)] + [f"C{i}" for i in range(1, 14)]
    found = ke.export(ke.Predictor(model, data.preprocessor), path, user=user)
    print(f"{path}: {model.count_params():,} parameters, answers within {found.max_difference:.1g}")
    asked = table.drop("label").sample(4096, seed=0)
    # Shuffled column by column: no two rows share their values by the order they were made in.
    asked = asked.with_columns(pl.all().shuffle(seed=1))
    (path / ROWS).write_text(json.dumps(asked.to_dicts()))


def measure(name: str, rows: int, ask: Callable[[], Any], seconds: float) -> float:
    """Print how long one call takes, after some that are not counted; the median, in ms."""
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
    return float(p50)


def encoding_session(path: Path, threads: int) -> Any:
    """The part of the graph between raw rows and features."""
    import onnx
    import onnxruntime

    model = onnx.load(path / "model.onnx")
    # Features have the names of the network's inputs.
    made = [node.output[0] for node in model.graph.node if node.op_type == "Identity"]
    features = [name for name in made if name.startswith("model/")]
    inputs = [entry.name for entry in model.graph.input]
    part = onnx.utils.Extractor(model).extract_model(inputs, features)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(part.SerializeToString(), options)


def measure_here(path: Path, rows: Rows, user: set[str], options: argparse.Namespace) -> None:
    """All that needs no server."""
    from keras_elastor.export.feeds import make_feeds
    from keras_elastor.serving.served_model import ServedModel

    model = ServedModel(path, threads=options.threads)
    encoding = encoding_session(path, options.threads)
    inputs = model.artefact.inputs
    for count in options.rows:
        asked = rows[:count]
        columns = {entry.name: [row[entry.name] for row in asked] for entry in inputs}
        feeds = make_feeds(inputs, columns)
        parts = [
            measure(name, count, ask, options.seconds)
            for name, ask in (
                ("rows to tensors", lambda c=columns: make_feeds(inputs, c)),
                ("tensors to features", lambda f=feeds: encoding.run(None, f)),
                ("rows to answers", lambda a=asked: model.predict_rows(a)),
            )
        ]
        share = 100 * parts[1] / (parts[2] - parts[0])
        whole = 100 * (parts[0] + parts[1]) / parts[2]
        print(f"| encoding: {share:.0f} % of the graph, {whole:.0f} % with the tensors |||||")
    one, candidates, repeated = as_candidates(rows[:CANDIDATES], user)
    for name, ask in (
        ("candidates as rows", lambda: model.predict_rows(repeated)),
        ("candidates of one user", lambda: model.predict_candidates(one, candidates)),
    ):
        measure(name, len(candidates), ask, options.seconds)


def as_candidates(rows: Rows, user: set[str]) -> tuple[dict[str, Any], Rows, Rows]:
    """The user of the first row, candidates of all rows, and both together as rows."""
    one = {name: rows[0][name] for name in user}
    candidates = [{name: row[name] for name in row if name not in user} for row in rows]
    return one, candidates, [{**one, **candidate} for candidate in candidates]


@contextmanager
def server(path: Path, threads: int) -> Iterator[http.client.HTTPConnection]:
    """A connection to a server in a process of its own."""
    command = [sys.executable, "-m", "keras_elastor_command", "serve", str(path)]
    command += ["--port", "0", "--threads", str(threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            address = process.stdout.readline().split()[0]
            yield http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        finally:
            process.terminate()


def measure_http(path: Path, rows: Rows, user: set[str], options: argparse.Namespace) -> None:
    """The same over HTTP, as JSON, on one connection."""
    bodies = [("HTTP, rows", count, {"rows": rows[:count]}) for count in options.rows]
    one, candidates, _ = as_candidates(rows[:CANDIDATES], user)
    asked = {"user": one, "candidates": candidates}
    bodies.append(("HTTP, candidates of one user", len(candidates), asked))
    with server(path, options.threads) as client:
        for name, count, body in bodies:
            text = json.dumps(body).encode()
            measure(name, count, lambda t=text: _ask(client, t), options.seconds)


def _ask(client: http.client.HTTPConnection, body: bytes) -> None:
    client.request("POST", "/predict", body, {"content-type": "application/json"})
    response = client.getresponse()
    answer = response.read()
    if response.status != 200:
        raise ValueError(f"Expected status 200. Received: {response.status}, {answer[:300]!r}")


def measure_official(sizes: list[int], options: argparse.Namespace) -> None:
    """The official code of the preset on drawn ids; in a process that finds both checkouts."""
    import torch
    import yaml
    from fuxictr.features import FeatureMap
    from src import UniMixer

    config = yaml.safe_load((options.official / "config" / "model_config.yaml").read_text())
    settings = {**config["Base"], **config["UniMixer_criteo_dim_20"], "gpu": -1, "verbose": 0}
    features = FeatureMap("criteo", tempfile.gettempdir())
    for i in range(1, 14):
        features.features[f"I{i}"] = {"type": "numeric", "source": ""}
    for i, size in enumerate(sizes, start=1):
        kind = {"type": "categorical", "padding_idx": 0, "vocab_size": size + 2}
        features.features[f"C{i}"] = {"source": "", **kind}
    features.labels = ["label"]
    features.num_fields = len(features.features)
    features.set_column_index()
    torch.manual_seed(0)
    if options.threads:
        torch.set_num_threads(options.threads)
    model = UniMixer(features, **{**settings, "model_root": tempfile.mkdtemp()}).eval()
    random = np.random.default_rng(0)
    for count in options.rows:
        batch = {
            f"I{i}": torch.tensor(random.random(count), dtype=torch.float32) for i in range(1, 14)
        }
        for i, size in enumerate(sizes, start=1):
            batch[f"C{i}"] = torch.tensor(random.integers(1, size + 1, count))
        batch["label"] = torch.zeros(count)
        with torch.inference_mode():
            measure("official, ids to answers", count, lambda b=batch: model(b), options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="folder that ke.export wrote, of format onnx")
    parser.add_argument("--build", action="store_true", help="make it, if it is not there")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line (default: 5)")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 500, 4096])
    parser.add_argument("--threads", type=int, default=0, help="of one request (default: all)")
    parser.add_argument("--largest-vocabulary", type=int, default=LARGEST, help="of --build")
    parser.add_argument("--official", type=Path, help="checkout of the official code")
    parser.add_argument("--fuxictr", type=Path, help="checkout of FuxiCTR, for --official")
    parser.add_argument("--only-official", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [min(size, options.largest_vocabulary) for size in CARDINALITIES]
    if options.only_official:
        measure_official(sizes, options)
        return
    if options.build and not options.path.exists():
        build(options.path, sizes)
    from keras_elastor.export.artefact import Artefact
    from keras_elastor.export.verification import VERIFY

    inputs = Artefact.load(options.path).inputs
    user = {entry.name for entry in inputs if entry.of_user}
    user = user or {entry.name for entry in inputs[: len(inputs) // 2]}
    if (options.path / ROWS).exists():
        rows = json.loads((options.path / ROWS).read_text())
    else:
        row = json.loads((options.path / VERIFY).read_text(encoding="utf-8"))["worst_row"]
        rows = [row] * max(CANDIDATES, *options.rows)
    print("| part | rows | p50 ms | p99 ms | rows/s | calls |\n|---|---|---|---|---|---|")
    measure_here(options.path, rows, user, options)
    measure_http(options.path, rows, user, options)
    if options.official:
        places = [str(options.official.resolve()), str(options.fuxictr.resolve())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        command = [sys.executable, __file__, *sys.argv[1:], "--only-official"]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
