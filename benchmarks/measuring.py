"""What the benchmarks of models share: rows, models, clocks, processes, results.

Every measurement has a process of its own. Allocators matter: all lines of one call have the same.
"""

import csv
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version  # noqa: TID251
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
NUMBERS, FIELDS, DIM = 13, 26, 20
L2_LAMBDA, CLIP_NORM = 1e-5, 10.0
# What `ke.configure_cpu` sets, for programs that know nothing of it.
KEEPING = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
ALLOCATORS: Mapping[str, Mapping[str, str]] = {"default": {}, "keeping": KEEPING}


# Models that are measured beside FuxiCTR's; its own names of these are in fuxictr_model.py.
_TOWER = [400, 400, 400]
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "dnn": {"hidden_units": _TOWER},
    "dcn_v2": {"num_cross_layers": 3, "parallel_units": _TOWER},
    "autoint": {
        "num_attention_layers": 3,
        "num_heads": 2,
        "attention_dim": 40,
        "hidden_units": _TOWER,
    },
    "xdeepfm": {"cin_units": [64, 64, 64], "hidden_units": _TOWER},
}


def criteo_schema(rows: int) -> Any:
    """13 numbers and 26 ids, whose tables have so many rows together."""
    import keras_elastor as ke

    numbers = [ke.Numeric(f"I{number}") for number in range(NUMBERS)]
    ids = [ke.Categorical(f"C{field}", rows // FIELDS) for field in range(FIELDS)]
    return ke.FeatureSchema([*numbers, *ids])


def make_columns(rows: int, count: int) -> tuple[dict[str, Any], Any]:
    """Rows whose ids come as in logs, few of them often and most seldom, and their labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    features = {f"I{number}": rng.normal(size=count).astype("float32") for number in range(NUMBERS)}
    for field in range(FIELDS):
        ids = 1 + np.floor(rng.random(count) ** 3 * (rows // FIELDS - 1))
        features[f"C{field}"] = ids.astype("int32")
    return features, (rng.random(count) < 0.25).astype("float32")


def make_model(name: str, rows: int) -> Any:
    """A registered model or a preset, with embeddings of 20 and FuxiCTR's L2 on the tables."""
    import keras_elastor as ke

    schema = criteo_schema(rows)
    if name in ke.models.list_presets():
        return ke.models.get_preset(name).make(schema)
    l2 = ke.training.FuxiCTRProtocol(embedding_l2_lambda=L2_LAMBDA).embeddings_regularizer
    encoder = {"embedding_dim": DIM, "embeddings_regularizer": l2}
    return ke.models.create(name, schema, encoder=encoder, **OPTIONS.get(name, {}))


def compile_model(model: Any, update: str) -> None:
    """Let a model train "dense", as FuxiCTR does, or its tables by rows."""
    import keras

    import keras_elastor as ke

    if update == "dense":
        ke.training.FuxiCTRProtocol(max_gradient_norm=CLIP_NORM).compile(model)
        return
    rules = {"lazy_adam": ke.optimizers.LazyAdam, "row_wise_adagrad": ke.optimizers.RowWiseAdagrad}
    dense = ke.optimizers.PyTorchAdam(1e-3)
    optimizer = ke.optimizers.Split(rules[update](), dense, global_clipnorm=CLIP_NORM)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))


class Clock:
    """Seconds between calls, by the wall and of the processor."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def tick(self) -> None:
        """Note that a step has ended."""
        self.wall.append(time.perf_counter())
        self.processor.append(time.process_time())

    def summary(self, last: int) -> dict[str, float]:
        """Milliseconds of each of the last steps, and the peak memory of the process."""
        wall, used = (
            [1e3 * (end - start) for start, end in itertools.pairwise(times)][-last:]
            for times in (self.wall, self.processor)
        )
        return {
            "ms": statistics.median(wall),
            "ms_90": statistics.quantiles(wall, n=10)[-1] if len(wall) > 1 else wall[0],
            "cpu_ms": statistics.median(used),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }


def train(model: Any, rows: int, batch_size: int, steps: int, warm_up: int) -> dict[str, float]:
    """Train a compiled model by plain `fit`; the figures of its last steps."""
    import keras

    clock = Clock()

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # JAX is not done with a step before someone reads of it.
            float(logs["loss"])
            clock.tick()

    features, labels = make_columns(rows, batch_size * (steps + warm_up))
    model.fit(
        features, labels, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[Ticks()]
    )
    return clock.summary(steps)


def versions() -> dict[str, str]:
    import keras

    backend = PACKAGES[keras.backend.backend()]
    return {"keras": keras.__version__, "backend_version": version(backend)}


def matmul_peak(dtype: str) -> float:
    """GFLOP/s of a square product of the backend, the best of several."""
    import keras
    import numpy as np
    from keras import ops

    size = 2048
    values = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    matrix = ops.cast(ops.convert_to_tensor(values), dtype)

    def multiply() -> float:
        start = time.perf_counter()
        product = ops.matmul(matrix, matrix)
        # JAX is not done before someone reads.
        ops.convert_to_numpy(ops.cast(product[0, 0], "float32"))
        return time.perf_counter() - start

    seconds = min(multiply() for _ in range(10))
    keras.utils.clear_session()
    return 2 * size**3 / seconds / 1e9


def run(
    command: list[Any], task: Mapping[str, Any], backend: str, allocator: str = "default"
) -> dict[str, Any]:
    """Measure in a process of its own: what it prints last is the result, or says why not."""
    environment = {**os.environ, **ALLOCATORS[allocator], "KERAS_BACKEND": backend}
    finished = subprocess.run(
        [*map(str, command), json.dumps(task)],
        capture_output=True,
        text=True,
        env=environment,
    )
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def alternate(
    candidates: list[tuple[str, Callable[[], dict[str, Any]]]], rounds: int
) -> dict[str, dict[str, Any]]:
    """Each candidate once per round, so that all meet the same moods of the machine.

    Returns:
        For each, the medians over the rounds; what one failed with.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in candidates}
    for _ in range(rounds):
        for name, measure in candidates:
            if not any("error" in one for one in found[name]):
                found[name].append(measure())
    return {name: median(results) for name, results in found.items()}


def median(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each number the median, of anything else the last."""
    last = results[-1]
    if "error" in last:
        return last
    return {
        key: statistics.median(one[key] for one in results) if isinstance(value, float) else value
        for key, value in last.items()
    }


def append(path: Path, line: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Append a line, with the machine and the versions, to a CSV."""
    line = {
        "date": time.strftime("%Y-%m-%d"),
        **line,
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "malloc": os.environ.get("MALLOC_TOP_PAD_", ""),
        "python": platform.python_version(),
        "keras": result.get("keras", ""),
        "backend_version": result["backend_version"],
    }
    path.parent.mkdir(exist_ok=True)
    is_new = not path.is_file()
    with open(path, "a", newline="", encoding="utf-8") as file:
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
