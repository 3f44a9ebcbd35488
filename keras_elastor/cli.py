"""What the commands of `keras-elastor` do: a thin shell over `keras_elastor.training`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path

from keras_elastor import data, datasets, models
from keras_elastor.analysis.report import report_runs
from keras_elastor.commands.run_options import make_config, read_given_table, show_log
from keras_elastor.commands.tune import tune
from keras_elastor.data.given_columns import GivenColumns
from keras_elastor.data.inference import infer_with_notes
from keras_elastor.datasets.registry import get_public
from keras_elastor.datasets.table import read_table
from keras_elastor.export import export as export_predictor
from keras_elastor.metrics.evaluate import evaluate as evaluate_model
from keras_elastor.runs.build import load_data
from keras_elastor.runs.comparison import compare as compare_runs
from keras_elastor.runs.config_files import read_file, write_file
from keras_elastor.runs.gradient_boosting import GRADIENT_BOOSTING
from keras_elastor.runs.interrupts import keep_interrupts
from keras_elastor.runs.own_table import default_models
from keras_elastor.runs.prediction import predict_file
from keras_elastor.runs.predictor import open_predictor
from keras_elastor.runs.run_folder import require_same_data
from keras_elastor.runs.runner import load_model, read_config, run
from keras_elastor.serving import serve as serve_model
from keras_elastor.utils.optional import import_optional


def prepare(options: argparse.Namespace) -> None:
    """Encode raw files once, for any number of trainings."""
    if options.dataset:
        source = get_public(options.dataset).source
        if not options.data_dir:
            raise ValueError(f"Expected --data-dir, the folder of the raw files. {source}")
        manifest = datasets.prepare(
            options.dataset,
            options.data_dir,
            options.output,
            check_md5=not options.no_check_md5,
            on_error=options.on_error,
            progress=not options.quiet,
        )
    else:
        manifest = data.prepare(
            _files(options.files),
            _read_recipe(options.recipe),
            options.output,
            on_error=options.on_error,
            progress=not options.quiet,
        )
    for name, split in manifest.splits.items():
        kinds = manifest.schema.label_kinds
        rates = ", ".join(
            f"{100 * rate:.2f} % clicks" if kind == "binary" else f"mean label {rate:.4g}"
            for rate, kind in zip(split.label_rates, kinds, strict=True)
        )
        left_out = f", {split.rejected:,} rows left out" if split.rejected else ""
        print(f"{name}: {split.rows:,} rows, {rates}{left_out}")
    if any(split.rejected for split in manifest.splits.values()):
        print(f"What was left out, and why, is in {Path(options.output) / 'rejected.jsonl'}")
    _print_training(options, manifest)


def _read_recipe(path: str) -> data.Recipe:
    try:
        return data.Recipe.from_config(read_file(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _files(texts: list[str] | None) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for text in texts or ():
        split, _, path = text.partition("=")
        files.setdefault(split, []).append(path)
    return files


def _print_training(options: argparse.Namespace, manifest: data.Manifest) -> None:
    """Print the command that trains on what was prepared."""
    if len(manifest.splits) == 1:
        print("To train on it, prepare it with a split to choose by: valid or test")
        return
    preset = f"dcn_v2_{options.dataset}"
    model = preset if preset in models.list_presets() else "dcn_v2"
    words = ["--dataset", "prepared", "--data-dir", str(options.output), "--model", model]
    if "valid" not in manifest.splits:
        split = next(name for name in manifest.splits if name != "train")
        words += ["--set", f"dataset.arguments.valid={split}"]
    print(f"Train on it:\n  keras-elastor train {shlex.join(words)}")


def infer(options: argparse.Namespace) -> None:
    """Write the recipe of a table, and say why it is this one."""
    frame = read_table(options.table)
    recipe, notes = infer_with_notes(
        frame, options.label, options.group, options.weight, min_count=1, given=GivenColumns()
    )
    write_file(options.output, recipe.get_config(brief=True))
    print(notes)
    words = ["--table", options.table, "--recipe", options.output, "--model", "deep_fm"]
    print(f"Train on it:\n  keras-elastor train {shlex.join(words)}")


def train(options: argparse.Namespace) -> None:
    """Train a model."""
    config = make_config(options, options.config, options.model)
    show_log(options)
    [config], rows = read_given_table([config], options)
    print(f"Run {Path(config.folder) / config.run_id}")
    result = run(config, rows, verbose=not options.quiet)
    _print_metrics(result.metrics)
    print(f"Everything is in {result.folder}")


def compare(options: argparse.Namespace) -> None:
    """Train several models and compare them."""
    show_log(options)
    models = options.models
    if models is None:
        models = [] if options.configs else default_models(floor=not options.no_floor)
    elif options.no_floor and GRADIENT_BOOSTING in models:
        raise ValueError(
            f"Expected --no-floor or {GRADIENT_BOOSTING} among --models. Received both"
        )
    if options.plot:
        # Before anything is trained.
        import_optional("matplotlib", extra="analysis")
        import_optional("pandas", extra="analysis")
    configs = [make_config(options, path, None) for path in options.configs or ()]
    configs += [make_config(options, None, name) for name in models]
    configs, rows = read_given_table(configs, options)
    comparison = compare_runs(
        configs,
        options.seeds,
        time_budget=options.time_budget,
        verbose=not options.quiet,
        data=rows,
    )
    print(comparison.markdown())
    if options.plot:
        comparison.plot(options.plot)
        print(f"The picture is {options.plot}")
    print(f"Everything is in {comparison.folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Measure a run."""
    model = load_model(options.run)
    config = read_config(options.run)
    if options.data_dir:
        config = config.with_data_dir(options.data_dir)
    loaded = load_data(config)
    require_same_data(Path(options.run), loaded)
    rows = getattr(loaded, options.split)
    if not len(rows):
        raise ValueError(f"The dataset has no {options.split} rows")
    batches = rows.dataset(config.batch_size, with_group=True)
    _print_metrics({options.split: evaluate_model(model, batches, verbose=not options.quiet)})


def analyze(options: argparse.Namespace) -> None:
    """Write a report on runs."""
    found = report_runs(
        options.runs,
        options.out,
        options.data_dir,
        max_rows=options.max_rows,
        window=options.window,
        verbose=not options.quiet,
    )
    print("\n".join(found.sentences))
    print(f"The page is {options.out}")


def predict(options: argparse.Namespace) -> None:
    """Add probabilities to the rows of a file."""
    rows = predict_file(
        options.run, options.input, options.output, options.batch_size, verbose=not options.quiet
    )
    print(f"{rows:,} rows with probabilities are in {options.output}")


def export(options: argparse.Namespace) -> None:
    """Write a trained model as one artefact."""
    predictor = open_predictor(options.run)
    found = export_predictor(
        predictor,
        options.output,
        format=options.format,
        rows=options.rows,
        quantize=options.quantize,
        embeddings=options.embeddings,
        sample=None if options.sample is None else read_table(options.sample),
        user=options.user,
    )
    print(f"{found.rows} raw rows compared: answers differ by at most {found.max_difference:.2g}")
    if found.reduced is not None:
        print(f"With fewer bits they differ by at most {found.reduced.max_difference:.2g}")
        for name, auc in (found.reduced.auc_after or {}).items():
            print(f"AUC of {name}: {auc:.6f} ({found.reduced.auc_change[name]:+.6f})")
    print(f"Everything is in {options.output}")


def serve(options: argparse.Namespace) -> None:
    """Answer requests by an exported model."""
    serve_model(
        options.path,
        host=options.host,
        port=options.port,
        max_rows=options.max_rows,
        max_bytes=options.max_bytes,
        timeout=options.timeout,
        threads=options.threads,
        on_start=lambda address: print(f"{address} answers. Stop it with Ctrl-C", flush=True),
    )


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "prepare": prepare,
    "infer": infer,
    "train": train,
    "compare": compare,
    "tune": tune,
    "evaluate": evaluate,
    "analyze": analyze,
    "predict": predict,
    "export": export,
    "serve": serve,
}


def run_command(options: argparse.Namespace) -> None:
    """Do what a command says; Ctrl-C is never lost."""
    with keep_interrupts():
        COMMANDS[options.command](options)


def _print_metrics(metrics: dict[str, dict[str, float]]) -> None:
    table = import_optional("rich.table", extra="runs").Table("")
    for name in next(iter(metrics.values())):
        table.add_column(name, justify="right")
    for split, values in metrics.items():
        table.add_row(split, *(f"{value:.6f}" for value in values.values()))
    import_optional("rich.console", extra="runs").Console().print(table)
