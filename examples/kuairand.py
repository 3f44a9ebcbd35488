"""Train a ranking model on real impressions: which short videos do users click?

python examples/kuairand.py --data-dir KuaiRand-Pure --model rank_elastor
python examples/kuairand.py --data-dir KuaiRand-Pure --model mmoe --labels is_click long_view

With several labels the model has a task for each; the first one's AUC decides when to stop.
The data is KuaiRand-Pure (https://kuairand.com); called with a folder that lacks it, the script
says where to get it. The backend is that of KERAS_BACKEND, or JAX.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Written down, so that `--help` need not import what knows them.
MODELS = (
    *("autoint", "dcn_v2", "deepfm", "din", "dlrm", "dnn", "final_mlp", "fm", "gdcn"),
    *("logistic_regression", "mask_net", "mmoe", "ple", "rank_elastor", "rank_mixer", "rank_up"),
    *("token_former", "wide_and_deep", "wukong", "xdeepfm"),
)
LABELS = ("is_click", "long_view", "is_like")
EMBEDDING_DIM = 10
# FuxiCTR's embedding regularizer 1e-5 is (1e-5 / 2) times the sum of squares.
EMBEDDINGS_L2 = 0.5e-5


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--model", default="rank_elastor", choices=MODELS)
    parser.add_argument("--labels", nargs="+", default=["is_click"], choices=LABELS)
    parser.add_argument("--epochs", type=int, default=20, help="at most; stops early")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the script and return its exit code."""
    options = parse_arguments(arguments)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    # Inside, so that `--help` is quick and Ctrl-C is heard during these seconds, too.
    import keras

    import keras_elastor as ke

    ke.configure_cpu()
    try:
        data = ke.datasets.kuairand_pure(options.data_dir, labels=options.labels)
    except ke.datasets.DatasetNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{len(data.train):,} impressions to train on, {len(data.valid):,} to validate, "
        f"{len(data.test):,} to test, {len(data.schema.features)} features"
    )

    keras.utils.set_random_seed(options.seed)
    model = build_model(options.model, data.schema)
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate, epsilon=1e-8, global_clipnorm=10),
        loss={label: keras.losses.BinaryCrossentropy(from_logits=True) for label in options.labels},
        metrics={label: ke.metrics.AUC(from_logits=True) for label in options.labels},
    )
    monitor = "val_auc" if len(options.labels) == 1 else f"val_auc_{options.labels[0]}"
    epoch_seconds: list[float] = []
    model.fit(
        data.train.dataset(options.batch_size, shuffle=True, seed=options.seed),
        validation_data=data.valid.dataset(options.batch_size),
        epochs=options.epochs,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor=monitor, mode="max", patience=2, restore_best_weights=True
            ),
            epoch_timer(epoch_seconds),
        ],
    )
    results = {
        name: ke.evaluate(model, split)
        for name, split in {"valid": data.valid, "test": data.test}.items()
        if len(split)
    }
    print_table(options.model, model, epoch_seconds, results)
    return 0


def build_model(name: str, schema: Any) -> Any:
    import keras

    import keras_elastor as ke

    arguments = {"encoder": {"embeddings_regularizer": keras.regularizers.L2(EMBEDDINGS_L2)}}
    if name != "logistic_regression":
        arguments["embedding_dim"] = EMBEDDING_DIM
    # One token per field, by an affine map of its own.
    fields = len(schema.features)
    if name == "rank_elastor":
        arguments["tokenizer"] = ke.layers.SliceTokenizer(fields, 20)
    elif name == "rank_mixer":
        arguments["tokenizer"] = ke.layers.SliceTokenizer(fields, fields)
    return ke.models.create(name, schema, **arguments)


def epoch_timer(seconds: list[float]) -> Any:
    """A callback that appends the duration of each epoch, its validation included."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seconds.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: seconds.append(seconds.pop() + time.perf_counter()),
    )


def print_table(
    name: str, model: Any, epoch_seconds: list[float], results: dict[str, dict[str, float]]
) -> None:
    import keras
    from rich.console import Console
    from rich.table import Table

    table = Table("", name, title=f"KuaiRand-Pure, {', '.join(model.schema.labels)}")
    table.add_row("backend", keras.backend.backend())
    table.add_row("dense parameters", f"{model.count_dense_params():,}")
    table.add_row("embedding parameters", f"{model.count_embedding_params():,}")
    table.add_row("epochs", str(len(epoch_seconds)))
    # The first epoch also compiles.
    table.add_row("seconds per epoch", f"{statistics.median(epoch_seconds):.1f}")
    for split, metrics in results.items():
        for metric, value in metrics.items():
            table.add_row(f"{split} {metric}", f"{value:.4f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
