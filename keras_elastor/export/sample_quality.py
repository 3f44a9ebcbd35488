"""What fewer bits of an artefact change, on rows with labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import make_feeds
from keras_elastor.export.onnx_model import ask_onnx
from keras_elastor.metrics.exact import exact_auc
from keras_elastor.runs.predictor import Predictor

Answers = Mapping[str, np.ndarray]


class SampleQuality:
    """The AUC of binary labels on raw rows that have labels.

    Args:
        predictor: What is compared with.
        rows: With the columns of features and labels.

    Raises:
        ValueError: If a column or a label is missing or wrong.
    """

    def __init__(self, predictor: Predictor, rows: Rows) -> None:
        frame = to_polars(rows)
        split = predictor.preprocessor.split(frame)
        schema = predictor.preprocessor.schema
        labels = split.labels.reshape(len(frame), -1).T
        self._labels = {
            name: values
            for name, kind, values in zip(schema.labels, schema.label_kinds, labels, strict=True)
            if kind == "binary"
        }
        self._frame = frame
        features = {name: split.features[name] for name in schema.names}
        self.before = self._auc(predictor.predict_features(features))

    def after(self, artefact: Artefact, folder: Path) -> dict[str, float]:
        """The AUC by label of an ONNX artefact."""
        columns = {entry.name: self._frame[entry.name].to_list() for entry in artefact.inputs}
        answers = ask_onnx(folder, make_feeds(artefact.inputs, columns))
        return self._auc({output.name: answers[output.tensor] for output in artefact.outputs})

    def _auc(self, answers: Answers) -> dict[str, float]:
        found = {}
        for name, labels in self._labels.items():
            # A row may lack a label.
            known = ~np.isnan(labels)
            found[name] = exact_auc(labels[known], answers[name][known])
        return found
