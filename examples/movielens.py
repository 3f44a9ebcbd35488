"""Train a ranking model on MovielensLatest_x1, or on generated rows of its format.

python examples/movielens.py --data-dir MovielensLatest_x1
python examples/movielens.py --sample 20000
"""

import sys

from public_dataset import main

if __name__ == "__main__":
    sys.exit(
        main(
            "movielens_latest",
            sys.argv[1:],
            embedding_dim=10,
            batch_size=4096,
            embeddings_l2=0.5e-5,
            hidden_units=(400, 400, 400),
        )
    )
