"""A model with its preprocessor: raw rows in, predictions out, kept in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.reading.raw_rows import Rows, require_right_rows, to_polars
from keras_elastor.data.shift import warn_of_shift
from keras_elastor.label import LabelKind
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.predictor_card import card_of_run, make_card
from keras_elastor.runs.run_folder import PREPROCESSOR as _PREPROCESSOR
from keras_elastor.runs.runner import load_model
from keras_elastor.utils.files import atomic_folder, describe_versions, write_text

_FILE = "predictor.json"
_FORMAT = 1
_MODEL = "model.keras"
# Rows that are encoded at a time.
_CHUNK = 1 << 16


class Predictor:
    """A trained model with the rules by which its rows were encoded.

    Args:
        model: A model that outputs logits `(rows, tasks)`, as all of `ke.models` do.
        preprocessor: What its training rows were encoded by, such as
            `ke.data.from_dataframe(...).preprocessor`.
        card: What shall be known of the model, plain values, such as `{"metrics": {"auc": 0.73}}`.
            Its class, numbers of parameters, the time and versions of packages are added where they
            are not given; `from_run` also has data and metrics. Default: None.

    Example:

    >>> import tempfile
    >>> rows = [{"item": "a", "click": 1}, {"item": "b", "click": 0}]
    >>> data = ke.data.from_dataframe(rows, label="click")
    >>> model = ke.models.LogisticRegression(data.schema)
    >>> predictor = ke.Predictor(model, data.preprocessor)
    >>> predictor.predict([{"item": "b"}])["click"].shape
    (1,)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictor.save(folder)
    ...     loaded = ke.Predictor.load(folder)
    >>> loaded.labels
    ('click',)

    Raises:
        ValueError: If the model was made for other features than the preprocessor gives.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessor: Preprocessor,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        schema = getattr(model, "schema", preprocessor.schema)
        wrong = set(schema.features) ^ set(preprocessor.schema.features)
        if wrong or schema.label != preprocessor.schema.label:
            shown = sorted({feature.name for feature in wrong}) or [*schema.labels]
            raise ValueError(
                "Expected a preprocessor with the features and labels of the model. They differ "
                f"in: {', '.join(shown)}. Give the one that encoded the training rows"
            )
        self.model = model
        self.preprocessor = preprocessor
        self.card = make_card(model, card)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, one per task."""
        return self.preprocessor.schema.labels

    def predict(self, rows: Rows, batch_size: int = 4096) -> dict[str, np.ndarray]:
        """Predictions for raw rows.

        Args:
            rows: One row or millions: a pandas or polars DataFrame, an Arrow table, a list of one
                dict per row, or a dict of one list per column, with the columns of the features;
                other columns are not looked at. An Arrow stream (`pyarrow.RecordBatchReader`, such
                as that of `pyarrow.dataset.dataset("rows.parquet").scanner().to_reader()`) is read
                batch by batch.
            batch_size: Rows per step of the model; some rows are encoded at a time, so that the
                memory beside the rows does not grow with their number.

        Returns:
            `(rows,)` float64 by label, in the order of the rows: probabilities, or values or rates
            where the label is of that kind (see `ke.Label`). `table.assign(**probabilities)` of
            pandas and `table.with_columns(**probabilities)` of polars replace the columns of the
            labels by them.

        Raises:
            ValueError: If there are no rows, a column is missing, or a value is wrong; the message
                names row, column, value and what was expected.
        """
        parts = []
        for start, frame in _chunks(rows):
            features, bad = self.preprocessor.encode(frame)
            require_right_rows(bad, first_row=start, all_read=False)
            if not start:
                warn_of_shift(self.preprocessor.schema, self.preprocessor.profile, features)
            # Few rows do not wait for a whole batch; sizes are few, as each is compiled anew.
            size = min(batch_size, 1 << (len(frame) - 1).bit_length())
            parts.append(self.predict_features(features, size))
        if not parts:
            raise ValueError("Expected rows to predict. Received: none")
        return {name: np.concatenate([part[name] for part in parts]) for name in self.labels}

    def predict_features(
        self, features: dict[str, np.ndarray], batch_size: int = 4096
    ) -> dict[str, np.ndarray]:
        """Predictions for rows that the preprocessor has encoded.

        Args:
            features: By name.
            batch_size: Rows per step of the model.

        Returns:
            As `predict`.

        Raises:
            ValueError: If `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"Expected batch_size of at least 1. Received: {batch_size}")
        rows = len(next(iter(features.values())))
        logits = []
        for start in range(0, rows, batch_size):
            # Every other size of a batch would be compiled anew: the last one is filled up.
            places = np.minimum(np.arange(start, start + batch_size), rows - 1)
            batch = {name: array[places] for name, array in features.items()}
            part = self.model.predict_on_batch(batch)
            logits.append(
                np.asarray(part, np.float64)[: rows - start].reshape(-1, len(self.labels))
            )
        columns = np.concatenate(logits).T
        kinds = self.preprocessor.schema.label_kinds
        return {
            name: _prediction(kind, column)
            for name, kind, column in zip(self.labels, kinds, columns, strict=True)
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model, recipe and vocabularies into a folder.

        | file | what |
        |---|---|
        | `model.keras` | the model, for `keras.models.load_model` after `import keras_elastor` |
        | `preprocessor/` | recipe, schema and vocabularies, as `Preprocessor.save` writes them |
        | `predictor.json` | the card; versions of the packages, and the backend, that wrote it |

        Args:
            folder: A new folder, or one that a predictor was saved in, which is replaced. It
                appears when all is written.

        Raises:
            FileExistsError: If the folder holds something else.
            OSError: If the disk refuses to be written. An earlier folder is still there.
        """
        with atomic_folder(folder, _FILE) as path:
            self.model.save(path / _MODEL)
            self.preprocessor.save(path / _PREPROCESSOR)
            config = {
                "format": _FORMAT,
                "labels": self.labels,
                **describe_versions(),
                "card": self.card,
            }
            write_text(path / _FILE, json.dumps(config, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Predictor:
        """Read what `save` wrote, on any backend.

        Raises:
            FileNotFoundError: If the folder holds no predictor, or not all of it.
            ValueError: If a file is damaged or of another format; the message names it.
        """
        path = Path(folder)
        for file in (_FILE, _MODEL):
            if not (path / file).is_file():
                raise FileNotFoundError(
                    f"{path / file}: there is no such file. Expected the folder that "
                    "Predictor.save wrote, with all of its files"
                )
        config = read_file(path / _FILE)
        if config.get("format") != _FORMAT:
            raise ValueError(
                f"{path / _FILE}: expected format {_FORMAT}. Received: {config.get('format')}. "
                f"It was written by {config.get('versions')}"
            )
        preprocessor = Preprocessor.load(path / _PREPROCESSOR)
        try:
            model = keras.models.load_model(path / _MODEL, compile=False)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{path / _MODEL}: not a readable model ({error}). It was written by "
                f"{config.get('versions')}"
            ) from error
        return cls(model, preprocessor, config.get("card"))

    @classmethod
    def from_run(cls, folder: str | os.PathLike[str]) -> Predictor:
        """The model of a run's folder, with its best weights, and what its rows were encoded by.

        A run on rows that were encoded by a recipe, such as those of a prepared folder or of
        KuaiRand-Pure, reads the raw columns of the recipe. Any other run reads a column for each
        feature: raw values where the run has vocabularies, and ids otherwise.

        Args:
            folder: The run's folder.

        Raises:
            ValueError: If there is no run, nothing was trained yet, or a file is damaged.
        """
        run = Path(folder)
        model = load_model(run)
        card = card_of_run(run)
        if (run / _PREPROCESSOR).is_dir():
            return cls(model, Preprocessor.load(run / _PREPROCESSOR), card)
        return cls(model, Preprocessor.from_schema(model.schema), card)


def _chunks(rows: Rows) -> Iterator[tuple[int, Any]]:
    """Some rows at a time as a polars frame, and how many were before."""
    # Arrow's streams alone are read by this.
    batches = rows if hasattr(rows, "read_next_batch") else [rows]
    before = 0
    for batch in batches:
        frame = to_polars(batch)
        for start in range(0, len(frame), _CHUNK):
            yield before + start, frame[start : start + _CHUNK]
        before += len(frame)


def _prediction(kind: LabelKind, logits: np.ndarray) -> np.ndarray:
    """Probabilities, values or rates, as the kind of the label has it."""
    predictions = logits
    if kind == "count":
        predictions = np.exp(logits)
    elif kind != "regression":
        # Not 1 / (1 + exp(-x)), which overflows on the way.
        predictions = np.exp(-np.logaddexp(0, -logits))
    return predictions


def open_predictor(folder: str | os.PathLike[str]) -> Predictor:
    """The predictor of a folder that `Predictor.save` or a run wrote."""
    is_saved = (Path(folder) / _FILE).is_file()
    return Predictor.load(folder) if is_saved else Predictor.from_run(folder)
