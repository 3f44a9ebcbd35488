import contextlib
import hashlib  # noqa: TID251
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from keras_elastor.data.vocabularies.encoder_files import load_encoder
from tests.assertions import raises_value_error
from tests.data.raw_files import RECIPE, make_rows, read, write_csv

pytestmark = pytest.mark.backend_free

TRAIN, TEST = make_rows(3000), make_rows(700, seed=1)
SMALL_SEGMENTS = 10_000
WORKERS = 5


def prepare(folder, files=None, recipe=RECIPE, out="out", **options):
    if files is None:
        files = {
            "train": write_csv(folder / "train.csv", TRAIN),
            "test": write_csv(folder / "test.csv", TEST),
        }
    options = {"segment_bytes": SMALL_SEGMENTS, "progress": False, **options}
    return ke.data.prepare(files, recipe, folder / out, **options)


def contents(folder):
    """Every file below a folder with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def known_by_hand(values, min_count):
    """The known values of a column in the order of their ids, by the rules of FuxiCTR."""
    counts = Counter(values)
    return sorted((v for v in counts if counts[v] >= min_count), key=lambda v: (-counts[v], v))


def test_rows_come_back_as_a_slow_reading_by_hand_has_them(tmp_path):
    prepare(tmp_path)
    known = known_by_hand(TRAIN["item"], 2)
    words = [word for history in TRAIN["history"] for word in history.split("^") if word]
    # The history's own words follow those of the item, by their counts in the history.
    known += [word for word in known_by_hand(words, 1) if word not in known]
    features, labels, weights = read(ke.data.load(tmp_path / "out", "test", 128, with_group=True))
    unknown = len(known) + 1
    assert features["item"].tolist() == [
        known.index(item) + 1 if item in known else unknown for item in TEST["item"]
    ]
    for row, history in zip(features["history"], TEST["history"], strict=True):
        kept = [word for word in history.split("^") if word][-3:]
        ids = [known.index(word) + 1 if word in known else unknown for word in kept]
        assert row.tolist() == [0] * (3 - len(ids)) + ids
    prices = [float(price or 0) for price in TEST["price"]]
    np.testing.assert_array_equal(features["price"], np.array(prices, "float32"))
    assert features["user_group"].tolist() == TEST["user"].cast(pl.Int64).to_list()
    assert labels.tolist() == TEST["click"].cast(pl.Int64).to_list()
    assert set(weights.tolist()) == {0.5}
    assert {name: array.dtype.name for name, array in features.items()} == {
        **dict.fromkeys(("user", "item", "history", "user_group"), "int32"),
        "price": "float32",
    }


def test_the_manifest_says_what_was_made_of_what(tmp_path):
    manifest = prepare(tmp_path)
    assert ke.data.Manifest.load(tmp_path / "out") == manifest
    train = manifest.splits["train"]
    assert train.rows == 3000
    assert len(train.shards) == math.ceil(train.sources[0].num_bytes / SMALL_SEGMENTS)
    data = (tmp_path / "train.csv").read_bytes()
    assert train.sources[0].num_bytes == len(data)
    assert train.sources[0].sha256 == hashlib.sha256(data).hexdigest()
    assert train.label_rates == (TRAIN["click"].cast(pl.Int64).mean(),)
    assert manifest.recipe == RECIPE
    config = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert config["splits"]["test"]["rows"] == 700
    assert config["vocabulary_sizes"] == manifest.schema.table_sizes
    assert config["layout"]["integers"]["history"] == [2, 5]
    assert config["versions"]["keras-elastor"] == ke.__version__
    assert ke.data.validate(ke.data.load(tmp_path / "out", "test", 64), manifest.schema) == 700


def test_every_form_of_file_gives_the_same_rows(tmp_path):
    typed = TRAIN.with_columns(
        pl.col("click", "user").cast(pl.Int64),
        pl.col("weight").cast(pl.Float64),
        pl.col("price").replace("", None).cast(pl.Float64),
        pl.col("history").str.split("^").list.eval(pl.element().filter(pl.element() != "")),
    )
    typed.write_parquet(tmp_path / "train.parquet", row_group_size=500)
    no_header = ke.data.Recipe.from_config(
        {**RECIPE.get_config(), "separator": "\t", "file_columns": TRAIN.columns}
    )
    crlf = tmp_path / "crlf.csv"
    crlf.write_bytes(write_csv(tmp_path / "a.csv", TRAIN).read_bytes().replace(b"\n", b"\r\n"))
    bom = tmp_path / "bom.csv"
    bom.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes())
    half = [
        write_csv(tmp_path / "1.csv", TRAIN[:1300]),
        write_csv(tmp_path / "2.csv.gz", TRAIN[1300:]),
    ]
    forms = {
        "csv": (tmp_path / "a.csv", RECIPE),
        "gzip": (write_csv(tmp_path / "a.csv.gz", TRAIN), RECIPE),
        "crlf": (crlf, RECIPE),
        "bom": (bom, RECIPE),
        "parquet": (tmp_path / "train.parquet", RECIPE),
        "tsv": (write_csv(tmp_path / "a.tsv", TRAIN, "\t", header=False), no_header),
        "two": (half, RECIPE),
    }
    expected = None
    for name, (files, recipe) in forms.items():
        prepare(tmp_path, {"train": files}, recipe, out=name)
        features, labels, _ = read(ke.data.load(tmp_path / name, "train", 1000))
        rows = np.column_stack([*features.values(), labels])
        assert load_encoder(tmp_path / name).vocabularies == (
            load_encoder(tmp_path / "csv").vocabularies
        )
        expected = rows if expected is None else expected
        np.testing.assert_array_equal(rows, expected, err_msg=name)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_killed_at_any_point_it_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch, suffix):
    module = sys.modules["keras_elastor.data.prepared.two_passes"]
    path = tmp_path / f"train.{suffix}"
    if suffix == "parquet":
        TRAIN.write_parquet(path)
    else:
        write_csv(path, TRAIN)
    files = {"train": path, "test": write_csv(tmp_path / "test.csv", TEST)}
    prepare(tmp_path, files, out="undisturbed")

    class Killed(BaseException):
        pass

    steps = (
        "save_rows",
        "write_blocks",
        "write_text",
        "save_encoder",
        "write_tfds_metadata",
    )
    originals = {name: getattr(module, name) for name in steps}
    countdown, written = [0], {"save_rows": [], "write_blocks": []}

    def killing(name):
        def step(*arguments):
            countdown[0] -= 1
            if countdown[0] == 0:
                raise Killed
            if name in ("save_rows", "write_blocks"):
                written[name].append(arguments[0].name)
            return originals[name](*arguments)

        return step

    for name in steps:
        monkeypatch.setattr(module, name, killing(name))
    kills = 0
    for after in itertools.cycle((1, 3, 2, 5)):
        countdown[0] = after
        try:
            manifest = prepare(tmp_path, files)
            break
        except Killed:
            kills += 1
        assert not (tmp_path / "out" / "manifest.json").is_file()
        with pytest.raises(FileNotFoundError, match="interrupted"):
            ke.data.load(tmp_path / "out", "train", 10)
    assert kills > 5
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    # Only what was being written when the run was killed is written again.
    total = sum(len(split.shards) for split in manifest.splits.values())
    assert all(total <= len(names) <= total + kills * WORKERS for names in written.values())


PREPARE = """
import sys
import keras_elastor as ke
recipe = ke.data.Recipe.from_json(open(sys.argv[1]).read())
ke.data.prepare({"train": sys.argv[2]}, recipe, sys.argv[3], segment_bytes=5000, progress=False)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_half_done(tmp_path):
    rows = pl.concat([TRAIN] * 10)
    (tmp_path / "recipe.json").write_text(RECIPE.to_json())
    path = write_csv(tmp_path / "train.csv", rows)

    def start(out):
        arguments = [tmp_path / "recipe.json", path, tmp_path / out]
        return subprocess.Popen([sys.executable, "-c", PREPARE, *map(str, arguments)])

    assert start("undisturbed").wait(300) == 0
    for pattern, number in (("rows", 1), ("rows", 40), ("json", 1), ("json", 30), ("json", 100)):
        process = start("out")
        while len(list((tmp_path / "out" / ".unfinished").glob(f"train-*.{pattern}"))) < number:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert start("out").wait(300) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


class Stopped(BaseException):
    pass


def run_until(monkeypatch, step, number, *arguments):
    """Prepare, but stop before a step is done for so many times; return how often it was done."""
    module = sys.modules["keras_elastor.data.prepared.two_passes"]
    original, done = getattr(module, step), []

    def stopping(*values):
        if len(done) == number:
            raise Stopped
        done.append(values)
        return original(*values)

    monkeypatch.setattr(module, step, stopping)
    with contextlib.suppress(Stopped):
        prepare(*arguments)
    monkeypatch.setattr(module, step, original)
    return len(done)


def test_an_unfinished_run_goes_on_only_with_the_same_files(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "train.csv", TRAIN)
    files = {"train": path}
    prepare(tmp_path, files, out="undisturbed")
    num_shards = len(ke.data.Manifest.load(tmp_path / "undisturbed").splits["train"].shards)
    data = path.read_bytes()

    def write(content):
        path.write_bytes(content)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    # In the first pass nobody may have written a file.
    assert run_until(monkeypatch, "save_rows", 3, tmp_path, files) == 3
    assert run_until(monkeypatch, "save_rows", 2, tmp_path, files) == 2
    write(data)
    assert run_until(monkeypatch, "save_rows", 99, tmp_path, files) == num_shards
    # Behind it, a file is the same if it holds the same.
    shutil.rmtree(tmp_path / "out")
    assert run_until(monkeypatch, "write_blocks", 2, tmp_path, files) == 2
    write(data)
    assert run_until(monkeypatch, "write_blocks", 3, tmp_path, files) == 3
    write(data.replace(b"i1", b"i2", 1))
    with pytest.raises(FileExistsError, match="sources"):
        prepare(tmp_path, files)
    write(data)
    prepare(tmp_path, files)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, monkeypatch):
    module = sys.modules["keras_elastor.data.prepared.two_passes"]
    original, path = module.save_rows, write_csv(tmp_path / "train.csv", TEST)

    def write(*arguments):
        original(*arguments)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))

    monkeypatch.setattr(module, "save_rows", write)
    with raises_value_error("train.csv", "written", "Call again"):
        prepare(tmp_path, {"train": path})
    monkeypatch.setattr(module, "save_rows", original)
    assert prepare(tmp_path, {"train": path}).splits["train"].rows == len(TEST)


def test_values_known_besides_those_of_the_training_rows(tmp_path):
    rows = TRAIN[:200].with_columns(item=pl.lit("b"), history=pl.lit("b^c"))
    files = {
        "train": write_csv(tmp_path / "a.csv", rows),
        "test": write_csv(
            tmp_path / "b.csv", rows[:3].with_columns(item=pl.Series(["z", "a", "x"]))
        ),
    }
    manifest = prepare(tmp_path, files, known_values={"item": ["z", "b", "a"]})
    # Old ids stay, new ones follow in the order of the values, unknown is last.
    assert load_encoder(tmp_path / "out").vocabularies["item"].values == ("b", "c", "a", "z")
    features, *_ = read(ke.data.load(tmp_path / "out", "test", 3))
    assert features["item"].tolist() == [4, 3, 5]
    assert manifest.options["known_values"]["item"]["values"] == 3
    assert prepare(tmp_path, files, known_values={"item": ["z", "b", "a"]}) == manifest
    with pytest.raises(FileExistsError, match="options"):
        prepare(tmp_path, files, known_values={"item": ["z"]})
    with raises_value_error("known_values", "user, item", "image"):
        prepare(tmp_path, files, known_values={"image": ["z"]})


def test_columns_without_any_value(tmp_path):
    rows = TRAIN.with_columns(item=pl.lit(""), history=pl.lit(""), price=pl.lit(""))
    # The item is known in the last segment only.
    rows = pl.concat([rows, TRAIN[:2].with_columns(history=pl.lit(""))])
    prepare(tmp_path, {"train": write_csv(tmp_path / "a.csv", rows)}, out="some")
    features, *_ = read(ke.data.load(tmp_path / "some", "train", 5000))
    known = load_encoder(tmp_path / "some").vocabularies["item"].size - 2
    assert set(features["item"][:3000]) == {known + 1}
    assert not features["history"].any()
    assert not features["price"][:3000].any()
    prepare(tmp_path, {"train": write_csv(tmp_path / "b.csv", rows[:3000])}, out="none")
    features, *_ = read(ke.data.load(tmp_path / "none", "train", 5000))
    assert set(features["item"]) == {1}


def test_numbers_only_and_several_tasks(tmp_path):
    rows = TEST.select("price", "click", like=pl.lit("1"))
    recipe = ke.data.Recipe([ke.data.NumericColumn("price")], label=("click", "like"))
    manifest = prepare(tmp_path, {"train": write_csv(tmp_path / "a.csv", rows)}, recipe)
    assert manifest.splits["train"].label_rates[1] == 1.0
    features, labels = read(ke.data.load(tmp_path / "out", "train", 100))
    assert list(features) == ["price"]
    assert labels[:, 0].tolist() == TEST["click"].cast(pl.Int64).to_list()
    assert labels[:, 1].tolist() == [1.0] * 700
    mixed = ke.data.load(tmp_path / "out", "train", 100, shuffle=True, seed=0)
    assert ke.data.validate(mixed, manifest.schema) == 700


def test_called_again_it_does_nothing(tmp_path, monkeypatch):
    manifest = prepare(tmp_path)
    before = contents(tmp_path / "out")
    module = sys.modules["keras_elastor.data.prepared.two_passes"]
    monkeypatch.setattr(module, "read_segments", None)
    assert prepare(tmp_path) == manifest
    assert contents(tmp_path / "out") == before


def test_other_data_or_another_recipe_is_not_mixed_in(tmp_path):
    prepare(tmp_path)
    before = contents(tmp_path / "out")
    other = ke.data.Recipe.from_config({**RECIPE.get_config(), "weight": None})
    with pytest.raises(FileExistsError, match="recipe"):
        prepare(tmp_path, recipe=other)
    with pytest.raises(FileExistsError, match="options"):
        prepare(tmp_path, on_error="skip")
    with pytest.raises(FileExistsError, match="sources"):
        prepare(tmp_path, {"train": write_csv(tmp_path / "b.csv", TEST)})
    assert contents(tmp_path / "out") == before


def test_tensorflow_datasets_reads_it(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    manifest = prepare(tmp_path)
    builder = tfds.builder_from_directory(tmp_path / "out")
    assert set(builder.info.splits) == {"train", "test"}
    blocks = list(tfds.as_numpy(builder.as_dataset(split="train", shuffle_files=False)))
    assert len(blocks) == builder.info.splits["train"].num_examples
    integers = np.concatenate([block["integers"] for block in blocks])
    first, last = manifest.layout.describe()["integers"]["history"]
    features, _, _ = read(ke.data.load(tmp_path / "out", "train", 500))
    np.testing.assert_array_equal(integers[:, first:last], features["history"])


def test_a_progress_bar_shows_rows_per_second(tmp_path, capsys):
    prepare(tmp_path, progress=True)
    shown = capsys.readouterr().err
    for words in ("train: reading", "test: reading", "train: writing", "test: writing"):
        assert f"{words}: 100%" in shown
    assert "3,000 rows" in shown
    assert "rows/s" in shown


def test_saved_vocabularies_encode_without_the_raw_files(tmp_path):
    prepare(tmp_path)
    (tmp_path / "train.csv").unlink()
    encoder = load_encoder(tmp_path / "out")
    assert list(encoder.vocabularies) == ["user", "item"]
    text = (tmp_path / "out" / "vocabularies" / "001_item.json").read_text()
    assert text.splitlines()[0] == f'{{"values": ["{encoder.vocabularies["item"].values[0]}",'


def test_wrong_use_is_named(tmp_path):
    with raises_value_error("'train'", "dict"):
        prepare(tmp_path, "train.csv")
    with raises_value_error("'train'"):
        prepare(tmp_path, {"test": "test.csv"})
    with raises_value_error("'a/b'"):
        prepare(tmp_path, {"train": write_csv(tmp_path / "a.csv", TEST), "a/b": "b.csv"})
    with raises_value_error("on_error", "'ignore'"):
        prepare(tmp_path, on_error="ignore")
    for segment_bytes in (0, 2**31):
        with raises_value_error("segment_bytes", segment_bytes):
            prepare(tmp_path, segment_bytes=segment_bytes)
    path = write_csv(tmp_path / "a.csv", TEST)
    with raises_value_error("once", "a.csv"):
        prepare(tmp_path, {"train": [path, path]})
    with pytest.raises(FileNotFoundError, match=r"none\.csv.*'train'"):
        prepare(tmp_path, {"train": tmp_path / "none.csv"})
    with raises_value_error("'n'", "FLOOP"):
        prepare(tmp_path, recipe=ke.data.Recipe([ke.data.NumericColumn("n", expression="FLOOP(")]))


def test_empty_labels_of_an_optional_task_are_missing(tmp_path):
    lines = ["price,click,like", "1,1,1", "2,0,", "3,1,0", "4,0,"]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    labels = ("click", ke.Label("like", optional=True))
    recipe = ke.data.Recipe([ke.data.NumericColumn("price")], label=labels)
    files = {"train": tmp_path / "train.csv"}
    manifest = prepare(tmp_path, files, recipe)
    # One of the two rows that have it.
    assert manifest.splits["train"].label_rates == (0.5, 0.5)
    assert ke.data.Recipe.from_json(recipe.to_json()) == recipe
    _, prepared = read(ke.data.load(tmp_path / "out", "train", 100))
    np.testing.assert_array_equal(prepared, [[1, 1], [0, np.nan], [1, 0], [0, np.nan]])
    with raises_value_error("line 3", "like", "a label of 0 or 1"):
        prepare(tmp_path, files, ke.data.Recipe(recipe.columns, label="like"), out="strict")
