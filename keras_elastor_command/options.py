"""The options of the command `keras-elastor`, with examples."""

from __future__ import annotations

import argparse

EXIT_CODES = (
    "exit codes: 0 all went well, 1 a run failed, 2 something given was wrong, 130 stopped by "
    "Ctrl-C or SIGTERM"
)
EXAMPLES = {
    "list": """examples:
  keras-elastor list
  keras-elastor list presets""",
    "prepare": """examples:
  keras-elastor prepare --dataset criteo_x1 --data-dir Criteo_x1 --output prepared/criteo_x1
  keras-elastor train --dataset prepared --data-dir prepared/criteo_x1 --model dcn_v2_criteo_x1

  keras-elastor prepare --recipe recipe.json --output prepared/ads \\
    --files train=day1.csv train=day2.csv.gz valid=day3.parquet --on-error skip

A recipe says what the columns become, in JSON or YAML:
  {"label": "click", "columns": [
    {"type": "CategoricalColumn", "name": "item", "min_count": 2},
    {"type": "SequenceColumn", "name": "history", "max_length": 50, "table": "item"},
    {"type": "NumericColumn", "name": "price"}]}

A preparation that was stopped goes on when the same command is given again.""",
    "infer": """examples:
  keras-elastor infer clicks.csv --label click --output recipe.yaml
  keras-elastor train --table clicks.csv --recipe recipe.yaml --model deep_fm
  keras-elastor prepare --recipe recipe.yaml --output prepared --files train=a.csv valid=b.csv""",
    "train": """examples:
  keras-elastor train --table clicks.csv --label click --model deep_fm
  keras-elastor train --dataset synthetic --model dnn --epochs 2
  keras-elastor train --dataset kuairand_pure --data-dir KuaiRand-Pure --model rank_elastor
  keras-elastor train --config run.yaml --protocol keras --set protocol.optimizer=adamw
  keras-elastor train --config run.yaml --seed 1 --set protocol.patience=3
  keras-elastor train --dataset synthetic --model dnn --set 'model.arguments.hidden_units=[64, 64]'

A run that was stopped continues when the same command is given again.""",
    "compare": """examples:
  keras-elastor compare --table clicks.csv --label click
  keras-elastor compare --table clicks.csv --label click --time-budget 10m --models deep_fm din
  keras-elastor compare --dataset synthetic --models dnn rank_elastor --seeds 0 1 2
  keras-elastor compare --configs a.yaml b.yaml --seeds 0 1 2 3 4 --plot comparison.svg

A comparison that was stopped continues when the same command is given again.""",
    "tune": """examples:
  keras-elastor tune --table clicks.csv --label click --models deep_fm --trials 20
  keras-elastor tune --dataset synthetic --models rank_elastor --space space.yaml --dry-run
  keras-elastor tune --dataset synthetic --models dnn rank_elastor --budget trials=20
  keras-elastor tune --grid width --dataset kuairand_pure --data-dir KuaiRand --seeds 0 1

One model is searched. Several are searched with equal budget, and the best of each is compared on
the test rows. A grid goes through growing sizes of all models and ends in a scaling curve. A space
is a file such as
  num_blocks: [1, 2, 4]
  learning_rate: {min: 1e-4, max: 1e-2, sampling: log}

A search that was stopped goes on when the same command is given again.""",
    "evaluate": """examples:
  keras-elastor evaluate runs/dnn_synthetic-0123456789
  keras-elastor evaluate runs/dnn_kuairand_pure-0123456789 --split valid --data-dir KuaiRand""",
    "analyze": """examples:
  keras-elastor analyze runs/dnn_synthetic-0123456789 --out report.html
  keras-elastor analyze runs/rank_mixer_* runs/rank_elastor_* --out report.html --data-dir KuaiRand

The page holds learning curves, effective ranks and spectra of all stages, embedding tables,
calibration and gAUC of the best weights; it needs no network.""",
    "predict": """examples:
  keras-elastor predict runs/dnn_synthetic-0123456789 rows.csv probabilities.csv
  keras-elastor predict runs/dnn_synthetic-0123456789 rows.parquet probabilities.parquet

The input has a column for each feature of the model; it may have others, which are kept. Lists in a
CSV file are separated by spaces. Values are those of the original data where the dataset has
vocabularies, and ids otherwise.""",
    "export": """examples:
  keras-elastor export runs/dnn_kuairand_pure-0123456789 --format onnx --output click_model
  keras-elastor export runs/dnn_kuairand_pure-0123456789 --format saved_model --output click_model

Raw rows go in, probabilities come out. What was made is compared with the run, or not written.""",
    "serve": """examples:
  keras-elastor serve click_model
  curl -H 'content-type: application/json' http://127.0.0.1:8000/predict \\
    -d '{"rows": [{"user": "ann", "item": "i7"}]}'

The path is a folder that `keras-elastor export --format onnx` wrote.""",
}


def make_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--backend", choices=["jax", "tensorflow", "torch"], help="overrides KERAS_BACKEND"
    )
    shared.add_argument("--debug", action="store_true", help="show the traceback of an error")
    shared.add_argument("--quiet", action="store_true", help="no progress bar")
    parser = argparse.ArgumentParser(
        prog="keras-elastor",
        description="Train and use models for click-through-rate prediction.",
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            parents=[shared],
            help=text,
            description=text,
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    listing = add("list", "List the models, presets, protocols and datasets.")
    listing.add_argument("kind", nargs="?", choices=["models", "presets", "protocols", "datasets"])

    prepare = add("prepare", "Encode raw files once, for any number of trainings.")
    prepare.add_argument("--dataset", help="public dataset, see `keras-elastor list datasets`")
    prepare.add_argument("--data-dir", help="folder of its raw files")
    prepare.add_argument("--recipe", help="JSON or YAML file: what the columns of own files become")
    prepare.add_argument(
        "--files", nargs="+", metavar="SPLIT=FILE", help="own files: CSV, gzip or Parquet"
    )
    prepare.add_argument("--output", required=True, help="folder to write")
    prepare.add_argument(
        "--on-error",
        choices=["stop", "skip"],
        default="stop",
        help="stop at a wrong row, or leave it out and keep it in rejected.jsonl (default: stop)",
    )
    prepare.add_argument(
        "--no-check-md5", action="store_true", help="the files need not be the published ones"
    )

    infer = add("infer", "Write down what the columns of a table become, to be changed by hand.")
    infer.add_argument("table", help="CSV or Parquet file")
    infer.add_argument("--label", required=True, help="column of the label, 0 or 1")
    infer.add_argument("--group", help="column for group-wise metrics, usually the user")
    infer.add_argument("--weight", help="column of sample weights")
    infer.add_argument("--output", required=True, help="recipe to write, .yaml or .json")

    train = add("train", "Train a model and keep everything in a folder.")
    train.add_argument("--config", help="YAML or JSON file; other options override it")
    train.add_argument("--model", help="model or preset, see `keras-elastor list`")
    _add_run_options(train)
    train.add_argument("--seed", type=int, help="of weights, order and dropout (default: 0)")

    compare = add("compare", "Train several models with several seeds and compare them.")
    compare.add_argument("--configs", nargs="+", help="YAML or JSON files, one for each model")
    compare.add_argument(
        "--models",
        nargs="+",
        help="models or presets; the first is the baseline (default for --table: "
        "gradient_boosting, deep_fm, dnn, rank_elastor)",
    )
    compare.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="(default: 0 1 2 3 4)"
    )
    compare.add_argument(
        "--time-budget",
        help="such as 10m: what is not finished then is left out, and goes on later",
    )
    compare.add_argument(
        "--no-floor", action="store_true", help="leave gradient boosting out of the default models"
    )
    compare.add_argument(
        "--plot", metavar="FILE", help="picture of the comparison to write: .svg, .png and .csv"
    )
    _add_run_options(compare)

    _add_tune(add("tune", "Search for the best widths, depths and training of models."))

    evaluate = add("evaluate", "Measure the best weights of a run exactly.")
    evaluate.add_argument("run", help="folder of the run")
    evaluate.add_argument("--split", choices=["train", "valid", "test"], default="test")
    evaluate.add_argument("--data-dir", help="where the files of the dataset lie now")

    analyze = add("analyze", "Write a page on what the layers of trained models do.")
    analyze.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs")
    analyze.add_argument("--out", required=True, help="HTML file to write")
    analyze.add_argument("--data-dir", help="where the files of the dataset lie now")
    analyze.add_argument(
        "--max-rows", type=int, default=10_000, help="rows that ranks are measured on"
    )
    analyze.add_argument(
        "--window", type=int, default=500, help="rows of a matrix of several rows (default: 500)"
    )

    predict = add("predict", "Add click probabilities to the rows of a file.")
    predict.add_argument("run", help="folder of the run")
    predict.add_argument("input", help="CSV or Parquet file")
    predict.add_argument("output", help="CSV or Parquet file")
    predict.add_argument("--batch-size", type=int, default=4096, help="rows at a time")

    _add_export(
        add("export", "Write a trained model as one artefact, from raw rows to probabilities.")
    )
    _add_serve(add("serve", "Answer requests over HTTP by an exported model."))
    return parser


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("run", help="folder of the run, or one that Predictor.save wrote")
    export.add_argument(
        "--format",
        choices=["onnx", "saved_model", "torch_export", "litert", "openvino"],
        default="onnx",
        help="of the artefact (default: onnx)",
    )
    export.add_argument("--output", required=True, help="folder to write")
    export.add_argument("--rows", type=int, default=512, help="raw rows to compare (default: 512)")
    export.add_argument(
        "--user",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="columns that are the same for all candidates of a user, read once (ONNX)",
    )
    export.add_argument(
        "--quantize", choices=["int8"], help="of the matrices (ONNX); needs --sample"
    )
    export.add_argument(
        "--embeddings",
        choices=["float32", "float16", "int8"],
        default="float32",
        help="how tables are stored (ONNX; default: float32)",
    )
    export.add_argument(
        "--sample", metavar="FILE", help="CSV or Parquet of rows with labels, to measure the AUC on"
    )


def _add_tune(tune: argparse.ArgumentParser) -> None:
    def add_numbers(name: str, text: str, default: tuple[int, ...] = ()) -> None:
        tune.add_argument(name, nargs="+", type=int, default=list(default), help=text)

    grids, methods = ["width", "depth", "joint", "criteo", "avazu"], ["random", "grid", "bayesian"]
    tune.add_argument("--config", help="YAML or JSON file of a run; other options override it")
    tune.add_argument("--models", nargs="+", help="models or presets; the first is the baseline")
    tune.add_argument("--space", help="YAML or JSON file: what to choose from (default: built in)")
    tune.add_argument("--method", choices=methods, default="random", help="(default: random)")
    tune.add_argument("--grid", choices=grids, help="a scaling grid instead of a search")
    add_numbers("--widths", "of a grid")
    add_numbers("--depths", "of a grid")
    tune.add_argument("--trials", type=int, help="of each model, at most (default: 20)")
    tune.add_argument("--seconds", type=float, help="stop after so long (default: never)")
    text = "trials=20, seconds=600, epochs=3: what --trials and the others say"
    tune.add_argument("--budget", nargs="+", default=[], metavar="KEY=NUMBER", help=text)
    add_numbers("--seeds", "of every trial (default: 0)", (0,))
    tune.add_argument("--seed", type=int, help="of the choice of trials (default: 0)")
    add_numbers("--final-seeds", "of the comparison (default: 1 2 3 4 5)", (1, 2, 3, 4, 5))
    text = "processes at once; 0 trains in this one (default: 1)"
    tune.add_argument("--workers", type=int, default=1, help=text)
    text = "CUDA_VISIBLE_DEVICES of each worker"
    tune.add_argument("--devices", nargs="+", default=[], help=text)
    add_numbers("--max-dense", "write the best trial of at most so many dense parameters, too")
    tune.add_argument("--retry-failed", action="store_true", help="try again what has failed")
    tune.add_argument("--dry-run", action="store_true", help="print trials and sizes alone")
    tune.add_argument("--name", help="of the folder of the search")
    _add_run_options(tune)


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("path", help="folder of an exported model of format onnx")
    serve.add_argument("--host", default="127.0.0.1", help="to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    serve.add_argument("--max-rows", type=int, default=10_000, help="of a request (default: 10000)")
    serve.add_argument(
        "--max-bytes", type=int, default=16 << 20, help="of a request (default: 16777216)"
    )
    serve.add_argument(
        "--timeout", type=float, default=10.0, help="seconds of a request (default: 10)"
    )
    serve.add_argument(
        "--threads", type=int, default=0, help="of one request (default: 0, all cores)"
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", help="see `keras-elastor list`")
    parser.add_argument("--data-dir", help="where the files of the dataset lie")
    parser.add_argument("--table", help="own CSV or Parquet file, instead of --dataset")
    parser.add_argument("--label", help="column of its label (default: label)")
    parser.add_argument("--recipe", help="what its columns become (default: inferred)")
    parser.add_argument(
        "--protocol", help="how to train, see `keras-elastor list` (default: fuxictr)"
    )
    parser.add_argument("--batch-size", type=int, help="rows per step (default: 4096)")
    parser.add_argument("--epochs", type=int, help="at most (default: 100)")
    parser.add_argument("--folder", help="holds the folders of runs (default: runs)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any key of the config, with dots, and a JSON value; may be repeated",
    )
