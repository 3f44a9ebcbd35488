"""What tables by rows cost in AUC: dense Adam, lazy Adam and row-wise Adagrad on KuaiRand-Pure.

python benchmarks/sparse_auc.py --data-dir KuaiRand-Pure --folder results/sparse_auc

The same data, budget and seeds; the differences to dense Adam are paired by row and seed, with 95 %
bootstrap intervals over both. Every run is kept in the folder; called again, the script continues.
The backend is that of KERAS_BACKEND, or JAX.
"""

import argparse
import logging
import os
import pathlib
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH_SIZE = 2048
MAX_EPOCHS = 5
# FuxiCTR's embedding regularizer 1e-5 is (1e-5 / 2) times the sum of squares.
EMBEDDINGS_L2 = 0.5e-5
DENSE: dict[str, Any] = {"name": "pytorch_adam", "learning_rate": 1e-3}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "dense": {**DENSE, "global_clipnorm": 10.0},
    "lazy_adam": {
        "name": "split",
        "tables": {"name": "lazy_adam", "learning_rate": 1e-3},
        "dense": DENSE,
        "global_clipnorm": 10.0,
    },
    "row_wise_adagrad": {
        "name": "split",
        "tables": {"name": "row_wise_adagrad", "learning_rate": 1e-2},
        "dense": DENSE,
        "global_clipnorm": 10.0,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--folder", required=True, type=pathlib.Path, help="of the runs")
    parser.add_argument("--model", default="dnn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    dataset = {"name": "kuairand_pure", "arguments": {"data_dir": options.data_dir}}
    print(compare(dataset, options).markdown())


def compare(dataset: dict[str, Any], options: argparse.Namespace) -> Any:
    """Train all, and compare them to dense Adam."""
    import keras

    import keras_elastor as ke

    regularizer = keras.regularizers.serialize(keras.regularizers.L2(EMBEDDINGS_L2))
    arguments = {"encoder": {"embeddings_regularizer": regularizer}}
    configs = [
        ke.runs.RunConfig.from_dict(
            {
                "name": name,
                "dataset": dataset,
                "model": {"name": options.model, "arguments": arguments},
                "protocol": {
                    "name": "keras",
                    "optimizer": optimizer,
                    # As FuxiCTR's protocol has it.
                    "learning_rate_factor": 0.1,
                    "patience": 1,
                },
                "batch_size": BATCH_SIZE,
                "epochs": MAX_EPOCHS,
                "folder": str(options.folder),
            }
        )
        for name, optimizer in OPTIMIZERS.items()
    ]
    return ke.runs.compare(configs, options.seeds, num_resamples=options.resamples)


if __name__ == "__main__":
    main()
