"""The configs of runs from the options of a command."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from typing import Any

from keras_elastor.datasets.rows import Data
from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.own_table import default_protocol, fitting_batch_size


def make_config(options: argparse.Namespace, path: str | None, model: str | None) -> RunConfig:
    """The config of a file and the options that override it."""
    values: dict[str, Any] = {} if path is None else read_file(path)
    given = {
        "dataset.name": options.dataset,
        "dataset.arguments.data_dir": options.data_dir,
        "model.name": model,
        "protocol.name": options.protocol,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "folder": options.folder,
        "seed": getattr(options, "seed", None),
    }
    for key, value in [*_table(options).items(), *given.items()]:
        if value is not None:
            _set(values, key, value)
    for text in options.set:
        key, _, value = text.partition("=")
        _set(values, key, _parse(value))
    try:
        return RunConfig.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}" if path else str(error)) from error


def _table(options: argparse.Namespace) -> dict[str, Any]:
    """The keys of a config for a table of one's own."""
    if not options.table:
        return {}
    return {
        "dataset.name": "table",
        "dataset.arguments.path": options.table,
        "dataset.arguments.label": options.label,
        "dataset.arguments.recipe": options.recipe and read_file(options.recipe),
        # Not the protocol of published results: the loss follows from the label.
        "protocol": default_protocol().get_config(),
    }


def read_given_table(
    configs: list[RunConfig], options: argparse.Namespace
) -> tuple[list[RunConfig], Data | None]:
    """Read a table of one's own once, and fit the batch size to its rows unless it is given."""
    if not options.table:
        return configs, None
    rows = load_data(configs[0])
    if options.batch_size is None:
        size = fitting_batch_size(len(rows.train))
        configs = [dataclasses.replace(config, batch_size=size) for config in configs]
    if rows.table is not None and rows.table.notes is not None:
        print(rows.table)
    return configs, rows


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ValueError(f"'{key}': '{parent}' has a value and no keys")
    values[last] = value


def _parse(text: str) -> Any:
    """A JSON value; what is none is a text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def show_log(options: argparse.Namespace) -> None:
    """Print what the package logs, unless it should be quiet."""
    if not options.quiet:
        handler = LineHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("keras_elastor")
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)


class LineHandler(logging.StreamHandler[Any]):
    """Log lines on a terminal that a progress bar is being drawn on."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; it takes the place of a bar, which is drawn again below it."""
        line = super().format(record)
        if self.stream.isatty():
            # What the bar has printed comes first, then to the start of its line, which is erased.
            sys.stdout.flush()
            line = f"\r\x1b[K{line}"
        return line
