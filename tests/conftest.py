"""Settings that every test needs before the first import of Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The suite is thousands of tiny compilations that each run once: do not optimize them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)
# Two test processes share the machine; more threads than cores only make them wait.
os.environ.setdefault("OMP_NUM_THREADS", "2")

import contextlib

# Torch must be imported before TensorFlow in one process, or it can crash.
with contextlib.suppress(ImportError):
    import torch  # noqa: F401

import keras
import pytest


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same seed and leaves neither policy nor graph behind."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
