"""What a person writes as a space, and what is wrong with it."""

import pytest

from keras_elastor.runs.config_files import read_file
from keras_elastor.tuning.space import Choices, Range, plain_space, read_space

pytestmark = pytest.mark.backend_free

YAML = """
num_blocks: [1, 2, 4]
hidden_units: [[100], [400, 400]]
dropout: {min: 0.0, max: 0.5, step: 0.1}
learning_rate: {min: 1e-4, max: 1e-2, sampling: log}
width: {min: 8, max: 64, step: 8}
embedding_dim: 16
"""


def test_a_space_is_read_from_yaml_and_back(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "space.yaml").write_text(YAML)
    space = read_space(read_file(tmp_path / "space.yaml"))
    assert space == {
        "num_blocks": Choices((1, 2, 4)),
        "hidden_units": Choices(([100], [400, 400])),
        "dropout": Range(0.0, 0.5, 0.1),
        "learning_rate": Range(1e-4, 1e-2, sampling="log"),
        "width": Range(8, 64, 8),
        "embedding_dim": Choices((16,)),
    }
    assert space["width"].is_whole
    assert not space["dropout"].is_whole
    assert read_space(plain_space(space)) == space


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Expected a space of names and values"),
        ({"width": []}, "'width': expected at least one value to choose from. Received: none"),
        ({"width": [1, 2, 1]}, "'width': expected values that differ. Received: 1 twice"),
        ({"width": {"min": 1}}, "'width.max': expected a number. Received: None"),
        ({"width": {"min": 2, "max": 2}}, "'width': expected min below max. Received: 'min=2"),
        ({"width": {"min": 1, "max": 2, "steps": 1}}, "'width.steps'. Did you mean 'step'?"),
        ({"width": {"min": 1, "max": 2, "step": 0}}, "'width.step': expected above 0. Received: 0"),
        ({"width": {"min": 1, "max": 9, "step": 0.5}}, "'width.step': expected an integer"),
        ({"rate": {"min": 0, "max": 1, "sampling": "log"}}, "'rate.min': expected above 0"),
        ({"rate": {"min": 1, "max": 2, "sampling": "exp"}}, "expected linear or log"),
        ({"rate": {"min": 1, "max": 2, "step": 1, "sampling": "log"}}, "'rate.step': expected no"),
        ({"rate": {"min": "1", "max": 2}}, "'rate.min': expected a number. Received: '1'"),
    ],
)
def test_a_wrong_space_is_named(values, message):
    with pytest.raises(ValueError, match=r".+") as error:
        read_space(values)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
