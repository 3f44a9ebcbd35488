"""All that is measured of one model for a report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_elastor.analysis.layer_ranks import layer_ranks
from keras_elastor.analysis.layer_spectra import layer_spectra
from keras_elastor.analysis.predictions import auc_by_group_size, calibration_curve, predict_rows
from keras_elastor.analysis.rank_callback import RANKS_FILE
from keras_elastor.analysis.run_ranks import read_lines, sample_rows
from keras_elastor.analysis.shifts import main_view
from keras_elastor.analysis.singular_values import Array
from keras_elastor.analysis.table_ranks import has_tables, table_ranks
from keras_elastor.datasets.rows import Data
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.run_folder import require_same_data
from keras_elastor.runs.runner import load_model
from keras_elastor.utils.optional import import_optional

KINDS = ("stable", "entropy")
VIEWS = ("tokens", "batch")
# Singular values are kept for each row, ranks are not.
_SPECTRUM_ROWS = 2000


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """All that a report tells of one model; what could not be measured is None.

    Args:
        facts: What was trained and how, by name.
        ranks: `layer_ranks` of the model.
        spectra: `layer_spectra`, in the view that most stages have.
        tables: `table_ranks`.
        calibration: `calibration_curve`.
        groups: `auc_by_group_size`.
        evaluations: A line for each evaluation of the training, as `metrics.jsonl`.
        ranks_over_time: A line for each line of `ranks.jsonl`.
    """

    facts: Mapping[str, str]
    ranks: Any
    spectra: Mapping[str, Array]
    tables: Any = None
    calibration: Any = None
    groups: Any = None
    evaluations: Any = None
    ranks_over_time: Any = None


def model_findings(
    model: RankingModel,
    dataset: Any,
    rows: Any = None,
    max_rows: int | None = 10_000,
    window: int = 500,
    verbose: bool = False,
) -> Findings:
    """Measure a model on a dataset.

    Args:
        model: A model of `ke.models`.
        dataset: Batches of features and, for calibration and gAUC, labels.
        rows: What the stages are measured on, where not on the first rows of the dataset.
        max_rows: Rows that the stages are measured on, at most.
        window: As for `layer_ranks`.
        verbose: Whether to show a progress bar.
    """
    rows = dataset if rows is None else rows
    ranks = layer_ranks(model, rows, max_rows, KINDS, VIEWS, window, verbose)
    most = _SPECTRUM_ROWS if max_rows is None else min(max_rows, _SPECTRUM_ROWS)
    predictions = predict_rows(model, dataset)
    return Findings(
        facts={
            "model": type(model).__name__,
            "features": str(len(model.schema.features)),
            "dense parameters": f"{model.count_dense_params():,}",
            "embedding parameters": f"{model.count_embedding_params():,}",
        },
        ranks=ranks,
        spectra=layer_spectra(model, rows, most, main_view(ranks), window),
        tables=table_ranks(model) if has_tables(model) else None,
        calibration=None if predictions is None else calibration_curve(predictions),
        groups=None if predictions is None else auc_by_group_size(predictions),
    )


def run_findings(
    folder: Path,
    config: RunConfig,
    data: Data,
    max_rows: int | None = 10_000,
    window: int = 500,
    verbose: bool = False,
) -> Findings:
    """Measure the best weights of a run on the rows that runs are compared on.

    Stages are measured on a random sample of these rows, the same one for all runs on a dataset.
    """
    require_same_data(folder, data)
    model = load_model(folder)
    judged = getattr(data, data.judged)
    batches = judged.dataset(config.batch_size, with_group=True)
    most = len(judged) if max_rows is None else max_rows
    rows = sample_rows(batches, data.schema, len(judged), most, seed=0)
    found = model_findings(model, batches, rows, max_rows, window, verbose)
    lines = read_lines(folder / RANKS_FILE)
    frame = import_optional("pandas", "analysis").DataFrame
    evaluations = read_lines(folder / "metrics.jsonl")
    return dataclasses.replace(
        found,
        facts={**found.facts, **_facts(folder, config, data)},
        evaluations=frame(evaluations) if evaluations else None,
        ranks_over_time=frame(lines) if lines else None,
    )


def _facts(folder: Path, config: RunConfig, data: Data) -> dict[str, str]:
    """What was run, and how it ended."""
    versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    shown = {
        "folder": folder.name,
        "dataset": _described(config.dataset.name, config.dataset.arguments),
        "rows": ", ".join(f"{name} {len(getattr(data, name)):,}" for name in _SPLITS),
        "model arguments": _described("", config.model.arguments),
        "protocol": _described("", config.protocol.get_config()),
        "batch size": f"{config.batch_size:,}",
        "epochs, at most": str(config.epochs),
        "seed": str(config.seed),
        "versions": _described("", {k: v for k, v in versions.items() if k != "started"}),
        "measured on": f"{data.judged} rows, with the weights that were best on valid",
    }
    result = folder / "result.json"
    if not result.is_file():
        return {**shown, "state": "not finished: the best weights so far"}
    found = json.loads(result.read_text(encoding="utf-8"))
    shown["steps"] = f"{found['steps']:,}, the best after {found['best_step']:,}"
    for split, metrics in found["metrics"].items():
        shown[split] = ", ".join(f"{name} {value:.5f}" for name, value in metrics.items())
    return shown


_SPLITS: Sequence[str] = ("train", "valid", "test")


def _described(name: str, arguments: Mapping[str, Any]) -> str:
    """A name and its arguments in a line."""
    texts = [f"{key}={_text(value)}" for key, value in arguments.items() if key != "data_dir"]
    return ": ".join(part for part in (name, ", ".join(texts)) if part) or "defaults"


def _text(value: Any) -> str:
    """A value; a layer by its class and its arguments."""
    if isinstance(value, Mapping) and {"class_name", "config"} <= set(value):
        return f"{value['class_name']}({_described('', value['config'])})"
    return value if isinstance(value, str) else json.dumps(value)
