"""Scaling grid over the width of layers or tokens, at one depth.

python tuning/width.py --dataset kuairand_pure --data-dir KuaiRand --widths 10 20 40 --seeds 0 1

It is `keras-elastor tune --grid width`, whose options it takes: --models (RankMixer and
RankElastor where none are named), --budget, --folder and the others that --help tells. Every point
is trained at the same budget. Table, CSV and the plot of AUC and logloss against dense parameters
are in the folder that the last line names; stopped, the same command goes on.
"""

import sys

from keras_elastor_command import main

if __name__ == "__main__":
    sys.exit(main(["tune", "--grid", "width", *sys.argv[1:]]))
