"""What TokenFormer's block costs as the stream grows: full attention and windows.

KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/stream_length.py --results results/stream_length.csv

For each length of the stream and each window: operations of all matrix products of the attention of
one row (queries, keys, values, scores, output; without the SwiGLU network, which costs the same
everywhere), and the processor's seconds of one call of the whole block on a batch, the median of
several. Appends to a CSV. The processor's seconds hold on a machine that others use, too.
"""  # noqa: E501 - commands do not break

import argparse
import csv
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TOKEN_DIM, NUM_HEADS = 32, 2
COLUMNS = ("backend", "length", "window", "batch", "attention_mflops", "cpu_ms")


def measure(length: int, window: int | None, batch: int, calls: int) -> dict[str, Any]:
    """Operations and seconds of one block."""
    import keras
    import numpy as np

    import keras_elastor as ke
    from keras_elastor.keras_compat.matmul_flops import matmul_flops

    block = ke.layers.UnifiedInteraction(NUM_HEADS, window)
    positions = np.arange(1, length + 1, dtype="int32")

    def rows(count: int) -> dict[str, np.ndarray]:
        stream = np.random.default_rng(0).normal(size=(count, length, TOKEN_DIM))
        return {"stream": stream.astype("float32"), "at": np.tile(positions, (count, 1))}

    def call(arrays: Any) -> Any:
        return block([arrays["stream"], arrays["at"]])

    call(rows(1))
    few, many = (matmul_flops(call, rows(count)) for count in (2, 4))
    network = 2 * length * 3 * TOKEN_DIM * block.network_gate.units
    gate = 2 * length * TOKEN_DIM * TOKEN_DIM
    data = {name: keras.ops.convert_to_tensor(values) for name, values in rows(batch).items()}
    seconds = []
    for _ in range(calls + 1):
        start = time.process_time()
        keras.ops.convert_to_numpy(call(data))
        seconds.append(time.process_time() - start)
    return {
        "backend": keras.backend.backend(),
        "length": length,
        "window": "full" if window is None else window,
        "batch": batch,
        "attention_mflops": round(((many - few) / 2 - network - gate) / 1e6, 3),
        # The first call warms up.
        "cpu_ms": round(1000 * statistics.median(seconds[1:]), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--windows", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--results", type=Path, required=True, help="CSV that is appended to")
    options = parser.parse_args()
    is_new = not options.results.exists()
    with options.results.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        for length in options.lengths:
            for window in (None, *options.windows):
                line = measure(length, window, options.batch, options.calls)
                writer.writerow(line)
                file.flush()
                print(line, flush=True)


if __name__ == "__main__":
    main()
