"""What a person says of the columns of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from keras_elastor.utils.plain_values import suggest


@dataclasses.dataclass(frozen=True)
class GivenColumns:
    """What a person says of the columns; the arguments are those of `infer_recipe`."""

    drop: Collection[str] = ()
    categorical: Collection[str] = ()
    numeric: Collection[str] = ()
    sequences: Mapping[str, str | None] | Collection[str] = ()
    dates: Mapping[str, str | None] | Collection[str] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if isinstance(getattr(self, field.name), str):
                raise ValueError(
                    f"Expected `{field.name}` to be a list of names. Received: "
                    f"{field.name}={getattr(self, field.name)!r}"
                )

    def check(self, names: Collection[str]) -> None:
        """Raise ValueError about a name that the table lacks, or that stands in two places."""
        places: dict[str, str] = {}
        for field in dataclasses.fields(self):
            for name in getattr(self, field.name):
                if name not in names:
                    raise ValueError(
                        f"`{field.name}`: no column '{name}'. {suggest(name, set(names))}"
                    )
                if name in places:
                    raise ValueError(
                        f"Column '{name}': expected in one of `{places[name]}` and "
                        f"`{field.name}`. Received in both"
                    )
                places[name] = field.name
