"""FuxiCTR's preparation of a file of Criteo's format; benchmarks/data.py runs it and says when.

It needs an environment of its own: fuxictr 2.3.10 with polars 1.31. Prints one line of JSON.
"""

import json
import resource
import sys
import time
from importlib.metadata import version  # noqa: TID251
from pathlib import Path


def main(path: Path, out_dir: Path) -> None:
    # What a process needs before it has read a row.
    from fuxictr.datasets.criteo import CustomizedFeatureProcessor
    from fuxictr.preprocess import build_dataset
    from fuxictr.preprocess.build_dataset import init_ray

    init_ray()
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    processor = CustomizedFeatureProcessor(
        # As in the setting Criteo_x4_001, but for the rare values, which are kept.
        feature_cols=[
            {
                "name": [f"I{i}" for i in range(1, 14)],
                "active": True,
                "dtype": "float",
                "type": "categorical",
                "preprocess": "convert_to_bucket",
                "fill_na": 0,
            },
            {
                "name": [f"C{i}" for i in range(1, 27)],
                "active": True,
                "dtype": "str",
                "type": "categorical",
            },
        ],
        label_col={"name": "Label", "dtype": "float"},
        dataset_id="criteo",
        data_root=str(out_dir),
    )
    build_dataset(processor, train_data=str(path), min_categr_count=1)
    result = {
        "seconds": time.perf_counter() - start,
        "idle_mb": idle / 1e3,
        # Of this process, without those that ray starts beside it.
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "distinct_values": sum(
            spec["vocab_size"] for spec in processor.feature_map.features.values()
        ),
        "polars": version("polars"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
