"""The floor for every neural model: scikit-learn's histogram gradient boosting on the same rows.

python benchmarks/gradient_boosting.py --data-dir KuaiRand-Pure
"""

import argparse
import os
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

# What scikit-learn's histograms hold, one bin being for missing values.
MAX_CATEGORIES = 255


def gradient_boosting_floor(
    schema: Any, train: Any, evaluated: dict[str, Any], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Scores of gradient boosted trees.

    A categorical feature of up to 255 ids is categorical to the trees, too; of more, its id is a
    number, which is its rank by frequency. A history counts by its length. Pretrained vectors are
    taken number by number.

    Args:
        schema: a `FeatureSchema` of one label.
        train: a `Split` to train on; a tenth of it decides when to stop.
        evaluated: name -> `Split` to score.
        seed: of the stopping split and the feature bins.

    Returns:
        name -> {"auc": ..., "logloss": ...}, and "gauc" where the schema has a group.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    import keras_elastor as ke

    is_categorical: list[bool] = []
    for feature in schema.features:
        width = feature.dim if isinstance(feature, ke.Embedding) else 1
        few = isinstance(feature, ke.Categorical) and feature.vocabulary_size <= MAX_CATEGORIES
        is_categorical += [few] * width

    def matrix(split: Any) -> np.ndarray:
        parts = []
        for feature in schema.features:
            values = np.asarray(split.features[feature.name])
            if isinstance(feature, ke.Sequence):
                values = (values != 0).sum(axis=1)
            parts.append(values.reshape(len(values), -1))
        return np.hstack(parts).astype("float32")

    trees = HistGradientBoostingClassifier(
        max_iter=1000,
        early_stopping=True,
        validation_fraction=0.1,
        categorical_features=np.array(is_categorical),
        random_state=seed,
    )
    trees.fit(matrix(train), train.labels)
    scores = {}
    for name, split in evaluated.items():
        logits = trees.decision_function(matrix(split))
        scores[name] = {
            "auc": ke.metrics.exact_auc(split.labels, logits),
            "logloss": ke.metrics.log_loss_from_logits(split.labels, logits),
        }
        if schema.group_column is not None:
            groups = split.group[schema.group_column]
            scores[name]["gauc"] = ke.metrics.group_auc(split.labels, logits, groups)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()

    import keras_elastor as ke

    data = ke.datasets.kuairand_pure(options.data_dir)
    splits = {"valid": data.valid}
    for seed in options.seeds:
        print(seed, gradient_boosting_floor(data.schema, data.train, splits, seed))


if __name__ == "__main__":
    main()
