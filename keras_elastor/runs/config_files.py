"""Files of plain values, in JSON or YAML."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from keras_elastor.utils.files import write_text
from keras_elastor.utils.optional import import_optional

# YAML 1.1, which PyYAML reads, takes 1e-3 for a text; YAML 1.2 and everybody else for a number.
_FLOAT = re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$")


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a mapping from a JSON or YAML file.

    Raises:
        ValueError: If the file is no JSON or YAML, or no mapping. The message names file and line.
        OSError: If it cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8. {error}") from error
    values = _parse_json(text, path) if path.suffix == ".json" else _parse_yaml(text, path)
    if not isinstance(values, dict):
        raise ValueError(
            f"{path}: expected keys and values, such as 'batch_size: 4096'. "
            f"Received: {type(values).__name__}"
        )
    return values


def write_file(path: str | os.PathLike[str], values: dict[str, Any]) -> None:
    """Write plain values to a JSON file, or, unless the name ends in .json, a YAML file.

    Raises:
        DiskError: If the disk refuses.
    """
    if Path(path).suffix == ".json":
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    else:
        yaml = import_optional("yaml", extra="runs")
        plain = json.loads(json.dumps(values))
        # Mappings without others inside stand on one line each, as a person would write them.
        text = yaml.safe_dump(
            plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
        )
    write_text(path, text)


def _parse_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: expected JSON. {error.msg}") from error


def _parse_yaml(text: str, path: Path) -> Any:
    yaml = import_optional("yaml", extra="runs")
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("+-0123456789"))
    try:
        return yaml.load(text, loader)  # A SafeLoader.
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ValueError(f"{path}{line}: expected YAML. {error.problem}") from error
