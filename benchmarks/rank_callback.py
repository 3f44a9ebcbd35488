"""What watching effective ranks costs: the callback beside an epoch, and a million rows.

KERAS_BACKEND=torch python benchmarks/rank_callback.py

Seconds are those of the processor (user + system, all threads). The callback at its defaults
measures 2,000 rows once an epoch; its share is told for an epoch of --rows rows. The layers of a
small RankMixer are measured over --measured-rows streamed rows; memory is the process' peak after
it, beside the peak after a tenth of the rows. Appends two lines to results/rank_callback.csv.
"""

import argparse
import csv
import os
import pathlib
import resource
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_elastor as ke

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "rank_callback.csv"
FIELDS = 26
SCHEMA = ke.FeatureSchema([ke.Categorical(f"field_{i}", 1000) for i in range(FIELDS)])


def rows_of(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(1, 1000, count, dtype=np.int32) for name in SCHEMA.names}


def callback_cost(rows: int) -> dict[str, Any]:
    """Processor seconds of an epoch, and of one measurement of the callback."""
    features = rows_of(rows, 0)
    labels = np.random.default_rng(1).integers(0, 2, rows).astype(np.float32)
    model = ke.models.RankElastor(SCHEMA, embedding_dim=16, num_blocks=2)
    model.compile()
    model.fit(rows_of(8192, 2), labels[:8192], batch_size=4096, verbose=0)
    start = time.process_time()
    model.fit(features, labels, batch_size=4096, verbose=0)
    epoch = time.process_time() - start
    watch = ke.analysis.RankCallback(rows_of(2000, 3))
    watch.set_model(model)
    watch.on_train_begin()
    start = time.process_time()
    watch.measure()
    measured = time.process_time() - start
    return {
        "what": "RankCallback, one measurement per epoch (RankElastor, 26 fields, 2 blocks)",
        "rows": rows,
        "seconds": round(measured, 2),
        "of_seconds": round(epoch, 2),
        "share": round(measured / epoch, 4),
    }


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def streamed(rows: int) -> dict[str, Any]:
    """Processor seconds and memory of `layer_ranks` over a stream."""
    model = ke.models.RankMixer(SCHEMA, embedding_dim=16, num_blocks=1)
    stream = (rows_of(10_000, seed) for seed in range(rows // 10_000))
    tenth = (rows_of(10_000, seed) for seed in range(rows // 100_000))
    ke.analysis.layer_ranks(model, tenth, None, kinds=["stable"], views=["tokens"])
    before = peak_megabytes()
    start = time.process_time()
    ke.analysis.layer_ranks(model, stream, None, kinds=["stable"], views=["tokens"])
    return {
        "what": "layer_ranks over a stream (RankMixer, 26 fields, 4 stages, stable, tokens)",
        "rows": rows,
        "seconds": round(time.process_time() - start, 1),
        "peak_megabytes_of_a_tenth": round(before),
        "peak_megabytes": round(peak_megabytes()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--measured-rows", type=int, default=1_000_000)
    options = parser.parse_args()
    lines = [streamed(options.measured_rows), callback_cost(options.rows)]
    shared = {
        "date": time.strftime("%Y-%m-%d"),
        "backend": keras.backend.backend(),
        "cores": os.cpu_count(),
    }
    names = ["date", "backend", "cores", *dict.fromkeys(name for line in lines for name in line)]
    is_new = not RESULTS.is_file()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows({**shared, **line} for line in lines)
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
