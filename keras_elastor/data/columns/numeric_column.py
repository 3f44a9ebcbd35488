"""A column of numbers in a recipe."""

from __future__ import annotations

import dataclasses

from keras_elastor.data.columns.checks import OneSource, check_common, is_count, require
from keras_elastor.data.numbers.number_transform import TRANSFORMS


@dataclasses.dataclass(frozen=True)
class NumericColumn(OneSource):
    """A column of numbers that becomes a `ke.Numeric` feature, float32.

    Networks learn badly from numbers whose scale is far from 1. A `transform` is fitted on up to
    131,072 of the training rows, drawn by their number:

    | transform | a number x becomes |
    |---|---|
    | "none" | x |
    | "standard" | (x - mean) / standard deviation |
    | "log" | the same of sign(x) log(1 + abs(x)), for amounts and counts |
    | "quantile" | the normal quantile of its rank, whatever the distribution; beyond the training rows, the end of their range |
    | "bucketize" | the id of its bucket, a `ke.Categorical`; buckets hold about equally many rows |

    Args:
        name: Name of the feature.
        fill: Takes the place of an empty field, before the expression. None: an empty field is an
            error. "median": what the median of the training rows becomes; it needs a transform.
            Default: 0, as in FuxiCTR.
        expression: SQL over the source column, as polars reads it, such as `"LN(1 + price)"`.
        source: Column of the file. Default: `name`.
        transform: One of the table above. Default: "none", as in FuxiCTR.
        buckets: The number of buckets of "bucketize", at least 2. Default: 32.

    Example:

    >>> ke.data.NumericColumn("log_price", source="price", expression="LN(1 + price)").source_name
    'price'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """  # noqa: E501 - the rows of a table do not break

    name: str
    fill: float | str | None = 0.0
    expression: str | None = None
    source: str | None = None
    transform: str = "none"
    buckets: int = 32

    def __post_init__(self) -> None:
        check_common(self)
        known = self.transform in TRANSFORMS
        require(known, self.name, "transform", self.transform, f"one of {', '.join(TRANSFORMS)}")
        is_number = isinstance(self.fill, int | float) and not isinstance(self.fill, bool)
        if self.transform == "none":
            expected = "None or a number" + ", as there is no transform" * (self.fill == "median")
            require(self.fill is None or is_number, self.name, "fill", self.fill, expected)
        right = self.fill is None or is_number or self.fill == "median"
        require(right, self.name, "fill", self.fill, 'None, a number or "median"')
        enough = is_count(self.buckets) and self.buckets >= 2
        require(enough, self.name, "buckets", self.buckets, "at least 2")
