"""Train a ranking model on Criteo_x1, or on generated rows of its format.

python examples/criteo.py --data-dir Criteo_x1
python examples/criteo.py --sample 20000
"""

import sys

from public_dataset import main

if __name__ == "__main__":
    sys.exit(
        main(
            "criteo_x1",
            sys.argv[1:],
            embedding_dim=10,
            batch_size=4096,
            embeddings_l2=0.5e-5,
            hidden_units=(400, 400, 400),
        )
    )
