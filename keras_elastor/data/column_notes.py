"""What was made of the columns of a table, to be read."""

from __future__ import annotations

import dataclasses
import html


@dataclasses.dataclass(frozen=True)
class ColumnNote:
    """What was made of a column of a table.

    Args:
        name: Of the column.
        becomes: What it became, such as "category" or "left out".
        distinct: Number of distinct values.
        missing: Share of the rows without a value.
        example: A value, as text.
        why: The reason.
    """

    name: str
    becomes: str
    distinct: int
    missing: float
    example: str
    why: str


@dataclasses.dataclass(frozen=True)
class ColumnNotes:
    """What was made of each column of a table; shown as a table, in notebooks as HTML."""

    notes: tuple[ColumnNote, ...]

    _HEADER = ("column", "becomes", "distinct", "missing", "example", "why")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (it.name, it.becomes, f"{it.distinct:,}", f"{it.missing:.1%}", it.example, it.why)
            for it in self.notes
        ]

    def __str__(self) -> str:
        rows = [self._HEADER, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
