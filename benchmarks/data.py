"""Speed and memory of preparing and feeding data, on generated rows of Criteo's format.

python benchmarks/data.py --rows 1000000 --fuxictr-python fuxictr-venv/bin/python
python benchmarks/data.py --rows 1000000 20000000
python benchmarks/data.py --rows 20000000 --largest-vocabulary 1000

Prints a table and appends a line per measurement to results/data.csv, with the machine and the
versions. Every measurement has a process, and so a peak memory, of its own. FuxiCTR prepares the
same file if it is given the Python of an environment with `fuxictr==2.3.10 polars==1.31.0`. The
third command's file has next to no vocabulary: what it takes less than the second is the memory of
the vocabularies.
"""

import argparse
import csv
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version  # noqa: TID251
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parents[1] / "results" / "data.csv"
FUXICTR = Path(__file__).with_name("fuxictr_data.py")
BATCH_SIZE = 4096
# The median counts.
LOAD_EPOCHS = 5
# 2 million distinct values in a million rows.
LARGEST_VOCABULARY = 1_800_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--fuxictr-python", type=Path, help="Python of FuxiCTR's environment")
    parser.add_argument(
        "--largest-vocabulary",
        type=int,
        default=LARGEST_VOCABULARY,
        help="values that the last of the 26 categories draws from (default: %(default)s)",
    )
    parser.add_argument("--measure", choices=["prepare", "load"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keeps the generated files here")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.file, options.folder, options.rows[0])))
        return 0
    print(f"{'':24} {'rows':>11} {'s':>8} {'rows/s':>10} {'idle MB':>8} {'peak MB':>8} {'ids':>10}")
    with tempfile.TemporaryDirectory() as scratch:
        for rows in options.rows:
            path = generate(options.folder or Path(scratch), rows, options.largest_vocabulary)
            compare(path, rows, options.fuxictr_python)
    return 0


def compare(path: Path, rows: int, fuxictr_python: Path | None) -> None:
    """Everything that is measured, on one file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        ours = [sys.executable, __file__, "--file", path, "--folder", scratch, "--rows", rows]
        report("keras-elastor prepare", rows, run([*ours, "--measure", "prepare"]))
        report("keras-elastor load", rows, run([*ours, "--measure", "load"]))
        if fuxictr_python:
            command = [fuxictr_python, FUXICTR, path, Path(scratch) / "fuxictr"]
            report("FuxiCTR prepare", rows, run(command))


def run(command: Sequence[object]) -> dict[str, float]:
    arguments = [str(argument) for argument in command]
    output = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def generate(folder: Path, rows: int, largest_vocabulary: int) -> Path:
    """The label, 13 numbers and 26 categories, under the names of Criteo_x4."""
    import numpy as np
    import polars as pl

    from keras_elastor.utils.files import atomic_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"train_{rows}_{largest_vocabulary}.csv"
    if path.is_file():
        return path
    rng = np.random.default_rng(0)
    sizes = np.geomspace(10, largest_vocabulary, 26).astype(int)
    hexadecimal = np.array([f"{byte:02x}" for byte in range(256)], "S2")
    with atomic_file(path) as file:
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
                digits = hexadecimal[hashes.astype(">u4").view(np.uint8)].view("S8")
                columns[f"C{i}"] = pl.Series(digits).cast(pl.String).set(missing(0.05), None)
            pl.DataFrame(columns).write_csv(file, include_header=start == 0)
    return path


def measure(task: str, path: Path, folder: Path, rows: int) -> dict[str, float]:
    """Seconds, peak memory and vocabulary of one task, in an empty `folder` or after `prepare`."""
    # What a process needs before it has read a row.
    import tensorflow as tf  # noqa: F401
    import tensorflow_datasets as tfds  # noqa: F401

    import keras_elastor as ke
    from keras_elastor.datasets.criteo import criteo_x4_recipe

    prepared = folder / "prepared"
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if task == "prepare":
        recipe = criteo_x4_recipe(min_count=1)
        start = time.perf_counter()
        ke.data.prepare({"train": path}, recipe, prepared, progress=False)
        seconds = [time.perf_counter() - start]
    else:
        dataset, seconds = ke.data.load(prepared, "train", BATCH_SIZE, shuffle=True, seed=0), []
        for _ in range(LOAD_EPOCHS):
            start = time.perf_counter()
            if sum(len(label) for _, label in dataset) != rows:
                raise ValueError(f"Expected {rows} rows")
            seconds.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(seconds),
        "idle_mb": idle / 1e3,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "distinct_values": sum(ke.data.Manifest.load(prepared).schema.table_sizes.values()),
        "polars": version("polars"),
    }


def report(task: str, rows: int, result: dict[str, float]) -> None:
    speed = rows / result["seconds"]
    print(
        f"{task:24} {rows:11,} {result['seconds']:8.2f} {speed:10,.0f} {result['idle_mb']:8,.0f} "
        f"{result['peak_mb']:8,.0f} {result['distinct_values']:10,}",
        flush=True,
    )
    line = {
        "date": time.strftime("%Y-%m-%d"),
        "task": task,
        "rows": rows,
        "seconds": round(result["seconds"], 2),
        "rows_per_second": round(speed),
        **{name: round(result[name]) for name in ("idle_mb", "peak_mb", "distinct_values")},
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "polars": result["polars"],
        "tensorflow": version("tensorflow"),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.is_file()
    with open(RESULTS, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(line), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(line)


if __name__ == "__main__":
    sys.exit(main())
