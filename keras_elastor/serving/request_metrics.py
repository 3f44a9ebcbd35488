"""Counts of requests in Prometheus' text form."""

from __future__ import annotations

import collections
import threading

_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class RequestMetrics:
    """Requests by status, their rows, and how long they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: collections.Counter[int] = collections.Counter()
        self._buckets = [0] * len(_BOUNDS)
        self._rows = 0
        self._seconds = 0.0

    def count(self, status: int, rows: int, seconds: float) -> None:
        """Note a request that was answered."""
        with self._lock:
            self._statuses[status] += 1
            self._rows += rows
            self._seconds += seconds
            for place, bound in enumerate(_BOUNDS):
                self._buckets[place] += seconds <= bound

    def text(self) -> str:
        """All counts, in the format of text of version 0.0.4."""
        with self._lock:
            total = sum(self._statuses.values())
            lines = [
                "# HELP predict_requests_total Requests for predictions, by HTTP status.",
                "# TYPE predict_requests_total counter",
                *(
                    f'predict_requests_total{{status="{status}"}} {number}'
                    for status, number in sorted(self._statuses.items())
                ),
                "# HELP predict_rows_total Rows that were predicted.",
                "# TYPE predict_rows_total counter",
                f"predict_rows_total {self._rows}",
                "# HELP predict_seconds Time from the whole request to its answer.",
                "# TYPE predict_seconds histogram",
                *(
                    f'predict_seconds_bucket{{le="{bound}"}} {number}'
                    for bound, number in zip(_BOUNDS, self._buckets, strict=True)
                ),
                f'predict_seconds_bucket{{le="+Inf"}} {total}',
                f"predict_seconds_sum {self._seconds:.6f}",
                f"predict_seconds_count {total}",
            ]
        return "\n".join(lines) + "\n"
