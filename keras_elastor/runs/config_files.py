"""Plain values into dataclasses, with errors that name the key and suggest the nearest."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import math
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from keras_elastor.utils.optional import import_optional

_Made = TypeVar("_Made")

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


def make_dataclass(kind: type[_Made], values: Any, where: str = "") -> _Made:
    """Make a dataclass of plain values.

    Args:
        kind: The dataclass; its fields are numbers, texts, None, mappings or dataclasses.
        values: A mapping from field name to value.
        where: Dotted path of these values, for messages.

    Raises:
        ValueError: If a key is unknown or missing, or a value is of another type.
    """
    if not isinstance(values, Mapping):
        raise ValueError(
            f"'{where}': expected keys and values. Received: {type(values).__name__} {values!r}"
        )
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    check_keys(values, fields, where)
    hints = typing.get_type_hints(kind)
    prefix = f"{where}." if where else ""
    made = {name: _value(hints[name], value, prefix + name) for name, value in values.items()}
    for name, field in fields.items():
        if name not in made and _is_required(field):
            raise ValueError(f"Expected the key '{prefix}{name}', which is missing")
    return kind(**made)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def check_keys(values: Iterable[Any], known: Iterable[str], where: str) -> None:
    """Raise a ValueError about the first unknown key, with the nearest known one."""
    known = list(known)
    for key in values:
        if key not in known:
            raise ValueError(
                f"Unknown key '{where + '.' if where else ''}{key}'. {suggest(str(key), known)}"
            )


def check_arguments(
    functions: Iterable[Callable[..., Any]], arguments: Mapping[str, Any], where: str
) -> None:
    """Raise a ValueError about an argument that none of the functions has."""
    known = [
        parameter.name
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    check_keys(arguments, [name for name in known if name not in ("self", "schema")], where)


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known name that is nearest to this one, or with all."""
    by_lower_case = {word.lower(): word for word in known}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    if nearest:
        return f"Did you mean '{by_lower_case[nearest[0]]}'?"
    return f"Known are: {', '.join(by_lower_case.values())}"


def _value(hint: Any, value: Any, where: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    (hint,) = [option for option in options if option is not type(None)]
    if dataclasses.is_dataclass(hint):
        return make_dataclass(typing.cast("type[Any]", hint), value, where)
    kind = typing.get_origin(hint) or hint
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if not right or (kind is float and not math.isfinite(value)):
        expected = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
        raise ValueError(
            f"'{where}': expected {expected.get(kind, 'keys and values')}. "
            f"Received: {value!r} ({type(value).__name__})"
        )
    return value
