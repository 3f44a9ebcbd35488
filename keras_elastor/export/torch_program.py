"""A predictor as an exported program of PyTorch, from raw rows to probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.export.artefact import Artefact
from keras_elastor.export.graph_ops import MISSING, Value
from keras_elastor.export.raw_encoding import RawEncoder
from keras_elastor.export.torch_module import features_module
from keras_elastor.export.torch_ops import TorchOps
from keras_elastor.runs.predictor import Predictor
from keras_elastor.utils.optional import import_optional

MODEL = "model.pt2"
# PyTorch takes sizes of 0 and 1 for constants.
_ROWS, _WIDTH = 3, 5


def build_torch_program(predictor: Predictor, artefact: Artefact, folder: Path) -> None:
    """Write `model.pt2` into a folder, for `torch.export.load`.

    Args:
        predictor: On the PyTorch backend.
        artefact: Names and kinds of the inputs and outputs.
        folder: An existing folder.
    """
    torch = import_optional("torch", extra="torch")
    entries = {entry.name: entry for entry in artefact.inputs}
    preprocessor = predictor.preprocessor

    class Answers(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.logits = features_module(predictor.model)

        def forward(self, rows: dict[str, Any]) -> dict[str, Any]:
            ops = TorchOps()
            raw = {
                name: Value(ops, rows[entry.tensor], entry.dtype) for name, entry in entries.items()
            }
            features, wrong = RawEncoder(ops, preprocessor, entries).encode(raw)
            logits = self.logits({name: value.node for name, value in features.items()})
            answers = artefact.answers(Value(ops, logits, "float32"), wrong)
            return {name: value.node for name, value in answers.items()}

    example, sizes = {}, {}
    for entry in artefact.inputs:
        shape = [_ROWS if axis == 0 else size or _WIDTH for axis, size in enumerate(entry.shape)]
        value = MISSING if entry.dtype == "int64" and not entry.required else 0
        example[entry.tensor] = torch.as_tensor(np.full(shape, value, entry.dtype))
        free = [axis for axis, size in enumerate(entry.shape) if size is None]
        sizes[entry.tensor] = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            Answers().eval(), (), kwargs={"rows": example}, dynamic_shapes={"rows": sizes}
        )
    torch.export.save(program, folder / MODEL)


def ask_torch_program(folder: Path, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers of an exported model, by the names of the outputs."""
    torch = import_optional("torch", extra="torch")
    program = torch.export.load(folder / MODEL).module()
    rows = {name: torch.as_tensor(array) for name, array in feeds.items()}
    with torch.no_grad():
        return {name: tensor.numpy() for name, tensor in program(rows=rows).items()}
