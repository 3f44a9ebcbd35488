"""The file that says what an exported model is asked and answers."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.export.graph_ops import Value
from keras_elastor.export.raw_inputs import RawInput, feature_inputs, raw_inputs
from keras_elastor.utils.files import write_text
from keras_elastor.utils.saving import exported_names

ARTEFACT = "artefact.json"
"""Name of the file; every folder of an exported model holds it."""

FORMAT = 1

FEATURE_FORMATS = ("litert", "openvino")
"""Formats whose rows are encoded before; those of all others are raw."""

OUTPUT_KINDS = {"binary": "probability", "soft": "probability", "regression": "value"}
"""What is predicted of a label, by its kind; a rate of any other."""


@dataclasses.dataclass(frozen=True)
class Output:
    """An output of an exported model, `(rows,)` float32.

    Args:
        name: The label.
        tensor: Name of the tensor.
        kind: "probability", "value" or "rate".
    """

    name: str
    tensor: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Artefact:
    """What an exported model is asked and answers.

    Args:
        kind: "onnx", "saved_model", "torch_export", "litert" or "openvino".
        inputs: One per column of the raw rows, or per feature where these are encoded before.
        outputs: One per label.
        card: That of the predictor.
    """

    kind: str
    inputs: tuple[RawInput, ...]
    outputs: tuple[Output, ...]
    card: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        preprocessor: Preprocessor,
        kind: str,
        card: dict[str, Any],
        user: Sequence[str] = (),
    ) -> Artefact:
        """What a model is asked and answers, exported to a format.

        Args:
            preprocessor: What encodes its rows.
            kind: The format.
            card: Of the predictor.
            user: Columns that tell of the user.

        Raises:
            ValueError: If a column is read as values of several kinds.
        """
        schema = preprocessor.schema
        if kind in FEATURE_FORMATS:
            inputs = feature_inputs(schema)
        else:
            inputs = raw_inputs(preprocessor, user)
        names = exported_names(dict.fromkeys((*inputs, *schema.labels)))
        outputs = tuple(
            Output(label, names[label], OUTPUT_KINDS.get(label_kind, "rate"))
            for label, label_kind in zip(schema.labels, schema.label_kinds, strict=True)
        )
        return cls(kind, tuple(inputs.values()), outputs, card)

    def answers(self, logits: Value, wrong: Value | None) -> dict[str, Value]:
        """Predictions by the tensors of the outputs.

        Args:
            logits: `(rows, tasks)` float32.
            wrong: Rows that hold a value which `Predictor.predict` refuses; their answers are NaN.
        """
        ops = logits.ops
        found = {}
        for place, output in enumerate(self.outputs):
            column = ops.pick(logits, place)
            if output.kind != "value":
                name = "Sigmoid" if output.kind == "probability" else "Exp"
                column = ops.apply(name, column)
            if wrong is not None:
                column = ops.where(wrong, math.nan, column)
            found[output.tensor] = column
        return found

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        config = {"format": FORMAT, **dataclasses.asdict(self)}
        write_text(folder / ARTEFACT, json.dumps(config, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Artefact:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: If the folder holds no exported model.
            ValueError: If the file is damaged or of another format.
        """
        path = Path(folder) / ARTEFACT
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            if config["format"] != FORMAT:
                raise ValueError(f"expected format {FORMAT}. Received: {config['format']}")
            return cls(
                config["kind"],
                tuple(_made(RawInput, values) for values in config["inputs"]),
                tuple(_made(Output, values) for values in config["outputs"]),
                config["card"],
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{path}: there is no such file. Expected the folder that ke.export wrote"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a readable description ({error})") from error


def _made(kind: Any, values: dict[str, Any]) -> Any:
    lists: Sequence[str] = [name for name, value in values.items() if isinstance(value, list)]
    return kind(**{**values, **{name: tuple(values[name]) for name in lists}})
