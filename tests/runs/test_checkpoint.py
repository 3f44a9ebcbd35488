import contextlib
import errno
import os
import types

import keras
import numpy as np
import pytest

from keras_elastor.runs.checkpoint import Checkpoints, variables_of
from keras_elastor.runs.errors import RunError
from keras_elastor.utils.files import DiskError
from tests.backends import numpy


def make_variables(seed=0):
    rng = np.random.default_rng(seed)
    return [
        keras.Variable(rng.normal(size=(30, 4)).astype("float32")),
        keras.Variable(np.array(seed, "int32"), dtype="int32", trainable=False),
        keras.Variable(rng.normal(size=3).astype("float32"), dtype="bfloat16"),
    ]


def values_of(variables):
    return [np.asarray(numpy(variable), "float64") for variable in variables]


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints")


def assert_loads(checkpoints, seed):
    loaded = make_variables(99)
    state = checkpoints.load(loaded)
    assert state == {"step": seed}
    for actual, expected in zip(values_of(loaded), values_of(make_variables(seed)), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_gives_back_what_was_saved(checkpoints):
    checkpoints.save(3, make_variables(3), {"step": 3})
    assert_loads(checkpoints, 3)


def test_keeps_the_last_two(checkpoints):
    for step in (5, 90, 100):
        checkpoints.save(step, make_variables(step), {"step": step})
    assert [path.name for path in checkpoints.paths()] == [
        "step_0000000100.npz",
        "step_0000000090.npz",
    ]
    assert_loads(checkpoints, 100)
    assert checkpoints.load(make_variables(), max_step=99) == {"step": 90}


def test_nothing_there(checkpoints):
    assert checkpoints.load(make_variables()) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_one_falls_back(checkpoints, share, caplog):
    for step in (1, 2):
        checkpoints.save(step, make_variables(step), {"step": step})
    path = checkpoints.paths()[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert_loads(checkpoints, 1)
    assert f"{path} is damaged" in caplog.text


def test_any_flipped_bit_falls_back_or_does_no_harm(checkpoints, caplog):
    for step in (1, 2):
        checkpoints.save(step, make_variables(step), {"step": step})
    path = checkpoints.paths()[0]
    content = bytearray(path.read_bytes())
    harmless = 0
    for position in np.random.default_rng(0).integers(0, len(content), 60):
        content[position] ^= 16
        path.write_bytes(content)
        content[position] ^= 16
        loaded = make_variables(99)
        step = checkpoints.load(loaded)["step"]
        harmless += step == 2
        for actual, expected in zip(
            values_of(loaded), values_of(make_variables(step)), strict=True
        ):
            np.testing.assert_array_equal(actual, expected)
    assert harmless < 50
    assert "is damaged" in caplog.text


def test_all_damaged_is_an_error(checkpoints):
    checkpoints.save(1, make_variables(), {})
    checkpoints.paths()[0].write_bytes(b"no zip")
    with pytest.raises(RunError, match=r"None of the checkpoints.*Delete the folder"):
        checkpoints.load(make_variables())


def test_another_model_is_an_error(checkpoints):
    checkpoints.save(1, make_variables(), {})
    with pytest.raises(RunError, match="another model: expected 2 variables, received 3"):
        checkpoints.load(make_variables()[:2])


def test_a_full_disk_leaves_the_one_before(checkpoints, monkeypatch):
    checkpoints.save(1, make_variables(1), {"step": 1})

    def no_space(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(
            DiskError, match=r"Cannot write .*step_0000000002\.npz: the disk is full"
        ):
            checkpoints.save(2, make_variables(2), {"step": 2})
    assert len(list(checkpoints.folder.iterdir())) == 1
    assert_loads(checkpoints, 1)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match=r"Cannot write .*file"):
        Checkpoints(tmp_path / "file").save(1, make_variables(), {})


def test_the_optimizer_is_built_inside_the_scope_of_the_strategy():
    places = ["outside"]

    @contextlib.contextmanager
    def scope():
        places.append("scope")
        yield
        places.append("outside")

    built = []
    optimizer = types.SimpleNamespace(
        built=False, variables=["step"], build=lambda variables: built.append(places[-1])
    )
    model = types.SimpleNamespace(
        optimizer=optimizer,
        distribute_strategy=types.SimpleNamespace(scope=scope),
        trainable_variables=["weight"],
        variables=["weight"],
        metrics_variables=["sum"],
    )
    assert variables_of(model) == ["weight", "step", "sum"]
    assert built == ["scope"]
