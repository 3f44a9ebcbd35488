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
# Two test processes share two cores; more threads than cores only make them wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config):
    """Load the fixtures, and with them Keras, where tests run.

    The process that hands the tests out to others needs neither.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("tests.fixtures")
