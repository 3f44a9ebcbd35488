"""The time and memory of a training step, beside FuxiCTR and RankElastor's official code.

python benchmarks/train.py
python benchmarks/train.py --models dnn rank_elastor_criteo_dim20 --backends torch --rows 2000000 \
    --peer-python fuxictr-venv/bin/python --fuxictr FuxiCTR --official RankElastor

Rows of Criteo's shape (13 numbers, 26 ids, embeddings of 20), FuxiCTR's protocol, plain `fit`. Each
measurement has a process of its own; the candidates of a line take turns. "of peak" is the share of
the backend's own product of square matrices in that dtype, of which a step is taken to need three
times what a prediction does. "ratio" is the time of the peer over that of the line. Peers need an
environment with `fuxictr==2.3.10 polars==1.31.0` and copies of the repositories. Appends to
results/train.csv.
"""

import sys

import measuring
import models


def measure(
    model: str,
    rows: int,
    batch_size: int,
    update: str,
    dtype: str,
    steps: int,
    warm_up: int,
) -> dict:
    """Milliseconds of a step of `fit`, and the peak memory of the process."""
    import keras

    import keras_elastor as ke

    peak = measuring.matmul_peak("bfloat16" if "bfloat16" in dtype else "float32")
    keras.config.set_dtype_policy(dtype)
    made = measuring.make_model(model, rows)
    measuring.compile_model(made, update)
    result = measuring.train(made, rows, batch_size, steps, warm_up)
    gflop = 3e-9 * batch_size * ke.tuning.count_flops(made)
    share = gflop / (1e-3 * result["ms"]) / peak
    figures = {"gflop": gflop, "matmul_gflops": peak, "share_of_peak": share}
    return {**result, **figures, **measuring.versions()}


if __name__ == "__main__":
    updates = ("dense", "lazy_adam", "row_wise_adagrad")
    sys.exit(models.main("train", str(__doc__).splitlines()[0], measure, updates))
