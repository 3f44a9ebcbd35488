"""Runs a grid of models, backends, tables, batches and peers for train.py and inference.py."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import measuring

PEER = Path(__file__).with_name("fuxictr_model.py")
MODELS = (
    "rank_elastor_criteo_dim20",
    "rank_mixer_criteo_dim20_base",
    "dnn",
    "dcn_v2",
    "autoint",
    "xdeepfm",
)
FORMAT = "{:>30} {:>10} {:>16} {:>14} {:>11} {:>6} {:>9} {:>9} {:>9} {:>8} {:>7} {:>6}"
COLUMNS = ("model", "by", "update", "dtype", "rows", "batch", "ms", "90 %", "cpu ms", "peak MB")


def main(
    kind: str, description: str, measure: Callable[..., dict[str, Any]], updates: tuple[str, ...]
) -> int:
    """Measure one task, or a process for each of the grid."""
    options = parse(description, updates, kind)
    if options.measure:
        print(json.dumps(measure(**json.loads(options.measure))))
        return 0
    models = options.models
    if models == ["all"]:
        # The backend plays no part in the list.
        import keras_elastor as ke

        models = ke.models.list_models()
    print(FORMAT.format(*COLUMNS, "of peak", "ratio"), flush=True)
    for model in models:
        for rows in options.rows:
            for batch_size in options.batch_sizes:
                candidates = list_candidates(options, kind, model, rows, batch_size)
                calls = [(key, call) for key, _, call in candidates]
                found = measuring.alternate(calls, options.rounds)
                peers = [found[key] for key, line, _ in candidates if line["by"] == "official"]
                for key, line, _ in candidates:
                    report(line, found[key], peers, options.results)
    return 0


def parse(description: str, updates: tuple[str, ...], kind: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    backends = measuring.PACKAGES
    parser.add_argument("--models", nargs="+", default=list(MODELS), help='names, presets or "all"')
    parser.add_argument("--backends", nargs="*", choices=backends, default=list(backends))
    sizes = [10_000, 2_000_000, 20_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="of all tables together")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--updates", nargs="+", choices=updates, default=list(updates[:2]))
    parser.add_argument("--dtypes", nargs="+", default=["float32", "mixed_bfloat16"])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each, in turns")
    parser.add_argument("--steps", type=int, default=10, help="of each process that are measured")
    parser.add_argument("--warm-up", type=int, default=4, help="steps before them")
    parser.add_argument("--allocator", choices=measuring.ALLOCATORS, default="keeping")
    parser.add_argument("--peer-python", type=Path, help="Python of FuxiCTR's environment")
    parser.add_argument("--fuxictr", type=Path, help="copy of FuxiCTR's repository, for its zoo")
    parser.add_argument("--official", type=Path, help="copy of RankElastor's official repository")
    results = measuring.RESULTS / f"{kind}.csv"
    parser.add_argument("--results", type=Path, default=results, help="CSV that is appended to")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args()


def list_candidates(
    options: argparse.Namespace, kind: str, model: str, rows: int, batch_size: int
) -> list[tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]]:
    """Name, description and call of everything that is measured in turns."""
    task = {"model": model, "rows": rows, "batch_size": batch_size}
    task |= {"steps": options.steps, "warm_up": options.warm_up}
    own = [sys.executable, sys.argv[0], "--measure"]
    found: list[tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]] = []

    def add(by: str, update: str, dtype: str, call: Callable[[], dict[str, Any]]) -> None:
        line = {"model": model, "by": by, "update": update, "dtype": dtype, "rows": rows}
        line |= {"batch_size": batch_size, "allocator": options.allocator}
        found.append((f"{by} {update} {dtype}", line, call))

    for backend in options.backends:
        for update in options.updates:
            for dtype in options.dtypes:
                more = task | {"update": update, "dtype": dtype}
                add(
                    backend,
                    update,
                    dtype,
                    partial(measuring.run, own, more, backend, options.allocator),
                )
    copy = peer_copy(model, options)
    if options.peer_python and copy:
        more = task | {"kind": kind, "official": str(options.official)}
        more |= {"fuxictr": str(options.fuxictr)}
        command = [options.peer_python, PEER]
        call = partial(measuring.run, command, more, "torch", options.allocator)
        add("official", "dense", "float32", call)
    return found


def peer_copy(model: str, options: argparse.Namespace) -> Path | None:
    """The copy of the repository that has a model, if there is one and it was given."""
    if model.startswith("rank_") and model in MODELS:
        return options.official
    return options.fuxictr if model in measuring.OPTIONS else None


def report(
    line: Mapping[str, Any],
    result: Mapping[str, Any],
    peers: list[dict[str, Any]],
    results: Path,
) -> None:
    """Print a line and append it to the results; an error is printed alone."""
    head = [line[name] for name in ("model", "by", "update", "dtype", "rows", "batch_size")]
    if "error" in result:
        print(*head, "failed:", result["error"], flush=True)
        return
    peer = peers[0].get("ms") if peers else None
    share = result.get("share_of_peak")
    figures = [f"{result[name]:.1f}" for name in ("ms", "ms_90", "cpu_ms")]
    last = ["" if share is None else f"{share:.0%}", f"{peer / result['ms']:.2f}" if peer else ""]
    print(FORMAT.format(*head, *figures, f"{result['peak_mb']:,.0f}", *last), flush=True)
    numbers = ("ms", "ms_90", "cpu_ms", "peak_mb", "gflop", "matmul_gflops", "share_of_peak")
    measuring.append(
        results,
        {
            **line,
            **{name: round(result[name], 3) if name in result else "" for name in numbers},
            "rows_per_second": round(1e3 * line["batch_size"] / result["ms"]),
        },
        result,
    )
