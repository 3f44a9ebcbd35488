"""Whether an exported model answers what the predictor does."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.utils.files import write_text

VERIFY = "verify.json"
TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True)
class Reduction:
    """What fewer bits change; nothing is refused for it.

    Args:
        quantize: How matrices are stored, "int8" or None.
        embeddings: How the rows of tables are stored, "float32", "float16" or "int8".
        max_difference: From the predictor, of the same rows as before, measured as they were.
        auc_before: Of the predictor on the sample, by binary label; empty without a sample.
        auc_after: Of the artefact, likewise.
    """

    quantize: str | None
    embeddings: str
    max_difference: float
    auc_before: dict[str, float]
    auc_after: dict[str, float]

    @property
    def auc_change(self) -> dict[str, float]:
        """By label; empty without a sample."""
        return {name: self.auc_after[name] - auc for name, auc in self.auc_before.items()}


@dataclasses.dataclass(frozen=True)
class Verification:
    """How far an exported model is from the predictor.

    Args:
        rows: Number of raw rows that both were asked.
        refused: Number of drawn rows that the predictor refuses, and nobody was asked.
        max_difference: Largest difference of a probability; of values and rates, relative to
            1 + the size of the value.
        tolerance: What it must not exceed.
        worst_row: The raw row of the largest difference.
        expected: What the predictor says of it, by label.
        received: What the exported model says of it, by label.
        reduced: What fewer bits changed after all this; None where the artefact is float32.
    """

    rows: int
    refused: int
    max_difference: float
    tolerance: float
    worst_row: dict[str, Any]
    expected: dict[str, float]
    received: dict[str, float]
    reduced: Reduction | None = None

    @property
    def passed(self) -> bool:
        """Whether the model may be written."""
        return self.max_difference <= self.tolerance

    def save(self, folder: Path) -> None:
        """Write `verify.json` into a folder."""
        told = dataclasses.asdict(self)
        if self.reduced is not None:
            told["reduced"]["auc_change"] = self.reduced.auc_change
        text = json.dumps(told, indent=2, ensure_ascii=False, default=str)
        write_text(folder / VERIFY, f"{text}\n")


def compare_answers(
    artefact: Artefact,
    columns: Mapping[str, list[Any]],
    drawn: int,
    expected: Mapping[str, np.ndarray],
    answers: Mapping[str, np.ndarray],
    tolerance: float = TOLERANCE,
) -> Verification:
    """Compare the answers for some raw rows.

    Args:
        artefact: Of the exported model.
        columns: The raw rows.
        drawn: How many rows were drawn, with those that the predictor refuses.
        expected: What the predictor says, by label.
        answers: What the exported model says, by the tensor of the output.
        tolerance: The largest difference that is right.
    """
    received = {output.name: answers[output.tensor] for output in artefact.outputs}
    rows = len(next(iter(expected.values())))
    difference = np.zeros(rows)
    for output in artefact.outputs:
        found = np.asarray(received[output.name], np.float64)
        if found.shape != (rows,):
            raise ValueError(
                f"Output '{output.name}': expected shape ({rows},). Received: {found.shape}"
            )
        scale = 1.0 if output.kind == "probability" else 1.0 + np.abs(expected[output.name])
        part = np.abs(found - expected[output.name]) / scale
        # NaN is as far from a number as can be.
        difference = np.maximum(difference, np.where(np.isfinite(part), part, np.inf))
    worst = int(difference.argmax())
    return Verification(
        rows=rows,
        refused=drawn - rows,
        max_difference=float(difference[worst]),
        tolerance=tolerance,
        worst_row={name: _plain(values[worst]) for name, values in columns.items()},
        expected={name: float(values[worst]) for name, values in expected.items()},
        received={name: float(values[worst]) for name, values in received.items()},
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, datetime.date) else value
