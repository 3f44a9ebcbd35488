"""Train a ranking model on Avazu_x4, or on generated rows of its format.

python examples/avazu.py --data-dir Avazu_x4
python examples/avazu.py --sample 20000
"""

import sys

from public_dataset import main

if __name__ == "__main__":
    sys.exit(
        main(
            "avazu_x4",
            sys.argv[1:],
            embedding_dim=16,
            batch_size=10_000,
            embeddings_l2=0.0,
            hidden_units=(1000, 1000, 1000, 1000),
        )
    )
