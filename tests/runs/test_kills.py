"""Runs in processes of their own that are killed, at random steps and while they write."""

import functools
import json
import os
import pathlib
import random
import subprocess
import sys

import keras
import pytest

import keras_elastor as ke
from tests.runs.runs import PROTOCOLS, assert_same, make_config, make_config_with_layers

ROOT = pathlib.Path(__file__).parents[2]
# SIGKILL itself at a given step, or within the n-th write to the disk.
VICTIM = """
import json, os, signal, sys
import keras_elastor as ke
from keras_elastor.runs.run_callback import RunCallback
from tests.plain_graphs import plain_graphs

config, place, number = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
steps, writes, batch_end, fsync = 0, 0, RunCallback.on_train_batch_end, os.fsync

def on_train_batch_end(self, batch, logs=None):
    global steps
    steps += 1
    if place == "before" and steps == number:
        os.kill(os.getpid(), signal.SIGKILL)
    batch_end(self, batch, logs)
    if place == "after" and steps == number:
        os.kill(os.getpid(), signal.SIGKILL)

def killing_fsync(descriptor):
    global writes
    writes += 1
    if place == "writing" and writes == number:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

RunCallback.on_train_batch_end = on_train_batch_end
os.fsync = killing_fsync
with plain_graphs():
    ke.runs.run(ke.runs.RunConfig.from_dict(config))
print("finished")
"""


def start_and_kill(config, place, number):
    """Run the config in a new process until it is killed.

    Returns:
        Whether it finished before.
    """
    result = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            VICTIM,
            json.dumps(config.to_dict()),
            place,
            str(number),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env=os.environ,
    )
    finished = result.stdout.strip().endswith("finished")
    assert finished or result.returncode == -9, result.stderr
    return finished


# A fresh process takes longest on JAX and TensorFlow; there, the slow test kills both.
KILLED = {"jax": ["keras"], "tensorflow": ["fuxictr"]}


@pytest.mark.parametrize("protocol", KILLED.get(keras.backend.backend(), sorted(PROTOCOLS)))
def test_a_killed_run_loses_nothing(protocol, finished_by, tmp_path):
    config = make_config(tmp_path, protocol=PROTOCOLS[protocol])
    assert not start_and_kill(config, "writing", 12)
    assert len(list(tmp_path.glob("*/checkpoints/step_*.npz"))) == 2
    assert_same(ke.runs.run(config), finished_by(protocol)[1])


@pytest.mark.slow
@pytest.mark.timeout(1800)  # Some thirty processes start, each in up to half a minute.
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_twenty_kills_lose_nothing(protocol, tmp_path):
    """Runs are killed again and again until twenty kills are counted; each run must end alike."""
    make = functools.partial(make_config_with_layers, protocol=PROTOCOLS[protocol])
    undisturbed = ke.runs.run(make(tmp_path / "undisturbed"))
    rng = random.Random(0)
    kills = 0
    while kills < 20:
        config = make(tmp_path / str(kills))
        finished = False
        while not finished and kills < 20:
            place = rng.choice(["before", "after", "writing"])
            number = rng.randint(1, 12 if place == "writing" else 9)
            finished = start_and_kill(config, place, number)
            kills += not finished
        assert_same(ke.runs.run(config), undisturbed)
