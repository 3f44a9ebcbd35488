"""Train a ranking model on TaobaoAd_x1, or on generated rows of its format.

python examples/taobaoad.py --data-dir TaobaoAd_x1
python examples/taobaoad.py --sample 20000
"""

import sys

from public_dataset import main

if __name__ == "__main__":
    sys.exit(
        main(
            "taobaoad_x1",
            sys.argv[1:],
            embedding_dim=32,
            batch_size=8192,
            embeddings_l2=0.25e-5,
            hidden_units=(512, 256, 128),
        )
    )
