"""A column of numbers in a recipe."""

from __future__ import annotations

import dataclasses

from keras_elastor.data.column_checks import check_common, require


@dataclasses.dataclass(frozen=True)
class NumericColumn:
    """A column of numbers that becomes a `ke.Numeric` feature, float32.

    Args:
        name: Name of the feature.
        fill: Takes the place of an empty field, before the expression. None: an empty field is an
            error. Default: 0, as in FuxiCTR.
        expression: SQL over the source column, as polars reads it, such as `"LN(1 + price)"`.
        source: Column of the file. Default: `name`.

    Example:

    >>> ke.data.NumericColumn("log_price", source="price", expression="LN(1 + price)").source_name
    'price'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    fill: float | None = 0.0
    expression: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        check_common(self)
        is_number = isinstance(self.fill, int | float) and not isinstance(self.fill, bool)
        require(self.fill is None or is_number, self.name, "fill", self.fill, "None or a number")

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name
