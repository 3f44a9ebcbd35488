import csv
import functools
import json

import h5py
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.datasets.criteo import criteo_x4_recipe
from keras_elastor.datasets.registry import reader_of
from keras_elastor.datasets.rows import synthetic_rows
from tests.assertions import raises_value_error
from tests.data.raw_files import read

pytestmark = pytest.mark.backend_free

OTHERS = ("kuairand_pure", "prepared", "table", "synthetic")
NAMES = [name for name in ke.datasets.list_datasets() if name not in OTHERS]
FIELDS = {
    "criteo_x1": 39,
    "criteo_x4": 39,
    "avazu_x4": 24,
    "kuaivideo_x1": 7,
    "taobaoad_x1": 20,
    "movielens_latest": 3,
}


def test_published_numbers_of_fields_and_rows():
    assert {name: len(ke.datasets.get(name).recipe.columns) for name in NAMES} == FIELDS
    totals = {name: sum(ke.datasets.get(name).rows.values()) for name in NAMES}
    assert totals["criteo_x1"] == totals["criteo_x4"] == 45_840_617
    assert totals["avazu_x4"] == 40_428_967
    assert totals["taobaoad_x1"] == 25_029_426
    assert totals["movielens_latest"] == 2_006_859


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_whole(name):
    dataset = ke.datasets.get(name)
    assert set(dataset.files) == set(dataset.rows) == set(dataset.md5)
    assert all(len(md5) == 32 and int(md5, 16) for md5 in dataset.md5.values())
    assert "https://" in dataset.source
    assert dataset.citation
    assert ke.data.Recipe.from_json(dataset.recipe.to_json()) == dataset.recipe


@pytest.mark.parametrize("name", NAMES)
def test_generated_files_take_the_whole_path(name, tmp_path):
    files = ke.datasets.write_sample(name, tmp_path, rows=50)
    dataset = ke.datasets.get(name)
    assert {split: path.name for split, path in files.items()} == dataset.files
    manifest = ke.datasets.prepare(
        name, tmp_path, tmp_path / "out", check_md5=False, progress=False
    )
    assert {split: part.rows for split, part in manifest.splits.items()} == {
        split: 50 if split == "train" else 5 for split in dataset.files
    }
    for split in manifest.splits:
        dataset = ke.data.load(tmp_path / "out", split, 16)
        assert ke.data.validate(dataset, manifest.schema) == manifest.splits[split].rows


def test_samples_are_the_same_for_the_same_seed(tmp_path):
    one, two, other = (
        ke.datasets.write_sample("criteo_x4", tmp_path / str(i), 20, seed)["train"].read_bytes()
        for i, seed in enumerate((1, 1, 2))
    )
    assert one == two != other


def test_kaggles_own_file_of_criteo(tmp_path):
    files = ke.datasets.write_sample("criteo_x4", tmp_path, rows=30)
    with files["train"].open() as file:
        rows = list(csv.reader(file))[1:]
    (tmp_path / "train.txt").write_text("".join("\t".join(row) + "\n" for row in rows))
    kaggle = {"train": tmp_path / "train.txt"}
    ke.data.prepare(kaggle, criteo_x4_recipe(2, kaggle=True), tmp_path / "a", progress=False)
    published = {"train": files["train"]}
    ke.data.prepare(published, criteo_x4_recipe(2), tmp_path / "b", progress=False)
    one, two = (read(ke.data.load(tmp_path / name, "train", 30)) for name in "ab")
    np.testing.assert_array_equal(one[1], two[1])
    for name, values in one[0].items():
        np.testing.assert_array_equal(values, two[0][name])


def test_numbers_of_criteo_by_hand(tmp_path):
    header = ["Label", *(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
    values = ["", "0", "-2", "1", "2", "3", "100", "100", "3", "3"]
    rows = [["1", value, *[""] * 38] for value in values]
    text = "".join(",".join(row) + "\n" for row in [header, *rows])
    (tmp_path / "train.csv").write_text(text)
    files = {"train": tmp_path / "train.csv"}
    ke.data.prepare(files, criteo_x4_recipe(1), tmp_path / "out", progress=False)
    vocabulary = json.loads((tmp_path / "out" / "vocabularies" / "000_I1.json").read_text())
    # floor(ln(3)^2) = 1, floor(ln(100)^2) = 21; 1 occurs four times, 21 twice, -2 and 2 once.
    assert vocabulary["values"] == [1, 21, -2, 2]
    features, _ = read(ke.data.load(tmp_path / "out", "train", 10))
    assert features["I1"].tolist() == [5, 5, 3, 1, 4, 1, 2, 2, 1, 1]


def test_times_of_avazu_by_hand(tmp_path):
    files = ke.datasets.write_sample("avazu_x4", tmp_path, rows=1)
    header, row = (line.split(",") for line in files["train"].read_text().splitlines())
    # A Sunday, a Monday and a Saturday, each twice as min_count is 2.
    hours = ["14102605", "14102705", "14110123"]
    rows = [[*row[:2], hour, *row[3:]] for hour in hours for _ in range(2)]
    files["train"].write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    ke.datasets.prepare("avazu_x4", tmp_path, tmp_path / "out", check_md5=False, progress=False)
    features, _ = read(ke.data.load(tmp_path / "out", "train", 6))
    names = {}
    for path in (tmp_path / "out" / "vocabularies").iterdir():
        names[path.stem[4:]] = [None, *json.loads(path.read_text())["values"]]
    decoded = {
        name: [names[name][i] for i in features[name][::2]]
        for name in ("hour", "weekday", "weekend")
    }
    assert decoded == {"hour": [5, 5, 23], "weekday": [0, 1, 6], "weekend": [1, 0, 1]}


def test_videos_that_only_have_a_vector_are_known(tmp_path):
    ke.datasets.write_sample("kuaivideo_x1", tmp_path, rows=2)
    prepare = functools.partial(
        ke.datasets.prepare, "kuaivideo_x1", tmp_path, check_md5=False, progress=False
    )
    schema = prepare(tmp_path / "out").schema
    # 1,000 videos have a vector; the published table has 3,242,315 of them.
    assert schema["item_emb"].vocabulary_size == schema["pos_items_emb"].vocabulary_size == 1002
    assert schema["item_id"].vocabulary_size < 1002
    features, _ = read(ke.data.load(tmp_path / "out", "test", 8))
    assert features["item_emb"].min() > 0
    assert features["item_emb"].max() < 1001
    vectors = tmp_path / "item_visual_emb_dim64.h5"
    with h5py.File(vectors, "w") as file:
        file["value"] = np.zeros((3, 64))
    with raises_value_error("item_visual_emb_dim64.h5", "'key'"):
        prepare(tmp_path / "other")
    vectors.unlink()
    with pytest.raises(ke.datasets.DatasetNotFoundError, match=r"Missing: item_visual_emb_dim64"):
        prepare(tmp_path / "other")
    columns = ke.datasets.get("kuaivideo_x1").recipe.columns
    without = [column for column in columns if column.table_name != "item_emb"]
    prepare(tmp_path / "other", recipe=ke.data.Recipe(without, label="is_click", group="user_id"))


def test_other_files_than_the_published_ones_are_named(tmp_path):
    ke.datasets.write_sample("criteo_x1", tmp_path, rows=5)
    with raises_value_error("train.csv", "MD5", "30b89c1c7213013b92df52ec44f52dc5", "check_md5"):
        ke.datasets.prepare("criteo_x1", tmp_path, tmp_path / "out")


def test_missing_files_say_where_to_get_them(tmp_path):
    with pytest.raises(ke.datasets.DatasetNotFoundError, match="huggingface") as error:
        ke.datasets.prepare("taobaoad_x1", tmp_path, tmp_path / "out")
    assert "Missing: train.csv, test.csv" in str(error.value)


def test_wrong_use_is_named(tmp_path):
    with raises_value_error("'criteo'", "Did you mean 'criteo_x4'?"):
        ke.datasets.get("criteo")
    with raises_value_error("'criteo'", "criteo_x1"):
        ke.datasets.write_sample("criteo", tmp_path, 5)
    with raises_value_error("rows", "0"):
        ke.datasets.write_sample("criteo_x1", tmp_path, 0)


def test_all_names_are_known_everywhere():
    names = ke.datasets.list_datasets()
    assert {*NAMES, *OTHERS} == set(names)
    for name in names:
        assert ke.datasets.get(name).name == name
        assert callable(reader_of(name))
    with raises_value_error("'criteo_x11'", "Did you mean 'criteo_x1'?"):
        ke.datasets.get("criteo_x11")
    with raises_value_error("'zzz'", "Known are: criteo_x1"):
        ke.datasets.load("zzz", "train", 10)
    with raises_value_error("table", "ke.datasets.from_table"):
        ke.datasets.load("table", "train", 10)
    with raises_value_error("'synthetic'", "a run reads as it is"):
        ke.datasets.prepare("synthetic", ".", ".")


def test_load_takes_every_kind_of_name(tmp_path):
    name = "movielens_latest"
    ke.datasets.write_sample(name, tmp_path, rows=50)
    out = tmp_path / "out"
    ke.datasets.prepare(name, tmp_path, out, check_md5=False, progress=False)
    features, labels = read(ke.datasets.load("prepared", "train", 16, data_dir=out))
    expected, expected_labels = read(ke.data.load(out, "train", 16))
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(features["tag_id"], expected["tag_id"])
    _, labels = read(ke.datasets.load("synthetic", "test", 5000))
    np.testing.assert_array_equal(labels, synthetic_rows().test.labels)
    with raises_value_error("prepared", "data_dir"):
        ke.datasets.load("prepared", "train", 16)
    with raises_value_error("synthetic", "'tset'"):
        ke.datasets.load("synthetic", "tset", 16)


def test_a_run_takes_the_name_of_what_was_prepared(tmp_path):
    name = "movielens_latest"
    ke.datasets.write_sample(name, tmp_path, rows=50)
    ke.datasets.prepare(name, tmp_path, tmp_path / "out", check_md5=False, progress=False)
    ids = []
    for named in (name, "prepared"):
        dataset = {"name": named, "arguments": {"data_dir": str(tmp_path / "out")}}
        config = ke.runs.RunConfig.from_dict({"dataset": dataset, "model": {"name": "fm"}})
        data = ke.runs.load_data(config)
        assert (len(data.train), len(data.valid), data.preprocessor.recipe.label) == (
            50,
            5,
            "label",
        )
        ids.append(config.run_id)
    assert ids[0].startswith("fm_movielens_latest-")
