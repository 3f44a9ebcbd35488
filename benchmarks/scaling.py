"""The time of a training step as the tables grow, by rows and dense, on every backend.

python benchmarks/scaling.py
python benchmarks/scaling.py --backends jax --rows 10000 20000000 --updates lazy_adam --batch-sizes 4096

A DNN 400-400-400 on rows of Criteo's shape (13 numbers, 26 ids, embeddings of 20) is trained by plain
`fit`: "dense" as FuxiCTR does (Adam on whole tables, clip norm 10, L2 of 1e-5), "lazy_adam" and
"row_wise_adagrad" alike but with tables by rows. Each line has a process of its own. Prints a table
and appends a line per measurement to results/scaling.csv, with the machine and the versions.

Allocators matter: the lines of one table should have been made under the same environment.
"""  # noqa: E501 - commands do not break

import argparse
import csv
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version  # noqa: TID251
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parents[1] / "results" / "scaling.csv"
NUMBERS, FIELDS, DIM = 13, 26, 20
L2_LAMBDA, CLIP_NORM = 1e-5, 10.0
UPDATES = ("lazy_adam", "row_wise_adagrad", "dense")
PACKAGES = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    sizes = [10_000, 2_000_000, 8_000_000, 20_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="of all tables together")
    parser.add_argument("--updates", nargs="+", choices=UPDATES, default=list(UPDATES))
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[4096, 1024])
    parser.add_argument("--steps", type=int, default=30, help="that are measured")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="CSV that is appended to")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(**json.loads(options.measure))))
        return 0
    columns = ("backend", "update", "rows", "batch", "ms", "90 %", "cpu ms", "peak MB", "table MB")
    print(("{:>11} {:>17} {:>11}" + " {:>8}" * 6).format(*columns))
    for batch_size in options.batch_sizes:
        for backend in options.backends:
            for update in options.updates:
                for rows in options.rows:
                    task = {"update": update, "rows": rows, "batch_size": batch_size}
                    task |= {"steps": options.steps, "warm_up": options.warm_up}
                    report(backend, task, run(backend, task), options.results)
    return 0


def run(backend: str, task: dict[str, object]) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", json.dumps(task)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def make_model(rows: int, update: str):
    """The model, compiled to train in one of the ways of `UPDATES`."""
    import keras_elastor as ke

    sizes = [rows // FIELDS] * FIELDS
    schema = ke.FeatureSchema(
        [ke.Numeric(f"I{number}") for number in range(NUMBERS)]
        + [ke.Categorical(f"C{field}", size) for field, size in enumerate(sizes)]
    )
    protocol = ke.training.FuxiCTRProtocol(
        embedding_l2_lambda=L2_LAMBDA, max_gradient_norm=CLIP_NORM
    )
    model = ke.models.DNN(
        schema,
        hidden_units=[400, 400, 400],
        encoder={
            "embedding_dim": DIM,
            "embeddings_regularizer": protocol.embeddings_regularizer,
        },
    )
    if update == "dense":
        protocol.compile(model)
        return model
    tables = {
        "lazy_adam": ke.optimizers.LazyAdam,
        "row_wise_adagrad": ke.optimizers.RowWiseAdagrad,
    }[update]
    dense = ke.optimizers.PyTorchAdam(1e-3)
    model.compile(ke.optimizers.Split(tables(), dense, global_clipnorm=CLIP_NORM), model_loss())
    return model


def model_loss():
    import keras

    return keras.losses.BinaryCrossentropy(from_logits=True)


def make_rows(schema, count: int):
    """Rows whose ids come as in logs: few of them often, most seldom."""
    import numpy as np

    rng = np.random.default_rng(0)
    features = {}
    for feature in schema.features:
        size = getattr(feature, "vocabulary_size", None)
        if size is None:
            features[feature.name] = rng.normal(size=count).astype("float32")
        else:
            ids = 1 + np.floor(rng.random(count) ** 3 * (size - 1))
            features[feature.name] = ids.astype("int32")
    return features, (rng.random(count) < 0.25).astype("float32")


def measure(
    update: str, rows: int, batch_size: int, steps: int, warm_up: int
) -> dict[str, float | str]:
    """Milliseconds of a step of `fit`, and the peak memory of the process."""
    import keras

    model = make_model(rows, update)
    wall: list[float] = []
    cpu: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # JAX is not done with a step before someone reads of it.
            float(logs["loss"])
            wall.append(time.perf_counter())
            cpu.append(time.process_time())

    features, labels = make_rows(model.schema, batch_size * (steps + warm_up))
    model.fit(
        features, labels, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[Clock()]
    )
    times = [1e3 * (end - start) for start, end in itertools.pairwise(wall)][-steps:]
    used = [1e3 * (end - start) for start, end in itertools.pairwise(cpu)][-steps:]
    backend = keras.backend.backend()
    return {
        "ms": statistics.median(times),
        "ms_90": statistics.quantiles(times, n=10)[-1],
        "cpu_ms": statistics.median(used),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "table_mb": 4e-6 * sum(model.schema.table_sizes.values()) * DIM,
        "keras": keras.__version__,
        "backend_version": version(PACKAGES[backend]),
    }


def report(backend: str, task: dict, result: dict, results: Path) -> None:
    print(
        f"{backend:>11} {task['update']:>17} {task['rows']:11,} {task['batch_size']:8,} "
        f"{result['ms']:8.1f} {result['ms_90']:8.1f} {result['cpu_ms']:8.1f} "
        f"{result['peak_mb']:8,.0f} {result['table_mb']:8,.0f}",
        flush=True,
    )
    numbers = ("ms", "ms_90", "cpu_ms", "peak_mb", "table_mb")
    line = {
        "date": time.strftime("%Y-%m-%d"),
        "backend": backend,
        **task,
        **{name: round(result[name], 1) for name in numbers},
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "malloc": os.environ.get("MALLOC_TOP_PAD_", ""),
        "python": platform.python_version(),
        "keras": result["keras"],
        "backend_version": result["backend_version"],
    }
    results.parent.mkdir(exist_ok=True)
    is_new = not results.is_file()
    with open(results, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(line), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(line)


def processor() -> str:
    """The processor's name, where the system tells it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    sys.exit(main())
