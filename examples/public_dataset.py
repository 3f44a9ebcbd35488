"""What the scripts of the public datasets share: prepare, train, evaluate.

Run one of them: criteo.py, avazu.py, kuaivideo.py, taobaoad.py, movielens.py.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Steps of an epoch on generated rows, at least.
SAMPLE_STEPS = 40


def main(
    name: str,
    arguments: list[str] | None,
    embedding_dim: int,
    batch_size: int,
    embeddings_l2: float,
    hidden_units: tuple[int, ...],
) -> int:
    """Run the script of a dataset and return its exit code.

    Args:
        name: of the dataset; see `ke.datasets.list_datasets()`.
        arguments: of the command line.
        embedding_dim: of the published experiments, as the other arguments.
        batch_size: rows per step.
        embeddings_l2: the regularizer adds this times the sum of squares.
        hidden_units: of the DNN.
    """
    parser = argparse.ArgumentParser(description=f"Train a ranking model on {name}.")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data-dir", help="folder of the dataset's files")
    data.add_argument("--sample", type=int, metavar="N", help="generate N rows of its format")
    parser.add_argument("--prepared", help="folder to keep the prepared data in")
    parser.add_argument("--model", default="rank_elastor", choices=["rank_elastor", "dnn"])
    parser.add_argument("--epochs", type=int, default=20, help="at most; stops early")
    parser.add_argument(
        "--batch-size",
        type=int,
        help=f"rows per step (default: {batch_size}; of a sample at most a fortieth of its rows)",
    )
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.batch_size is None:
        # A handful of large steps would leave a model worse than it began.
        sample_batch_size = max(1, (options.sample or sys.maxsize) // SAMPLE_STEPS)
        options.batch_size = min(batch_size, sample_batch_size)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return run(name, options, scratch, embedding_dim, embeddings_l2, hidden_units)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def run(
    name: str,
    options: argparse.Namespace,
    scratch: str,
    embedding_dim: int,
    embeddings_l2: float,
    hidden_units: tuple[int, ...],
) -> int:
    # Inside, so that `--help` is quick.
    import keras

    import keras_elastor as ke

    ke.configure_cpu()
    folder = options.data_dir
    if options.sample:
        folder = scratch
        ke.datasets.write_sample(name, folder, options.sample)
    prepared = pathlib.Path(options.prepared or os.path.join(scratch, "prepared"))
    try:
        manifest = ke.datasets.prepare(name, folder, prepared, check_md5=not options.sample)
    except ke.datasets.DatasetNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    for split, part in manifest.splits.items():
        print(f"{split}: {part.rows:,} rows, {100 * part.label_rates[0]:.2f} % clicks")

    keras.utils.set_random_seed(options.seed)
    common = {
        "embedding_dim": embedding_dim,
        "encoder": {"embeddings_regularizer": keras.regularizers.L2(embeddings_l2)},
    }
    if options.model == "rank_elastor":
        tokenizer = ke.layers.SliceTokenizer(len(manifest.schema.features), embedding_dim)
        model = ke.models.RankElastor(manifest.schema, tokenizer=tokenizer, **common)
    else:
        model = ke.models.DNN(manifest.schema, hidden_units=hidden_units, **common)
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate, epsilon=1e-8, global_clipnorm=10),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[ke.metrics.AUC(from_logits=True)],
    )
    # Where a dataset has no validation split, its published results validate on the test split.
    valid = "valid" if "valid" in manifest.splits else "test"
    start = time.perf_counter()
    model.fit(
        ke.data.load(prepared, "train", options.batch_size, shuffle=True, seed=options.seed),
        validation_data=ke.data.load(prepared, valid, options.batch_size),
        epochs=options.epochs,
        shuffle=False,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_auc", mode="max", patience=2, restore_best_weights=True
            )
        ],
    )
    print(f"{time.perf_counter() - start:.1f} s of training on {keras.backend.backend()}")
    test = ke.evaluate(model, ke.data.load(prepared, "test", options.batch_size, with_group=True))
    print("test:", ", ".join(f"{metric} {value:.4f}" for metric, value in test.items()))
    return 0
