"""Train three models on synthetic impressions whose best possible AUC is known.

python examples/quickstart.py

The clicks depend on single features, on pairs and on triples of them. The table at the end tells
how near each model comes to the Bayes optimum, the score of the true click probabilities. The
backend is that of KERAS_BACKEND, or JAX.
"""

import os
import sys
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TRAINING_ROWS = 200_000
TEST_ROWS = 50_000
BATCH_SIZE = 1024
EPOCHS = 3


def make_models(schema: Any) -> dict[str, Any]:
    import keras_elastor as ke

    # One token per field, by an affine map of its own.
    tokenizer = ke.layers.SliceTokenizer(num_tokens=len(schema.features), token_dim=12)
    return {
        "DNN": ke.models.DNN(schema, hidden_units=(128, 128)),
        "RankMixer": ke.models.RankMixer(schema, tokenizer=tokenizer, num_blocks=2),
        "RankElastor": ke.models.RankElastor(schema, tokenizer=tokenizer, num_blocks=1),
    }


def train(model: Any, name: str, impressions: Any) -> float:
    """Train the model and return the rows per second of the last epoch, which compiles nothing."""
    import keras

    import keras_elastor as ke

    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[ke.metrics.AUC(from_logits=True)],
    )
    features, labels = impressions.arrays(TRAINING_ROWS)
    ends = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    print(f"\n{name}, {model.count_dense_params():,} dense parameters")
    model.fit(features, labels, batch_size=BATCH_SIZE, epochs=EPOCHS, callbacks=[clock])
    return TRAINING_ROWS / (ends[-1] - ends[-2])


def main() -> int:
    """Run the script and return its exit code."""
    import keras
    from rich.console import Console
    from rich.table import Table

    import keras_elastor as ke

    ke.configure_cpu()
    keras.utils.set_random_seed(0)
    impressions = ke.data.synthetic(vocabulary_size=100, seed=0)
    optimum = impressions.bayes(TEST_ROWS)
    print(
        f"{TRAINING_ROWS:,} synthetic impressions, {len(impressions.schema.features)} features, "
        f"Keras {keras.__version__} on {keras.backend.backend()}"
    )
    table = Table("model", "dense parameters", "AUC", "logloss", "AUC to optimum", "rows/s")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, model in make_models(impressions.schema).items():
        rows_per_second = train(model, name, impressions)
        result = ke.evaluate(model, impressions.arrays(TEST_ROWS, split="test"))
        table.add_row(
            name,
            f"{model.count_dense_params():,}",
            f"{result['auc']:.4f}",
            f"{result['logloss']:.4f}",
            f"{result['auc'] - optimum.auc:+.4f}",
            f"{rows_per_second:,.0f}",
        )
    table.add_section()
    table.add_row("Bayes optimum", "", f"{optimum.auc:.4f}", f"{optimum.logloss:.4f}", "", "")
    Console().print("\n", table)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)
