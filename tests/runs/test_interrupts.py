"""A Ctrl-C that Python ignores comes again."""

import gc
import signal
import sys
import time

import pytest

import keras_elastor_command
from keras_elastor import cli
from keras_elastor.runs.interrupts import Interrupts, keep_interrupts

pytestmark = pytest.mark.backend_free


def wait(seconds=3.0):
    """Python's own steps, between which a signal is handled."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture
def press_in_gc():
    """Ctrl-C while the garbage collector's callbacks run, as in those of JAX."""
    pressed = []

    def callback(phase, info):
        if phase == "start" and not pressed:
            pressed.append(phase)
            signal.raise_signal(signal.SIGINT)

    def press():
        gc.callbacks.append(callback)
        gc.collect()
        assert pressed

    yield press
    if callback in gc.callbacks:
        gc.callbacks.remove(callback)


def test_a_press_that_is_swallowed_comes_again(press_in_gc):
    hook = sys.unraisablehook
    went_on = []

    def press_and_go_on():
        with keep_interrupts():
            press_in_gc()
            went_on.append(True)
            wait()

    with pytest.raises(KeyboardInterrupt):
        press_and_go_on()
    assert went_on
    assert sys.unraisablehook is hook


def test_other_errors_that_python_ignores_are_still_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)

    class Bad:
        def __del__(self):
            raise ValueError("bad")

    with keep_interrupts():
        Bad()
        gc.collect()
    assert [problem.exc_type for problem in shown] == [ValueError]


def test_the_second_press_acts_at_once_even_if_it_is_swallowed(press_in_gc):
    def press_twice():
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            assert interrupts.wanted
            press_in_gc()
            wait()

    with pytest.raises(KeyboardInterrupt):
        press_twice()


def test_a_command_ends_by_a_swallowed_press(press_in_gc, monkeypatch, capsys):
    def command(options):
        press_in_gc()
        wait()

    monkeypatch.setitem(cli.COMMANDS, "evaluate", command)
    assert keras_elastor_command.main(["evaluate", "runs/a"]) == 130
    assert "stopped" in capsys.readouterr().err
