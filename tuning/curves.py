"""Several scaling grids in one picture and one table.

python tuning/curves.py searches/width_* searches/depth_* searches/joint_* --results results/scaling

Reads what the grids wrote into their folders. Into --results go `scaling_executions.csv` (a line
for each trial and seed) and `scaling_fits.csv` (the law of each grid and model, or why there is
none), into --pictures the picture, `scaling.svg` and `scaling.png`, and its numbers.
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd

from keras_elastor.tuning.scaling import write_scaling

ROOT = pathlib.Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path, help="of finished grids")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results" / "scaling")
    parser.add_argument("--pictures", type=pathlib.Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    paths = [folder / "scaling_executions.csv" for folder in options.folders]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        parser.error(f"{missing}: expected what a grid writes at its end. There is no such file")
    frame = pd.concat([pd.read_csv(path) for path in paths])
    print("\n".join(write_scaling(frame, options.results, pictures=options.pictures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
