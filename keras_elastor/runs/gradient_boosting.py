"""Gradient boosted trees: the floor that a neural model of a table must beat."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from keras_elastor.datasets.rows import Data
from keras_elastor.schema import Categorical, FeatureSchema, Sequence
from keras_elastor.utils.optional import import_optional

GRADIENT_BOOSTING = "gradient_boosting"
"""What runs and comparisons know the trees by, in place of the name of a model."""

# Bins of scikit-learn's histograms; a column of categories may not have more.
_MAX_CATEGORIES = 255
# Values of a history that are counted, the most frequent ones.
_COUNTED_VALUES = 32
_FOLDS = 5
_BATCH = 1 << 16


def has_trees() -> bool:
    """Whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None


class GradientBoosting:
    """scikit-learn's histogram gradient boosting, on encoded rows.

    | feature | columns |
    |---|---|
    | `Categorical` of at most 255 ids | the id, a category to the trees |
    | `Categorical` of more | the mean label of the id, smoothed, that of a training row from other rows (scikit-learn's `TargetEncoder`, which its guide advises for many categories) |
    | `Numeric`, `Embedding` | the numbers |
    | `Sequence` | its length, and how often each of the 32 most frequent values stands in it |

    Trees are added until the loss on the validation rows has not fallen for ten of them; there are
    at most 1,000. All else is scikit-learn's default. It has what `ke.evaluate` asks of a model:
    `schema`, `input` and `predict_on_batch`.

    Args:
        schema: Features and the one label, of the kind "binary", "regression" or "count".
        seed: Of the folds of the mean labels and of the sample that bins are fitted on.
        arguments: Of scikit-learn's `HistGradientBoostingClassifier` or `...Regressor`.

    Raises:
        ValueError: If there are several labels, or one of another kind.
        ImportError: If scikit-learn is not installed.
    """  # noqa: E501 - the rows of a table do not break

    def __init__(self, schema: FeatureSchema, seed: int, arguments: Mapping[str, Any]) -> None:
        ensemble = import_optional("sklearn.ensemble", extra="trees")
        kinds = {
            "binary": (ensemble.HistGradientBoostingClassifier, {}),
            "regression": (ensemble.HistGradientBoostingRegressor, {}),
            "count": (ensemble.HistGradientBoostingRegressor, {"loss": "poisson"}),
        }
        labels = list(zip(schema.labels, schema.label_kinds, strict=True))
        if len(labels) > 1 or labels[0][1] not in kinds:
            raise ValueError(
                "Gradient boosting: expected one label, of the kind binary, regression or count. "
                f"Received: {labels}"
            )
        self.schema = schema
        self.seed = seed
        self._kind = schema.label_kinds[0]
        make, own = kinds[self._kind]
        given = {"max_iter": 1000, "early_stopping": True, "random_state": seed, **own, **arguments}
        try:
            self._trees = make(**given)
        except TypeError as error:
            raise ValueError(f"'model.arguments' of {GRADIENT_BOOSTING}: {error}") from error
        self._encoders: dict[str, Any] = {}
        self._counted: dict[str, np.ndarray] = {}

    @property
    def input(self) -> list[str]:
        """The names of the features."""
        return list(self.schema.names)

    @property
    def num_trees(self) -> int:
        """The number of trees."""
        return int(self._trees.n_iter_)

    def fit(self, data: Data) -> Self:
        """Add trees for the training rows, as long as the validation rows gain."""
        features, labels, weights = _read(data.train)
        valid_features, valid_labels, valid_weights = _read(data.valid)
        matrix = self._matrix(features, labels)
        self._trees.set_params(categorical_features=self._are_categories())
        self._trees.fit(
            matrix,
            labels,
            sample_weight=weights,
            X_val=self._matrix(valid_features),
            y_val=valid_labels,
            sample_weight_val=valid_weights,
        )
        return self

    def predict_on_batch(self, features: Mapping[str, Any]) -> np.ndarray:
        """Logits, `(rows, 1)` float32: log-odds, values, or the log of rates."""
        matrix = self._matrix({name: np.asarray(values) for name, values in features.items()})
        if self._kind == "binary":
            logits = self._trees.decision_function(matrix)
        else:
            logits = self._trees.predict(matrix)
        logits = np.log(logits) if self._kind == "count" else logits
        return np.asarray(logits, np.float32)[:, None]

    def _are_categories(self) -> np.ndarray:
        """Whether each column of the matrix holds categories."""
        kinds: list[bool] = []
        for feature in self.schema.features:
            width = getattr(feature, "dim", 1)
            if isinstance(feature, Sequence):
                width = 1 + len(self._counted[feature.name])
            kinds += [_has_few_values(feature)] * width
        return np.array(kinds)

    def _matrix(self, features: Mapping[str, np.ndarray], labels: Any = None) -> np.ndarray:
        """The columns of the trees; with labels those of the training rows."""
        columns = []
        for feature in self.schema.features:
            values = features[feature.name]
            if isinstance(feature, Sequence):
                values = self._counts(feature.name, values, is_fitted=labels is None)
            elif isinstance(feature, Categorical) and not _has_few_values(feature):
                values = self._mean_labels(feature.name, values[:, None], labels)
            columns.append(values.reshape(len(values), -1).astype(np.float32))
        return np.hstack(columns)

    def _mean_labels(self, name: str, ids: np.ndarray, labels: Any) -> np.ndarray:
        if labels is None:
            return np.asarray(self._encoders[name].transform(ids))
        selection = import_optional("sklearn.model_selection", extra="trees")
        is_binary = self._kind == "binary"
        folds = selection.StratifiedKFold if is_binary else selection.KFold
        self._encoders[name] = import_optional("sklearn.preprocessing", "trees").TargetEncoder(
            target_type="binary" if is_binary else "continuous",
            cv=folds(_FOLDS, shuffle=True, random_state=self.seed),
        )
        return np.asarray(self._encoders[name].fit_transform(ids, labels))

    def _counts(self, name: str, ids: np.ndarray, is_fitted: bool) -> np.ndarray:
        if not is_fitted:
            rows_of_value = np.bincount(ids[ids > 0].reshape(-1))
            frequent = np.argsort(-rows_of_value, kind="stable")[:_COUNTED_VALUES]
            self._counted[name] = frequent[rows_of_value[frequent] > 0]
        counts = [(ids == value).sum(axis=1) for value in self._counted[name]]
        return np.stack([(ids > 0).sum(axis=1), *counts], axis=1)


def _has_few_values(feature: Any) -> bool:
    return isinstance(feature, Categorical) and feature.vocabulary_size <= _MAX_CATEGORIES


def _read(split: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None]:
    """Features, labels and weights of all rows, in memory or in a prepared folder."""
    batches = list(split.dataset(_BATCH).as_numpy_iterator())
    features = {
        name: np.concatenate([batch[0][name] for batch in batches]) for name in batches[0][0]
    }
    labels = np.concatenate([batch[1] for batch in batches])
    has_weights = len(batches[0]) > 2
    return features, labels, np.concatenate([b[2] for b in batches]) if has_weights else None
