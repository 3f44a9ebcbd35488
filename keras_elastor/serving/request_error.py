"""What is wrong with a request."""

from __future__ import annotations


class RequestError(ValueError):
    """What was asked is wrong.

    Args:
        status: HTTP's number of what is wrong.
        message: What is wrong, and what to do.
        row: Number of the row, from 0.
        column: Name of the column.
    """

    def __init__(
        self, status: int, message: str, row: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.row = row
        self.column = column
