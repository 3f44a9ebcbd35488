"""Every registered model on KuaiRand-Pure: the same data, the same budget, several seeds.

python benchmarks/kuairand_models.py --data-dir KuaiRand-Pure --results results/kuairand_models

Each run is one line of RESULTS.jsonl; called again, the script leaves out the runs that are there.
At the end it writes the table, RESULTS.md. Training stops after the first epoch without a better
AUC on the validation days and goes back to the best; that is also where the scores are from, so
they are a little optimistic, alike for all models. The backend is that of KERAS_BACKEND, or JAX.
"""

import argparse
import json
import os
import pathlib
import statistics
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# FuxiCTR's embedding regularizer 1e-5 is (1e-5 / 2) times the sum of squares.
EMBEDDINGS_L2 = 0.5e-5
BATCH_SIZE = 2048
LEARNING_RATE = 1e-3
MAX_EPOCHS = 5


def build_model(name: str, schema: Any) -> Any:
    import keras

    import keras_elastor as ke

    fields = len(schema.features)
    arguments: dict[str, Any] = {
        "encoder": {"embeddings_regularizer": keras.regularizers.L2(EMBEDDINGS_L2)}
    }
    if name != "LogisticRegression":
        arguments["embedding_dim"] = 10
    # One token per field, by an affine map of its own.
    if name == "RankElastor":
        arguments["tokenizer"] = ke.layers.SliceTokenizer(fields, 20)
    elif name == "RankMixer":
        arguments["tokenizer"] = ke.layers.SliceTokenizer(fields, fields)
    return ke.models.create(name, schema, **arguments)


def train(name: str, seed: int, data: Any) -> dict[str, Any]:
    """Train one model and return what there is to know of the run."""
    import keras

    import keras_elastor as ke

    keras.utils.set_random_seed(seed)
    model = build_model(name, data.schema)
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8, global_clipnorm=10),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[ke.metrics.AUC(from_logits=True)],
    )
    stop = keras.callbacks.EarlyStopping(
        monitor="val_auc", mode="max", patience=1, restore_best_weights=True
    )
    start = time.perf_counter()
    history = model.fit(
        data.train.dataset(BATCH_SIZE, shuffle=True, seed=seed),
        validation_data=data.valid.dataset(BATCH_SIZE),
        epochs=MAX_EPOCHS,
        callbacks=[stop],
        verbose=0,
    ).history
    return {
        "model": name,
        "seed": seed,
        "backend": keras.backend.backend(),
        "dense_params": model.count_dense_params(),
        "embedding_params": model.count_embedding_params(),
        "epochs": len(history["loss"]),
        "seconds": round(time.perf_counter() - start, 1),
        "val_auc": history["val_auc"],
        "valid": ke.evaluate(model, data.valid),
    }


def write_table(runs: list[dict[str, Any]], path: pathlib.Path) -> None:
    lines = [
        "| model | dense parameters | AUC | gAUC | logloss | epochs | seeds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    models = sorted({run["model"] for run in runs})
    rows = {name: [run for run in runs if run["model"] == name] for name in models}

    def score(name: str, metric: str) -> str:
        values = [run["valid"][metric] for run in rows[name]]
        deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.4f}{deviation}"

    models.sort(key=lambda name: -statistics.mean(run["valid"]["auc"] for run in rows[name]))
    for name in models:
        columns = [
            name,
            f"{rows[name][0]['dense_params']:,}",
            *(score(name, metric) for metric in ("auc", "gauc", "logloss")),
            ", ".join(str(run["epochs"]) for run in rows[name]),
            str(len(rows[name])),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--results", required=True, type=pathlib.Path, help="without a suffix")
    parser.add_argument("--models", nargs="*", help="default: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()

    import keras

    import keras_elastor as ke
    from keras_elastor.models.registry import find_model

    log = options.results.with_suffix(".jsonl")
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    data = ke.datasets.kuairand_pure(options.data_dir)
    names = [find_model(name).model.__name__ for name in ke.models.list_models()]
    for seed in options.seeds:
        for name in options.models or names:
            if any(run["model"] == name and run["seed"] == seed for run in runs):
                continue
            runs.append(train(name, seed, data))
            with log.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
            print(name, seed, f"{runs[-1]['seconds']} s", runs[-1]["valid"], flush=True)
            keras.backend.clear_session()
    write_table(runs, options.results.with_suffix(".md"))


if __name__ == "__main__":
    main()
