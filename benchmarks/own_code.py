"""What the package does by its own code although a library does it, beside that library.

KERAS_BACKEND=jax python benchmarks/own_code.py

Both sides give equal results, which is checked, on the same generated values. Seconds are those of
the processor (user + system, all threads), which do not depend on who else uses the machine; the
least of several passes counts. Prints a table and appends a line for each to results/own_code.csv.
"""

import csv
import io
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version  # noqa: TID251
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sklearn.metrics import roc_auc_score

import keras_elastor as ke
from keras_elastor.analysis.singular_values import relative_singular_values
from keras_elastor.data.reading import short_text
from keras_elastor.data.vocabularies.encoding import add_up
from keras_elastor.data.vocabularies.vocabulary import pad_lists

RESULTS = Path(__file__).parents[1] / "results" / "own_code.csv"
PASSES = 5
ROWS = 500_000
COLUMNS = 10
KNOWN = 2_000_000

Side = Callable[[], Any]
Comparison = tuple[str, Side, Side, Callable[[Any, Any], bool]]


def hexadecimal(numbers: np.ndarray) -> pl.Series:
    """Text of eight letters for each number, as the categories of Criteo."""
    hashed = numbers.astype(np.uint64) * np.uint64(2654435761) % np.uint64(1 << 32)
    digits = np.array([f"{byte:02x}" for byte in range(256)], "S2")
    return pl.Series(digits[hashed.astype(">u4").view(np.uint8)].view("S8")).cast(pl.String)


def reading(rng: np.random.Generator) -> Comparison:
    """Fields of lines into dictionaries."""
    names = [f"C{i}" for i in range(COLUMNS)]
    sizes = np.geomspace(10, KNOWN, COLUMNS).astype(int)
    columns = [hexadecimal(rng.integers(1, size, ROWS)) for size in sizes]
    buffer = io.BytesIO()
    pl.DataFrame(dict(zip(names, columns, strict=True))).write_csv(buffer, include_header=False)
    data = buffer.getvalue()

    def library() -> list[Any]:
        table = pa.csv.read_csv(
            pa.py_buffer(data),
            pa.csv.ReadOptions(use_threads=False, column_names=names),
            pa.csv.ParseOptions(quote_char=False),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False),
        )
        return [table[name].dictionary_encode().combine_chunks() for name in names]

    def own() -> list[Any]:
        keys, _ = short_text.read_keys(data, COLUMNS, ",")
        return [short_text.to_dictionary(column) for column in keys]

    def equal(one: list[Any], other: list[Any]) -> bool:
        pairs = zip(one, other, strict=True)
        return all(a.cast(pa.string()).equals(b.cast(pa.string())) for a, b in pairs)

    return "short_text: fields of lines (pyarrow.csv)", library, own, equal


def finding(rng: np.random.Generator, by_join: bool) -> Comparison:
    """Ids of values among many known ones, asked again and again."""
    known = hexadecimal(np.arange(1, KNOWN)).alias("value")
    values = known.gather(rng.integers(0, len(known), ROWS))
    vocabulary, arrow = ke.data.Vocabulary(tuple(known)), known.to_arrow()
    places = known.to_frame().with_row_index("place", offset=1)
    # Makes the index, which is made once.
    vocabulary.encode(values)

    def index_in() -> np.ndarray:
        return pc.index_in(values.to_arrow(), arrow).to_numpy() + 1

    def join() -> np.ndarray:
        joined = values.to_frame().join(places, "value", "left", maintain_order="left")
        return joined["place"].to_numpy()

    library = "polars.join" if by_join else "pyarrow.index_in"
    return (
        f"ValueIndex: ids of values ({library})",
        join if by_join else index_in,
        lambda: vocabulary.encode(values),
        np.array_equal,
    )


def counting(rng: np.random.Generator, short: bool) -> Comparison:
    """Counts of parts of the rows, added up by value."""
    parts = []
    for _ in range(8):
        values = hexadecimal(np.unique(rng.integers(1, KNOWN, ROWS // 2)))
        values = values if short else values + "-long"
        counts = pl.Series(rng.integers(1, 9, len(values)))
        parts.append(pl.DataFrame({"value": values, "count": counts}))
    keyed = [short_text.with_keys(part) for part in parts]

    def library() -> Any:
        return pl.concat(parts).group_by("value").agg(pl.col("count").sum())

    def equal(one: Any, other: Any) -> bool:
        frames = (one.sort("value"), short_text.with_text(other).sort("value"))
        return bool(frames[0].equals(frames[1]))

    kind = "short_text" if short else "longer text"
    return f"add_up: counts of {kind} (polars.group_by)", library, lambda: add_up(keyed), equal


def padding(rng: np.random.Generator) -> Comparison:
    """Lists, cut and padded to one length."""
    lengths = rng.integers(0, 60, ROWS // 5)
    ids = rng.integers(1, 1000, lengths.sum()).astype(np.int32)
    lists = np.split(ids, np.cumsum(lengths)[:-1])
    return (
        "pad_lists (keras.utils.pad_sequences)",
        lambda: keras.utils.pad_sequences(lists, 50, padding="post", truncating="pre"),
        lambda: pad_lists(ids, lengths, 50, "post", "pre"),
        np.array_equal,
    )


def area(rng: np.random.Generator) -> Comparison:
    """Area under the ROC curve of many rows."""
    labels = (rng.random(2 * ROWS) < 0.1).astype(np.float32)
    scores = rng.normal(labels).astype(np.float32)
    return (
        "exact_auc (scikit-learn)",
        lambda: roc_auc_score(labels, scores),
        lambda: ke.metrics.exact_auc(labels, scores),
        lambda one, other: abs(one - other) < 1e-12,
    )


def singular_values(rng: np.random.Generator) -> Comparison:
    """Sums of the singular values of windows of rows."""
    matrices = rng.normal(size=(ROWS // 500 // 64 + 1, 500, 64))
    scales = np.abs(matrices).max(axis=(-2, -1))[:, None]
    return (
        "relative_singular_values (numpy.linalg.svd)",
        lambda: np.linalg.svd(matrices / scales[..., None], compute_uv=False).sum(-1),
        lambda: relative_singular_values(matrices).sum(-1),
        lambda one, other: np.allclose(one, other, rtol=1e-6),
    )


def writing(rng: np.random.Generator) -> Comparison:
    """A vocabulary as JSON with a value per line."""
    vocabulary = ke.data.Vocabulary(tuple(hexadecimal(rng.permutation(KNOWN // 2))))
    folder = Path(tempfile.mkdtemp())

    def library() -> str:
        config = vocabulary.get_config()
        text = json.dumps(config, separators=(",\n", ": "), ensure_ascii=False)
        (folder / "library.json").write_text(f"{text}\n", encoding="utf-8")
        return text

    def own() -> str:
        vocabulary.save(folder / "own.json")
        return "own.json"

    def equal(one: str, other: str) -> bool:
        is_equal = (folder / other).read_text(encoding="utf-8") == f"{one}\n"
        shutil.rmtree(folder)
        return is_equal

    return "Vocabulary.save (json.dumps)", library, own, equal


def measure(side: Side) -> tuple[float, Any]:
    """Seconds of the fastest pass, and what it gives."""
    seconds, result = [], None
    for _ in range(PASSES):
        start = time.process_time()
        result = side()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def main() -> None:
    comparisons = (
        reading,
        lambda rng: finding(rng, by_join=False),
        lambda rng: finding(rng, by_join=True),
        lambda rng: counting(rng, short=True),
        lambda rng: counting(rng, short=False),
        padding,
        writing,
        area,
        singular_values,
    )
    lines = []
    for make in comparisons:
        name, library, own, equal = make(np.random.default_rng(0))
        (slow, expected), (fast, received) = measure(library), measure(own)
        if not equal(expected, received):
            raise ValueError(f"{name}: expected equal results of both")
        print(f"{name:55} {slow:8.3f} s {fast:8.3f} s {slow / fast:6.1f}-fold", flush=True)
        lines.append(
            {
                "date": time.strftime("%Y-%m-%d"),
                "what": name,
                "library_seconds": round(slow, 4),
                "own_seconds": round(fast, 4),
                "machine": platform.machine(),
                "cores": os.cpu_count(),
                **{package: version(package) for package in ("numpy", "polars", "pyarrow")},
            }
        )
    is_new = not RESULTS.is_file()
    with open(RESULTS, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
