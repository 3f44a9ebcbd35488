"""An exported model that answers for rows as JSON or Arrow holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.feeds import RowError, make_feeds
from keras_elastor.export.onnx_model import open_session
from keras_elastor.export.raw_inputs import RawInput
from keras_elastor.serving.request_error import RequestError

Columns = Mapping[str, Sequence[Any]]


class ServedModel:
    """An ONNX artefact in a session of ONNX Runtime.

    Args:
        folder: That `ke.export` wrote.
        max_rows: The most rows of one request.
        threads: Of one request; 0 for all cores.

    Raises:
        FileNotFoundError: If the folder holds no artefact.
        ValueError: If it is of another format, or damaged.
    """

    def __init__(self, folder: str | Path, max_rows: int = 10_000, threads: int = 0) -> None:
        self.artefact = Artefact.load(folder)
        if self.artefact.kind != "onnx":
            raise ValueError(
                f"{folder}: expected an artefact of format onnx. Received: {self.artefact.kind}"
            )
        try:
            self._session = open_session(Path(folder), threads)
        except ImportError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{folder}: not a readable model ({reason})") from error
        self.max_rows = max_rows
        self._inputs = {entry.name: entry for entry in self.artefact.inputs}
        self._outputs = [output.tensor for output in self.artefact.outputs]

    def schema(self) -> dict[str, Any]:
        """Inputs and outputs as plain values; the card, which names machine and files, is not."""
        told = dataclasses.asdict(self.artefact)
        return {name: told[name] for name in ("inputs", "outputs")}

    def predict_rows(self, rows: Any) -> dict[str, list[float]]:
        """Predictions by label for a list of one dict per row; a key that a row lacks is missing.

        Raises:
            RequestError: If a column or a value is wrong.
        """
        self._require_rows(rows, "rows")
        return self._answer(make_feeds_of_rows(self._inputs, rows), len(rows))

    def predict_columns(self, columns: Any) -> dict[str, list[float]]:
        """Predictions by label for a dict of one list per column.

        Raises:
            RequestError: If a column or a value is wrong.
        """
        if not isinstance(columns, Mapping):
            raise RequestError(422, "Expected `columns` as an object of one list per column")
        self._require_columns(columns)
        for name in self._inputs:
            if not isinstance(columns[name], list):
                raise RequestError(422, f"Column '{name}': expected a list", column=name)
        lengths = {name: len(columns[name]) for name in self._inputs}
        rows = next(iter(lengths.values()))
        if len(set(lengths.values())) > 1:
            raise RequestError(422, f"Expected columns of one length. Received: {lengths}")
        self._require_number(rows)
        return self._answer(self._feeds(self._inputs, columns), rows)

    def predict_candidates(self, user: Any, candidates: Any) -> dict[str, list[float]]:
        """Predictions by label for many candidates of one user, whose columns are given once.

        Raises:
            RequestError: If a column or a value is wrong.
        """
        if not isinstance(user, Mapping):
            raise RequestError(422, "Expected `user` as an object of one value per column")
        self._require_rows(candidates, "candidates")
        doubled = [name for name in self._inputs if name in user and name in candidates[0]]
        if doubled:
            raise RequestError(
                422,
                f"Expected column '{doubled[0]}' in the user or in the candidates, not in both",
                column=doubled[0],
            )
        once = {name: entry for name, entry in self._inputs.items() if name in user}
        each = {name: entry for name, entry in self._inputs.items() if name not in user}
        feeds = self._feeds(once, {name: [user[name]] for name in once})
        for entry in once.values():
            if not entry.of_user:
                feeds[entry.tensor] = np.repeat(feeds[entry.tensor], len(candidates), axis=0)
        feeds.update(make_feeds_of_rows(each, candidates))
        return self._answer(feeds, len(candidates))

    def _require_rows(self, rows: Any, name: str) -> None:
        if not isinstance(rows, list):
            raise RequestError(422, f"Expected `{name}` as a list of one object per row")
        self._require_number(len(rows))
        for row, values in enumerate(rows):
            if not isinstance(values, Mapping):
                raise RequestError(422, f"Row {row}: expected an object", row=row)

    def _require_number(self, rows: int) -> None:
        if not 1 <= rows <= self.max_rows:
            raise RequestError(422, f"Expected 1 to {self.max_rows} rows. Received: {rows}")

    def _require_columns(self, names: Any) -> None:
        missing = [name for name in self._inputs if name not in names]
        if missing:
            raise missing_columns(self._inputs, missing)

    def _feeds(self, inputs: Mapping[str, RawInput], columns: Columns) -> dict[str, np.ndarray]:
        try:
            return make_feeds(inputs.values(), columns)
        except RowError as error:
            raise RequestError(422, str(error), error.row, error.column) from error

    def _answer(self, feeds: dict[str, np.ndarray], rows: int) -> dict[str, list[float]]:
        found = self._session.run(self._outputs, feeds)
        for values in found:
            if not np.isfinite(values).all():
                row = int(np.isfinite(values).argmin())
                raise RequestError(
                    422, f"Row {row}: expected values that the model has an answer to", row
                )
        named = zip(self.artefact.outputs, found, strict=True)
        return {output.name: values.tolist() for output, values in named}


def missing_columns(inputs: Mapping[str, RawInput], missing: Sequence[str]) -> RequestError:
    """What is wrong where columns are missing."""
    return RequestError(
        422,
        f"Expected the columns {', '.join(inputs)}. Missing: {', '.join(missing)}",
        column=missing[0],
    )


def make_feeds_of_rows(
    inputs: Mapping[str, RawInput], rows: Sequence[Mapping[str, Any]]
) -> dict[str, np.ndarray]:
    """The tensors of a list of one dict per row.

    Raises:
        RequestError: If no row has a column, or a value is wrong.
    """
    missing = [name for name in inputs if not any(name in row for row in rows)]
    if missing:
        raise missing_columns(inputs, missing)
    columns = {name: [row.get(name) for row in rows] for name in inputs}
    try:
        return make_feeds(inputs.values(), columns)
    except RowError as error:
        raise RequestError(422, str(error), error.row, error.column) from error
