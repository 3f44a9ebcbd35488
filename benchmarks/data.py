"""Speed and memory of preparing and feeding data, on generated rows of Criteo's format.

python benchmarks/data.py --rows 1000000

Prints a table and appends a line per measurement to results/data.csv, with the machine
and the versions. Every measurement has a process, and so a peak memory, of its own.
"""

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parents[1] / "results" / "data.csv"
BATCH_SIZE = 4096
# About 2 million distinct values in a million rows.
LARGEST_VOCABULARY = 1_200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", choices=["prepare", "load"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keeps the generated files here")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        path = generate(folder, options.rows)
        print(f"{options.rows:,} rows, 39 fields, {path.stat().st_size / 1e6:,.0f} MB of text")
        for name in ("prepare", "load"):
            command = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            report(name, options.rows, json.loads(output.splitlines()[-1]))
    return 0


def generate(folder: Path, rows: int) -> Path:
    """Kaggle's own form: 40 columns separated by tabs, no header."""
    import numpy as np
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"train_{rows}.tsv"
    if path.is_file():
        return path
    rng = np.random.default_rng(0)
    sizes = np.geomspace(10, LARGEST_VOCABULARY, 26).astype(int)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        for start in range(0, rows, 250_000):
            count = min(250_000, rows - start)
            missing = lambda rate, count=count: pl.Series(rng.random(count) < rate)  # noqa: E731
            columns = {"Label": pl.Series((rng.random(count) < 0.25).astype(np.int8))}
            for i in range(1, 14):
                numbers = np.floor(rng.lognormal(1, 2, count)).astype(np.int64) - 1
                columns[f"I{i}"] = pl.Series(numbers).set(missing(0.2), None)
            for i, size in enumerate(sizes, 1):
                # Half of the rows hold one of few values, the others any.
                few = rng.random(count) < 0.5
                values = rng.integers(0, np.where(few, min(size, 1000), size))
                hashes = (values.astype(np.uint64) + 1) * np.uint64(2654435761) % np.uint64(1 << 32)
                columns[f"C{i}"] = pl.Series(np.char.mod("%08x", hashes)).set(missing(0.05), None)
            pl.DataFrame(columns).write_csv(file, separator="\t", include_header=False)
    partial.replace(path)
    return path


def measure(name: str, folder: Path) -> dict[str, float]:
    """Seconds, rows per second and peak memory of one task."""
    # What a process needs before it has read a row.
    import tensorflow as tf  # noqa: F401
    import tensorflow_datasets as tfds  # noqa: F401

    import keras_elastor as ke
    from keras_elastor.datasets.criteo import criteo_x4_recipe

    [path] = folder.glob("train_*.tsv")
    prepared = folder / "prepared"
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu_start = time.perf_counter(), time.process_time()
    if name == "prepare":
        recipe = criteo_x4_recipe(min_count=1, kaggle=True)
        manifest = ke.data.prepare({"train": path}, recipe, prepared, progress=False)
        rows, passes = manifest.splits["train"].rows, 1
    else:
        dataset = ke.data.load(prepared, "train", BATCH_SIZE, shuffle=True, seed=0)
        rows, passes = 0, 3
        for _ in range(passes):
            for _, label in dataset:
                rows += len(label)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds / passes,
        "rows_per_second": rows / seconds,
        # Of all threads: what it costs on a machine that others use, too.
        "cpu_seconds": (time.process_time() - cpu_start) / passes,
        "idle_mb": idle / 1e3,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "distinct_values": sum(ke.data.Manifest.load(prepared).schema.table_sizes.values()),
    }


def report(name: str, rows: int, result: dict[str, float]) -> None:
    from importlib.metadata import version

    print(
        f"{name:8} {result['seconds']:7.2f} s  {result['rows_per_second']:12,.0f} rows/s  "
        f"{result['cpu_seconds']:6.2f} s of CPU  "
        f"memory {result['idle_mb']:,.0f} MB idle, {result['peak_mb']:,.0f} MB at most  "
        f"({result['distinct_values']:,} ids)"
    )
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.is_file()
    with open(RESULTS, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = ("polars", "tensorflow", "tensorflow-datasets", "numpy")
        if is_new:
            writer.writerow(["date", "task", "rows", *result, "machine", "cores", "python", *names])
        writer.writerow(
            [
                time.strftime("%Y-%m-%d"),
                name,
                rows,
                *(round(value, 2) for value in result.values()),
                platform.machine(),
                os.cpu_count(),
                platform.python_version(),
                *map(version, names),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
