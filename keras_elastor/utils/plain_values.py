"""Plain values into dataclasses, with errors that name the key and suggest the nearest."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

_Made = TypeVar("_Made")
_EXPECTED = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
}


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
    kinds = [typing.get_origin(option) or option for option in options]
    kinds = [kind for kind in kinds if kind is not type(None)]
    if dataclasses.is_dataclass(kinds[0]) and not isinstance(value, typing.cast("type", kinds[0])):
        return make_dataclass(typing.cast("type[Any]", kinds[0]), value, where)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    right = isinstance(value, tuple(kinds)) and (bool in kinds or not isinstance(value, bool))
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        expected = " or ".join(_EXPECTED.get(kind, "keys and values") for kind in kinds)
        raise ValueError(
            f"'{where}': expected {expected}. Received: {value!r} ({type(value).__name__})"
        )
    return value
