"""One search of any model.

python tuning/search.py --models rank_elastor --dataset kuairand_pure --data-dir KuaiRand-Pure --trials 20

It is `keras-elastor tune`, whose options it takes; `--help` tells them. Stopped, the same command
goes on.
"""  # noqa: E501 - commands do not break

import sys

from keras_elastor_command import main

if __name__ == "__main__":
    sys.exit(main(["tune", *sys.argv[1:]]))
