"""The command `keras-elastor`: its options, and errors in one line.

It lies outside of the package, as `--help` and a missing backend are answered before Keras is
imported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from keras_elastor_command.options import make_parser

STOPPED = {
    "prepare": "The same command goes on with what is not finished",
    "train": "The same command continues from the last checkpoint, if there is one",
    "compare": "The same command continues from the last checkpoint, if there is one",
    "tune": "The same command goes on with what is not finished",
}
# Commands that read rows by TensorFlow's tf.data, on every backend.
_READING = ("prepare", "train", "compare", "tune", "evaluate")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 if all went well, 1 if a run failed, 2 if something given was wrong, 130 after Ctrl-C or
        SIGTERM.
    """
    options = argparse.Namespace(command=None, debug=False)
    try:
        with _sigterm_as_ctrl_c():
            options = make_parser().parse_args(arguments)
            code = _run(options)
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        hint = STOPPED.get(options.command)
        print(f"keras-elastor: stopped.{f' {hint}' if hint else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has read enough; nor is there more to be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"keras-elastor: {text}", file=sys.stderr)
        wrong_input = isinstance(error, ValueError | ImportError | FileNotFoundError)
        interrupted = type(error).__name__ == "RunInterruptedError"
        return 130 if interrupted else 2 if wrong_input or isinstance(error, FileExistsError) else 1


@contextlib.contextmanager
def _without_start_up_noise(command: str) -> Iterator[None]:
    """Inside this context nothing is printed, and TensorFlow is imported for what reads by it.

    What TensorFlow prints before its log is set up goes by no level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        if command in _READING:
            # Whoever lacks it is told so where it is needed.
            with contextlib.suppress(ImportError):
                import tensorflow  # noqa: F401
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Inside this context SIGTERM raises KeyboardInterrupt; Python would end without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check(options: argparse.Namespace) -> None:
    """Raise ValueError about options that do not fit together: nobody waits for Keras for that."""
    if options.command in ("train", "compare", "tune"):
        _check_run(options)
    elif options.command == "prepare":
        if bool(options.dataset) == bool(options.recipe):
            raise ValueError("Expected either --dataset and --data-dir, or --recipe and --files")
        splits = [text.partition("=") for text in options.files or ()]
        for split, equals, _ in splits:
            if not equals:
                raise ValueError(
                    f"--files: expected SPLIT=FILE, such as train=day1.csv. Received: {split!r}"
                )
        if options.recipe and "train" not in [split for split, *_ in splits]:
            raise ValueError("--files: expected a file of the split train, such as train=day1.csv")
    elif options.command == "infer" and not options.output.endswith((".yaml", ".yml", ".json")):
        raise ValueError(f"--output: expected a .yaml or .json file. Received: {options.output}")


def _check_run(options: argparse.Namespace) -> None:
    configs = vars(options).get("configs") or vars(options).get("config")
    models = vars(options).get("models") or vars(options).get("model")
    if options.command == "compare":
        if configs and models:
            raise ValueError("Expected either --configs or --models")
        if not (configs or models or options.table):
            raise ValueError(
                "Expected --models, --configs, or --table, for which there are defaults"
            )
    for text in options.set:
        if "=" not in text:
            raise ValueError(f"--set: expected KEY=VALUE. Received: {text!r}")
    if options.table and options.dataset:
        raise ValueError("Expected either --table or --dataset")
    if not options.table and (options.label or options.recipe):
        raise ValueError("Expected --table, the file that --label and --recipe are about")
    # A config or --set may name what no option does.
    if options.set or configs:
        return
    if not (options.table or options.dataset):
        raise ValueError(
            "Expected --dataset or --table (or a --config that names it). See keras-elastor list"
        )
    if options.command == "train" and not models:
        raise ValueError("Expected --model (or a --config that names it). See keras-elastor list")


def _list_names(kind: str | None) -> None:
    """Print what can be named in a config, as the package has it written down."""
    package = importlib.util.find_spec("keras_elastor")
    if package is None or package.origin is None:
        raise ImportError("The package keras_elastor is not installed")
    file = Path(package.origin).with_name("commands") / "names.json"
    for name, known in json.loads(file.read_text(encoding="utf-8")).items():
        if kind in (None, name):
            print("\n  ".join([f"{name}:", *known]))


def _run(options: argparse.Namespace) -> int:
    _check(options)
    if options.command == "list":
        _list_names(options.kind)
        return 0
    if options.backend:
        os.environ["KERAS_BACKEND"] = options.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _without_start_up_noise(options.command):
            import keras
    except ImportError as error:
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise ImportError(
            f"The backend {name!r} cannot be imported ({error}). Install it with: pip install "
            f'"keras-elastor[{name}]", or choose another one by --backend or KERAS_BACKEND'
        ) from error
    del keras
    from keras_elastor import cli, configure_cpu

    configure_cpu()
    cli.run_command(options)
    return 0
