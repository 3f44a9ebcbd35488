"""Effective rank through the layers of trained models, and whether it goes with AUC.

KERAS_BACKEND=torch python benchmarks/effective_rank.py --data-dir KuaiRand-Pure --folder runs

DCNv2, xDeepFM, RankMixer and RankElastor, each with two crossings or blocks, are trained on
KuaiRand-Pure and on synthetic impressions at one budget, with several seeds. The token models have
the same tokenizer and the same square tokens. Each run is one of `ke.runs.run` in --folder with
the key `analysis`, so that the script goes on where it was stopped; its seeds come one after the
other. Into --results go `scores.csv` (a line per run) and `ranks.csv` (a line per run, moment,
stage, kind and view; "start" is before the first step, "best" at the weights of the best
validation AUC, both on the same 2,000 validation rows). Without --data-dir it is synthetic
impressions alone.
"""

import argparse
import csv
import os
import pathlib
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_elastor as ke
from keras_elastor.analysis.run_ranks import read_lines, sample_rows

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "effective_rank"
EMBEDDING_DIM = 10
BLOCKS = 2
# Square tokens, as RankMixer's mixing wants; so many that whole embeddings fill them.
TOKENS = {"kuairand_pure": 19, "synthetic": 16}
SYNTHETIC = {
    **{"train_rows": 100_000, "valid_rows": 25_000, "test_rows": 25_000},
    **{"num_categorical": 12, "num_numeric": 4, "seed": 0},
}
ANALYSIS = {"kinds": ["stable", "entropy"], "views": ["tokens", "batch"], "rows": 2000}


def model_arguments(name: str, tokens: int) -> dict[str, Any]:
    if name in ("rank_mixer", "rank_elastor"):
        tokenizer = ke.layers.SliceTokenizer(tokens, tokens)
        layer = keras.saving.serialize_keras_object(tokenizer)
        return {"tokenizer": layer, "num_blocks": BLOCKS}
    if name == "dcn_v2":
        return {"num_cross_layers": BLOCKS, "parallel_units": [400, 400]}
    return {"cin_units": [16] * BLOCKS, "hidden_units": [400, 400]}


MODELS = ("dcn_v2", "xdeepfm", "rank_mixer", "rank_elastor")


def make_config(
    dataset: str, arguments: dict[str, Any], name: str, seed: int, folder: str, epochs: int
) -> ke.runs.RunConfig:
    return ke.runs.RunConfig.from_dict(
        {
            "dataset": {"name": dataset, "arguments": arguments},
            "model": {
                "name": name,
                "arguments": {
                    "embedding_dim": EMBEDDING_DIM,
                    **model_arguments(name, TOKENS[dataset]),
                },
            },
            "protocol": {"learning_rate": 1e-3, "embedding_l2_lambda": 1e-5, "patience": 1},
            "batch_size": 2048,
            "epochs": epochs,
            "seed": seed,
            "folder": folder,
            "analysis": ANALYSIS,
        }
    )


def measure(config: ke.runs.RunConfig, data: ke.runs.Data) -> tuple[dict[str, Any], list[Any]]:
    """The line of a run for `scores.csv` and its lines for `ranks.csv`."""
    result = ke.runs.run(config, data)
    names = {
        "dataset": config.dataset.name,
        "model": ke.models.registry.find_model(config.model.name).model.__name__,
        "seed": config.seed,
    }
    analysis = config.analysis
    batches = data.valid.dataset(config.batch_size)
    rows = sample_rows(batches, data.schema, len(data.valid), analysis.rows, analysis.seed)
    model = ke.runs.load_model(result.folder)
    best = ke.analysis.layer_ranks(model, rows, None, analysis.kinds, analysis.views)
    start = [line for line in read_lines(result.folder / "ranks.jsonl") if line["step"] == 0]
    lines = [{**names, "moment": "start", **line} for line in start]
    lines += [{**names, "moment": "best", **line} for line in best.to_dict("records")]
    for line in lines:
        for unused in ("step", "epoch"):
            line.pop(unused, None)
    scores = {
        **names,
        "backend": keras.backend.backend(),
        "dense_parameters": result.parameters["dense"],
        "steps": result.steps,
        "best_step": result.best_step,
        "split": data.judged,
        **result.metrics[data.judged],
    }
    return scores, lines


def append(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(
            {k: round(v, 6) if isinstance(v, float) else v for k, v in line.items()}
            for line in lines
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--folder", required=True, help="holds the folders of the runs")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3, help="at most")
    options = parser.parse_args()
    datasets: dict[str, dict[str, Any]] = {"synthetic": SYNTHETIC}
    if options.data_dir:
        datasets = {"kuairand_pure": {"data_dir": options.data_dir}, **datasets}
    options.results.mkdir(parents=True, exist_ok=True)
    scores_path, ranks_path = options.results / "scores.csv", options.results / "ranks.csv"
    done = set()
    if scores_path.is_file():
        with scores_path.open(encoding="utf-8") as file:
            done = {(line["dataset"], line["model"], line["seed"]) for line in csv.DictReader(file)}
    loaded: dict[str, ke.runs.Data] = {}
    for seed in options.seeds:
        for dataset, arguments in datasets.items():
            for name in MODELS:
                config = make_config(dataset, arguments, name, seed, options.folder, options.epochs)
                model = ke.models.registry.find_model(name).model.__name__
                if (dataset, model, str(seed)) in done:
                    continue
                if dataset not in loaded:
                    loaded[dataset] = ke.runs.load_data(config)
                scores, lines = measure(config, loaded[dataset])
                append(ranks_path, lines)
                append(scores_path, [scores])
                print(scores, flush=True)
                keras.backend.clear_session()


if __name__ == "__main__":
    main()
