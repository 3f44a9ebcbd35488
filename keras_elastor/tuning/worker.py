"""The process of one execution: `python -m keras_elastor.tuning.worker FOLDER`.

It ends with the process that started it, whose death closes its standard input.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
import threading
import traceback
from pathlib import Path

from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.errors import RunInterruptedError
from keras_elastor.runs.runner import run
from keras_elastor.tuning.counting import count
from keras_elastor.tuning.execution import Execution, read_job
from keras_elastor.tuning.shared_rows import no_rows, open_rows

INTERRUPTED = 130


def main(folder: str) -> int:
    """Do a job and write down what became of it.

    Returns:
        0 if something became of it, and be it an error; 130 if it was stopped before.
    """
    job, order = read_job(Path(folder))
    try:
        for module in order["modules"]:
            importlib.import_module(module)
        config = RunConfig.from_dict(order["config"])
        if order["rows"] is None:
            data = load_data(config)
            if not order["with_test"]:
                data = dataclasses.replace(data, test=no_rows())
        else:
            data = open_rows(Path(order["rows"]), order["with_test"])
        result = run(config, data)
        execution = Execution(
            trial=job.trial,
            seed=job.seed,
            values=job.values,
            status="finished",
            run=str(result.folder),
            metrics=result.metrics,
            steps=result.steps,
            best_step=result.best_step,
            flops=count(config, data.schema)["flops"],
            dense=result.parameters["dense"],
            embedding=result.parameters["embedding"],
        )
    except RunInterruptedError:
        return INTERRUPTED
    except Exception as error:
        text = " ".join(str(error).split()) or "without a message"
        job.fail(f"{type(error).__name__}: {text}", traceback.format_exc())
        return 0
    job.write_outcome(execution)
    return 0


def _end_with_parent() -> None:
    """Wait for the end of standard input, and end at once: a new process continues the run."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main(sys.argv[1]))
