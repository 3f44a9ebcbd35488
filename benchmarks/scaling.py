"""The time of a training step as the tables grow, by rows and dense, on every backend.

python benchmarks/scaling.py
python benchmarks/scaling.py --backends jax --rows 10000 20000000 --updates lazy_adam --batch-sizes 4096

A DNN 400-400-400 on rows of Criteo's shape (13 numbers, 26 ids, embeddings of 20) is trained by plain
`fit`: "dense" as FuxiCTR does (Adam on whole tables, clip norm 10, L2 of 1e-5), "lazy_adam" and
"row_wise_adagrad" alike but with tables by rows. Each line has a process of its own. Prints a table
and appends a line per measurement to results/scaling.csv, with the machine and the versions.

Allocators matter: the lines of one table should have been made under the same environment.
"""  # noqa: E501 - commands do not break

import argparse
import json
import sys
from pathlib import Path

import measuring

RESULTS = measuring.RESULTS / "scaling.csv"
UPDATES = ("lazy_adam", "row_wise_adagrad", "dense")
PACKAGES = measuring.PACKAGES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    sizes = [10_000, 2_000_000, 8_000_000, 20_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="of all tables together")
    parser.add_argument("--updates", nargs="+", choices=UPDATES, default=list(UPDATES))
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[4096, 1024])
    parser.add_argument("--steps", type=int, default=30, help="that are measured")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before them")
    parser.add_argument("--results", type=Path, default=RESULTS, help="CSV that is appended to")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(**json.loads(options.measure))))
        return 0
    columns = ("backend", "update", "rows", "batch", "ms", "90 %", "cpu ms", "peak MB", "table MB")
    print(("{:>11} {:>17} {:>11}" + " {:>8}" * 6).format(*columns))
    for batch_size in options.batch_sizes:
        for backend in options.backends:
            for update in options.updates:
                for rows in options.rows:
                    task = {"update": update, "rows": rows, "batch_size": batch_size}
                    task |= {"steps": options.steps, "warm_up": options.warm_up}
                    command = [sys.executable, __file__, "--measure"]
                    result = measuring.run(command, task, backend)
                    report(backend, task, result, options.results)
    return 0


def measure(
    update: str, rows: int, batch_size: int, steps: int, warm_up: int
) -> dict[str, float | str]:
    """Milliseconds of a step of `fit`, and the peak memory of the process."""
    model = measuring.make_model("dnn", rows)
    measuring.compile_model(model, update)
    return {
        **measuring.train(model, rows, batch_size, steps, warm_up),
        "table_mb": 4e-6 * sum(model.schema.table_sizes.values()) * measuring.DIM,
        **measuring.versions(),
    }


def report(backend: str, task: dict, result: dict, results: Path) -> None:
    if "error" in result:
        print(backend, task, "failed:", result["error"], flush=True)
        return
    print(
        f"{backend:>11} {task['update']:>17} {task['rows']:11,} {task['batch_size']:8,} "
        f"{result['ms']:8.1f} {result['ms_90']:8.1f} {result['cpu_ms']:8.1f} "
        f"{result['peak_mb']:8,.0f} {result['table_mb']:8,.0f}",
        flush=True,
    )
    numbers = ("ms", "ms_90", "cpu_ms", "peak_mb", "table_mb")
    figures = {name: round(result[name], 1) for name in numbers}
    measuring.append(results, {"backend": backend, **task, **figures}, result)


if __name__ == "__main__":
    sys.exit(main())
