"""`keras-elastor serve`: an exported model on a port of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from keras_elastor.serving.app import App
from keras_elastor.serving.served_model import ServedModel
from keras_elastor.utils.optional import import_optional


def serve(
    folder: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8000,
    max_rows: int = 10_000,
    max_bytes: int = 16 << 20,
    timeout: float = 10.0,
    threads: int = 0,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those that were accepted are answered first.

    Args:
        folder: That `ke.export` wrote with `format="onnx"`.
        host: Address to listen on. Default: "127.0.0.1", this machine only.
        port: Default: 8000; 0 takes a free one.
        max_rows: The most rows of one request. Default: 10,000.
        max_bytes: The most bytes of one request. Default: 16 MiB.
        timeout: Seconds in which a request must arrive, and in which it must be answered. Default:
            10.
        threads: Of ONNX Runtime, for one request. Default: 0, all cores.
        on_start: Called with the server's address when it listens.

    Raises:
        FileNotFoundError: If the folder holds no artefact.
        ImportError: If a package is missing; the message says which.
        ValueError: If the artefact is of another format or damaged, or the port is taken.
    """
    uvicorn = import_optional("uvicorn", extra="serve")
    import_optional("starlette", extra="serve")
    model = ServedModel(Path(folder), max_rows, threads)
    with contextlib.closing(listen(host, port)) as listening:
        app = App(model, max_bytes, timeout, workers=os.cpu_count() or 1).application()
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=int(timeout) + 1
        )
        server = uvicorn.Server(config)
        if on_start is not None:
            name = f"[{host}]" if ":" in host else host
            on_start(f"http://{name}:{listening.getsockname()[1]}")
        # The server has already drained when it hands the signal on.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket on a port of this machine, whose connections send at once.

    Raises:
        ValueError: If there is no such port, or it is taken.
    """
    if not 0 <= port < 1 << 16:
        raise ValueError(f"Expected a port from 0 to 65535. Received: {port}")
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        raise ValueError(
            f"Cannot listen on port {port} of {host}: {error.strerror or error}. Choose another by "
            "--port or --host"
        ) from error
    # asyncio does so only for sockets that were made with the number of TCP. Without it, the body
    # of an answer waits until the client has acknowledged the header: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
