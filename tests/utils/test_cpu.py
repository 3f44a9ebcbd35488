import ctypes
import os
import sys

import keras
import pytest

import keras_elastor as ke
from keras_elastor.utils import cpu
from tests.assertions import raises_value_error

BACKEND = keras.backend.backend()


@pytest.fixture
def calls(monkeypatch):
    """What is set of the allocator, which is left as it is."""
    received = {}
    library = type(
        "Library", (), {"mallopt": lambda _, key, value: received.update({key: value}) or 1}
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library())
    monkeypatch.setattr(sys, "platform", "linux")
    return received


def test_tells_the_allocator_to_keep_memory(calls):
    assert ke.configure_cpu() == {"allocator": True, "threads": False, "flush_denormals": False}
    # M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of glibc's malloc.h.
    assert calls == {-4: 0, -1: -1, -2: 64 << 20}


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_there_is_nothing_to_set(calls, monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert not ke.configure_cpu()["allocator"]
    assert calls == {}


def test_a_library_without_the_call_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    monkeypatch.setattr(sys, "platform", "linux")
    assert not ke.configure_cpu()["allocator"]


def test_sets_threads_or_says_why_not(calls, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    if BACKEND == "torch":
        import torch

        before = torch.get_num_threads()
        assert ke.configure_cpu(threads=1)["threads"]
        assert torch.get_num_threads() == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
        torch.set_num_threads(before)
    else:
        keras.ops.zeros(1) + 1
        expected = "no `threads` on JAX" if BACKEND == "jax" else "before TensorFlow's first"
        with raises_value_error(expected, "threads=2"):
            ke.configure_cpu(threads=2)


def test_refuses_less_than_one_thread():
    with raises_value_error("at least 1", "0"):
        cpu.configure_cpu(threads=0)


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch alone")
def test_flushes_denormals(calls):
    import torch

    small = torch.full((4,), 1e-39)
    assert float((small * 0.5).sum()) > 0
    try:
        if ke.configure_cpu(flush_denormals=True)["flush_denormals"]:
            assert float((small * 0.5).sum()) == 0
    finally:
        torch.set_flush_denormal(False)
