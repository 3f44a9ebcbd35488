"""Train a ranking model on KuaiVideo_x1, or on generated rows of its format.

python examples/kuaivideo.py --data-dir KuaiVideo_x1
python examples/kuaivideo.py --sample 20000
"""

import sys

from public_dataset import main

if __name__ == "__main__":
    sys.exit(
        main(
            "kuaivideo_x1",
            sys.argv[1:],
            embedding_dim=64,
            batch_size=8192,
            embeddings_l2=0.5e-4,
            hidden_units=(1024, 512, 256),
        )
    )
