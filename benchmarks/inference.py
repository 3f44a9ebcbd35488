"""The time and memory of a prediction, beside FuxiCTR and RankElastor's official code.

python benchmarks/inference.py
python benchmarks/inference.py --models dnn --rows 2000000 --batch-sizes 1 500 4096 \
    --peer-python fuxictr-venv/bin/python --fuxictr FuxiCTR --official RankElastor

`predict_on_batch` of rows of Criteo's shape (13 numbers, 26 ids, embeddings of 20), "predict" with
`model.predict` instead: on one row and on 500 candidates the overhead around the net shows.
Processes, peers and columns are those of train.py. Appends to results/inference.csv.
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
    """Milliseconds of a prediction, and the peak memory of the process."""
    import keras

    import keras_elastor as ke

    peak = measuring.matmul_peak("bfloat16" if "bfloat16" in dtype else "float32")
    keras.config.set_dtype_policy(dtype)
    made = measuring.make_model(model, rows)
    clock = measuring.Clock()
    columns, _ = measuring.make_columns(rows, batch_size * (steps + warm_up))
    for step in range(steps + warm_up):
        part = slice(step * batch_size, (step + 1) * batch_size)
        batch = {name: values[part] for name, values in columns.items()}
        if update == "predict":
            made.predict(batch, batch_size=batch_size, verbose=0)
        else:
            # JAX is not done before someone reads.
            keras.ops.convert_to_numpy(made.predict_on_batch(batch))
        clock.tick()
    result = clock.summary(steps)
    gflop = 1e-9 * batch_size * ke.tuning.count_flops(made)
    share = gflop / (1e-3 * result["ms"]) / peak
    figures = {"gflop": gflop, "matmul_gflops": peak, "share_of_peak": share}
    return {**result, **figures, **measuring.versions()}


if __name__ == "__main__":
    updates = ("predict_on_batch", "predict")
    sys.exit(models.main("inference", str(__doc__).splitlines()[0], measure, updates))
