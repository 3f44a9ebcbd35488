"""Scaling grid over width and depth together.

python tuning/joint.py --dataset kuairand_pure --data-dir KuaiRand --widths 10 20 40 --depths 1 2 4

It is `keras-elastor tune --grid joint`, whose options it takes: --models (RankMixer and
RankElastor where none are named), --budget, --folder and the others that --help tells. Every point
is trained at the same budget. Table, CSV and the plot of AUC and logloss against dense parameters
are in the folder that the last line names; stopped, the same command goes on.

`--grid criteo` and `--grid avazu` are the seven scaling steps of the official code.
"""

import sys

from keras_elastor_command import main

if __name__ == "__main__":
    sys.exit(main(["tune", "--grid", "joint", *sys.argv[1:]]))
