"""The addresses of a served model."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from keras_elastor.serving.bodies import JSON, answer_body
from keras_elastor.serving.page import PAGE
from keras_elastor.serving.request_error import RequestError
from keras_elastor.serving.request_metrics import RequestMetrics
from keras_elastor.serving.served_model import ServedModel
from keras_elastor.utils.optional import import_optional

_logger = logging.getLogger(__name__)


class App:
    """Answers requests for one model.

    Args:
        model: That is asked.
        max_bytes: Of the body of a request, and of what an Arrow stream unpacks to.
        timeout: Seconds in which a body must arrive, and in which it must be answered.
        workers: Requests that are computed at a time; others wait.
    """

    def __init__(self, model: ServedModel, max_bytes: int, timeout: float, workers: int) -> None:
        self._model = model
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._turns = asyncio.Semaphore(workers)
        self._metrics = RequestMetrics()
        self._responses = import_optional("starlette.responses", extra="serve")

    def application(self) -> Any:
        """The ASGI application."""
        route = import_optional("starlette.routing", extra="serve").Route
        routes = [
            route("/", self.page, methods=["GET"]),
            route("/predict", self.predict, methods=["POST"]),
            route("/health", self.health, methods=["GET"]),
            route("/schema", self.schema, methods=["GET"]),
            route("/metrics", self.metrics, methods=["GET"]),
        ]
        return import_optional("starlette.applications", extra="serve").Starlette(routes=routes)

    async def page(self, request: Any) -> Any:
        """A page in which a person fills in a row."""
        return self._responses.HTMLResponse(PAGE)

    async def health(self, request: Any) -> Any:
        """Whether the model answers requests."""
        return self._responses.JSONResponse({"status": "ok"})

    async def schema(self, request: Any) -> Any:
        """Inputs and outputs of the model."""
        return self._responses.JSONResponse(self._model.schema())

    async def metrics(self, request: Any) -> Any:
        """Counts of requests."""
        return self._responses.PlainTextResponse(
            self._metrics.text(), media_type="text/plain; version=0.0.4"
        )

    async def predict(self, request: Any) -> Any:
        """Predictions for the rows of a request."""
        start = time.perf_counter()
        rows = 0
        content: dict[str, Any]
        try:
            try:
                body = await asyncio.wait_for(self._body(request), self._timeout)
            except TimeoutError:
                raise RequestError(408, "Expected the whole request in time") from None
            start = time.perf_counter()
            answer = await asyncio.wait_for(self._answer(request, body), self._timeout)
            rows = len(next(iter(answer.values())))
            status, content = 200, {"predictions": answer}
        except RequestError as error:
            status = error.status
            named = {"row": error.row, "column": error.column}
            told = {name: value for name, value in named.items() if value is not None}
            content = {"error": str(error), **told}
        except TimeoutError:
            status, content = 503, {"error": "The answer took too long. Ask for fewer rows"}
        except Exception:
            _logger.exception("A request failed")
            status, content = 500, {"error": "The server failed. Its log says why"}
        self._metrics.count(status, rows, time.perf_counter() - start)
        return self._responses.JSONResponse(content, status)

    async def _body(self, request: Any) -> bytes:
        too_large = RequestError(413, f"Expected at most {self._max_bytes} bytes")
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and len(length) < 20 and int(length) > self._max_bytes:
            raise too_large
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._max_bytes:
                raise too_large
        return bytes(body)

    async def _answer(self, request: Any, body: bytes) -> dict[str, list[float]]:
        kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        async with self._turns:
            return await asyncio.to_thread(answer_body, self._model, body, kind, self._max_bytes)
