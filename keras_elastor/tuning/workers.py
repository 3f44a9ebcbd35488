"""Processes that do the jobs of a search, several at once."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_elastor.runs.errors import RunInterruptedError
from keras_elastor.tuning.execution import Execution, Job
from keras_elastor.tuning.worker import INTERRUPTED, main

_GRACE_SECONDS = 120.0


@dataclasses.dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    slot: int


class Workers:
    """At most so many processes at once, each with a device of its own where these are named.

    Args:
        count: Number of processes.
        devices: For each process a value of CUDA_VISIBLE_DEVICES. Default: empty, that of this
            process for all.
    """

    def __init__(self, count: int, devices: Sequence[str] = ()) -> None:
        self._devices = list(devices)
        self._free = list(range(count))
        self._running: list[_Running] = []

    @property
    def is_free(self) -> bool:
        """Whether another job can be started."""
        return bool(self._free)

    @property
    def running(self) -> list[Job]:
        """The jobs that are being done."""
        return [each.job for each in self._running]

    def start(self, job: Job, order: Mapping[str, Any]) -> None:
        """Start a process for a job."""
        job.write(order)
        slot = self._free.pop(0)
        environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
        if self._devices:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices[slot % len(self._devices)]
        with open(job.folder / "output.txt", "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "keras_elastor.tuning.worker", str(job.folder)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                # Ctrl-C is for the search, which stops its workers itself.
                start_new_session=True,
            )
        self._running.append(_Running(job, process, slot))

    def collect(self) -> list[Execution]:
        """What became of the jobs that have ended since; those that were stopped are left out."""
        ended = [each for each in self._running if each.process.poll() is not None]
        found = []
        for each in ended:
            self._running.remove(each)
            self._free = sorted([*self._free, each.slot])
            if each.process.stdin is not None:
                each.process.stdin.close()
            outcome = each.job.outcome
            if outcome is None and each.process.returncode not in (INTERRUPTED, -signal.SIGTERM):
                outcome = each.job.fail(_describe(each.process.returncode), each.job.last_output)
            if outcome is not None:
                found.append(outcome)
        return found

    def stop(self) -> list[Execution]:
        """Let all save what they have and end; what has become of some is given."""
        for each in self._running:
            each.process.terminate()
        latest = time.monotonic() + _GRACE_SECONDS
        found = self.collect()
        while self._running and time.monotonic() < latest:
            time.sleep(0.1)
            found += self.collect()
        self.kill()
        return found

    def kill(self) -> None:
        """End all at once; their checkpoints stay."""
        for each in self._running:
            each.process.kill()
            each.process.wait()
            if each.process.stdin is not None:
                each.process.stdin.close()
        self._running.clear()


class ThisProcess:
    """Does the jobs in this process, one after the other; used as `Workers`.

    For executions that take less than the start of a process does. Memory that a framework keeps
    stays, and a crash ends the search, which then goes on when it is called again.
    """

    def __init__(self) -> None:
        self._done: list[Job] = []

    @property
    def is_free(self) -> bool:
        """Whether another job can be started."""
        return not self._done

    @property
    def running(self) -> list[Job]:
        """The job whose outcome nobody has collected."""
        return self._done

    def start(self, job: Job, order: Mapping[str, Any]) -> None:
        """Do a job.

        Raises:
            RunInterruptedError: If somebody wants to stop; the run has a checkpoint.
        """
        job.write(order)
        if main(str(job.folder)) == INTERRUPTED:
            raise RunInterruptedError("Stopped. The same call continues")
        keras.utils.clear_session()
        self._done.append(job)

    def collect(self) -> list[Execution]:
        """What became of the job."""
        found = [outcome for job in self._done if (outcome := job.outcome) is not None]
        self._done.clear()
        return found

    def stop(self) -> list[Execution]:
        """Nothing runs beside this."""
        return self.collect()

    def kill(self) -> None:
        """Nothing runs beside this."""


def _describe(code: int) -> str:
    """Why a process ended that wrote no outcome."""
    if code >= 0:
        return f"The worker ended with exit code {code} and without a result; see output.txt"
    name = signal.Signals(-code).name
    hint = ": was the memory used up?" if name == "SIGKILL" else "; see output.txt"
    return f"The worker died by {name}{hint}"
