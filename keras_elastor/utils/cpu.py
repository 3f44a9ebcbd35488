"""Settings of the process that make training on processors faster."""

from __future__ import annotations

import ctypes
import os
import sys

import keras

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_PAD = 64 << 20


def configure_cpu(threads: int | None = None, flush_denormals: bool = False) -> dict[str, bool]:
    """Make the process keep the memory that it has freed, and set its threads.

    Each large tensor is otherwise memory that the system hands out anew, page by page and zeroed,
    and takes back after the step. Kept, it costs nothing again; the process stays as large as it
    once was. Values do not change by a bit.

    It acts at once, on every backend, before and after the backend is loaded: call it in the first
    lines of a script. The command line and the scripts in `examples/` do. From outside, the
    variables `MALLOC_MMAP_MAX_`, `MALLOC_TRIM_THRESHOLD_` and `MALLOC_TOP_PAD_` do it for any
    program; see `docs/performance.md`.

    Args:
        threads: Number of threads of one operation, on TensorFlow (before its first operation) and
            PyTorch; what is loaded later reads it from `OMP_NUM_THREADS`. Default: None, all that
            the backend takes by itself.
        flush_denormals: Whether PyTorch takes numbers below 1.2e-38 for 0, as TensorFlow and JAX
            do. Means of Adam that decay for hundreds of steps become that small, and arithmetic
            with them many times slower. It changes those numbers. Default: False.

    Returns:
        What was set: "allocator", which is that of glibc alone (on macOS, Windows and Alpine there
        is nothing to set), "threads" and "flush_denormals".

    Example:

    >>> sorted(ke.configure_cpu())
    ['allocator', 'flush_denormals', 'threads']

    Raises:
        ValueError: If `threads` is below 1, or given on JAX, which takes the cores that the process
            may use.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"configure_cpu: expected `threads` of at least 1. Received: {threads}")
    return {
        "allocator": _keep_memory(),
        "threads": _set_threads(threads) if threads else False,
        "flush_denormals": _flush_denormals() if flush_denormals else False,
    }


def _keep_memory() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _PAD))
    # Each returns 1 where it is known.
    return all(mallopt(option, value) == 1 for option, value in settings)


def _set_threads(threads: int) -> bool:
    backend = keras.backend.backend()
    if backend == "jax":
        raise ValueError(
            "configure_cpu: expected no `threads` on JAX, which takes the cores that the process "
            f"may use. Received: threads={threads}. Start it with fewer, e.g. by taskset -c 0-"
            f"{threads - 1} python ..."
        )
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if backend == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise ValueError(
                "configure_cpu: expected `threads` before TensorFlow's first operation. Received: "
                f"threads={threads} after it. Call it in the first lines of the script"
            ) from error
        return True
    import torch

    torch.set_num_threads(threads)
    return True


def _flush_denormals() -> bool:
    if keras.backend.backend() != "torch":
        return False
    import torch

    return bool(torch.set_flush_denormal(True))
