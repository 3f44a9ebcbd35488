"""What can be named in a config, written down so that `keras-elastor list` need not import Keras.

`python -m keras_elastor.commands.names` writes it anew; a test compares it with the registries.
"""

from __future__ import annotations

import json
from pathlib import Path

from keras_elastor import datasets, models
from keras_elastor.training import list_protocols
from keras_elastor.utils.files import write_text

FILE = Path(__file__).with_name("names.json")


def known_names() -> dict[str, list[str]]:
    """The names of all models, presets, protocols and datasets of this package."""
    return {
        "models": list(models.list_models()),
        "presets": list(models.list_presets()),
        "protocols": list(list_protocols()),
        "datasets": list(datasets.list_datasets()),
    }


if __name__ == "__main__":
    write_text(FILE, json.dumps(known_names(), indent=2) + "\n")
