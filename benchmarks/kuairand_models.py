"""Every registered model on KuaiRand-Pure: the same data, the same budget, several seeds.

python benchmarks/kuairand_models.py --data-dir KuaiRand-Pure --results results/kuairand_models

Each run is one line of RESULTS.jsonl; called again, the script leaves out the runs that are there.
At the end it writes the table, RESULTS.md. Training stops after the first epoch without a better
AUC on the validation days and goes back to the best. Scores of the validation days are therefore a
little optimistic, alike for all models; with `--valid-from` and `--test-from` there are scores of
days that nothing has looked at before. `--redraw` trains each model a second time, with tables
drawn anew before every epoch but the first. The backend is that of KERAS_BACKEND, or JAX.
"""

import argparse
import itertools
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


def train(name: str, seed: int, data: Any, epochs: int, redraw: bool) -> dict[str, Any]:
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
    redrawn = [ke.training.RedrawEmbeddings(seed)] if redraw else []
    start = time.process_time()
    history = model.fit(
        data.train.dataset(BATCH_SIZE, shuffle=True, seed=seed),
        validation_data=data.valid.dataset(BATCH_SIZE),
        epochs=epochs,
        callbacks=[*redrawn, stop],
        verbose=0,
    ).history
    splits = {"valid": data.valid, "test": data.test}
    return {
        "model": name,
        "redraw": redraw,
        "seed": seed,
        "backend": keras.backend.backend(),
        "dense_params": model.count_dense_params(),
        "embedding_params": model.count_embedding_params(),
        "epochs": len(history["loss"]),
        "processor_seconds": round(time.process_time() - start, 1),
        "val_auc": history["val_auc"],
        **{part: ke.evaluate(model, split) for part, split in splits.items() if len(split)},
    }


def score(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def write_table(runs: list[dict[str, Any]], path: pathlib.Path) -> None:
    """One line for each model, or two where its tables were drawn anew, too; the best first.

    Scores are of the test days where there are such.
    """
    lines = [
        "| model | tables | dense parameters | AUC | gAUC | logloss | epochs | seeds |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    part = "test" if all("test" in run for run in runs) else "valid"
    rows: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for run in runs:
        rows.setdefault((run["model"], run.get("redraw", False)), []).append(run)

    def metrics(group: list[dict[str, Any]], metric: str) -> list[float]:
        return [run[part][metric] for run in group]

    for (name, redraw), group in sorted(
        rows.items(), key=lambda row: -statistics.mean(metrics(row[1], "auc"))
    ):
        columns = [
            name,
            "redrawn" if redraw else "kept",
            f"{group[0]['dense_params']:,}",
            *(score(metrics(group, metric)) for metric in ("auc", "gauc", "logloss")),
            ", ".join(str(run["epochs"]) for run in group),
            str(len(group)),
        ]
        lines.append(f"| {' | '.join(columns)} |")
    path.write_text("\n".join([*lines, *gains(rows, part)]) + "\n")


def gains(rows: dict[tuple[str, bool], list[dict[str, Any]]], part: str) -> list[str]:
    """What drawing the tables anew gains, seed by seed."""
    lines = []
    for (name, redraw), group in sorted(rows.items()):
        kept = {run["seed"]: run[part]["auc"] for run in rows.get((name, False), ())}
        gain = [run[part]["auc"] - kept[run["seed"]] for run in group if run["seed"] in kept]
        if redraw and gain:
            positive = sum(value > 0 for value in gain)
            lines.append(f"| {name} | {score(gain)} | {positive} of {len(gain)} |")
    if not lines:
        return []
    head = "| model | gain of AUC by redrawn tables, paired by seed | seeds with a gain |"
    return ["", head, "|---|---:|---:|", *lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--results", required=True, type=pathlib.Path, help="without a suffix")
    parser.add_argument("--models", nargs="*", help="default: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5, help="at most")
    parser.add_argument("--redraw", action="store_true", help="also with tables drawn anew")
    parser.add_argument("--valid-from", type=int, default=20220503, help="a day, as in the log")
    parser.add_argument("--test-from", type=int, default=20220505, help="a day, as in the log")
    options = parser.parse_args()

    import keras

    import keras_elastor as ke
    from keras_elastor.models.registry import find_model

    log = options.results.with_suffix(".jsonl")
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    data = ke.datasets.kuairand_pure(
        options.data_dir, valid_from=options.valid_from, test_from=options.test_from
    )
    names = [find_model(name).model.__name__ for name in ke.models.list_models()]
    done = {(run["model"], run.get("redraw", False), run["seed"]) for run in runs}
    for name, seed, redraw in itertools.product(
        options.models or names, options.seeds, [False, True] if options.redraw else [False]
    ):
        if (name, redraw, seed) in done:
            continue
        runs.append(train(name, seed, data, options.epochs, redraw))
        with log.open("a") as file:
            file.write(json.dumps(runs[-1]) + "\n")
        print(json.dumps(runs[-1]), flush=True)
        keras.backend.clear_session()
    write_table(runs, options.results.with_suffix(".md"))


if __name__ == "__main__":
    main()
