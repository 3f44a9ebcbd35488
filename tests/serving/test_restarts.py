"""What a server owes to those who ask while it ends and starts."""

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.serving.artefacts import weighted_artefact
from tests.serving.servers import predict
from tests.serving.test_bodies import ROWS, expected

pytestmark = [pytest.mark.backend_free, pytest.mark.slow]

SLOW_MODEL = """
import sys, time
from keras_elastor.serving import served_model
right = served_model.ServedModel.predict_rows
def slow(self, rows):
    time.sleep(1)
    return right(self, rows)
served_model.ServedModel.predict_rows = slow
import keras_elastor_command
sys.exit(keras_elastor_command.main(["serve", sys.argv[1], "--port", "0"]))
"""


def test_sigterm_answers_what_was_accepted():
    command = [sys.executable, "-c", SLOW_MODEL, str(weighted_artefact()[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline().split()[0].rpartition(":")[2])
            answers = []

            def one():
                answers.append(predict(port, ROWS[:1])[0])

            threads = [threading.Thread(target=one) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            assert answers == pytest.approx([expected(ROWS[:1])[0]] * 4, abs=1e-6)
            assert process.wait(20) == 0
            with pytest.raises(OSError):  # noqa: PT011 - whichever the system has
                socket.create_connection(("127.0.0.1", port), timeout=2)
        finally:
            process.kill()


@contextlib.contextmanager
def served(port):
    """The command on a port, or a free one, and its process."""
    command = [sys.executable, "-m", "keras_elastor_command", "serve", str(weighted_artefact()[1])]
    command += ["--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline().split()[0].rpartition(":")[2]), process
        finally:
            process.kill()


class Callers:
    """Threads that ask without a pause, each on a connection of its own, and note what they get."""

    def __init__(self, port, number=4):
        self.answered, self.errors, self.wrong = 0, [], []
        self._port, self._right = port, expected(ROWS[:1])[0]
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        while not self._stop.is_set():
            try:
                answer = predict(self._port, ROWS[:1])[0]
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.errors.append(error)
                time.sleep(0.01)
                continue
            except AssertionError as error:
                with self._lock:
                    self.wrong.append(error)
                continue
            with self._lock:
                self.answered += 1
                if abs(answer - self._right) > 1e-6:
                    self.wrong.append(answer)

    def wait_for(self, number):
        """Until so many more are answered."""
        goal, end = self.answered + number, time.monotonic() + 60
        while self.answered < goal:
            assert time.monotonic() < end, (self.answered, goal, self.errors[-3:])
            time.sleep(0.01)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_whoever_asks_while_a_server_is_replaced_has_an_answer_or_an_error(way):
    with served(0) as (port, first):
        callers = Callers(port)
        try:
            callers.wait_for(50)
            first.send_signal(way)
            first.wait(30)
            with served(port):
                callers.wait_for(50)
        finally:
            callers.stop()
    assert first.returncode == (0 if way == signal.SIGTERM else -way)
    assert not callers.wrong
    # Refused or cut off, at once: nobody waits in vain.
    assert callers.errors
    assert not [error for error in callers.errors if isinstance(error, TimeoutError)]
