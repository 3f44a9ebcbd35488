"""One finished run for the tests of several files."""

import pytest

import keras_elastor as ke
from tests.runs.runs import make_config


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run that nothing has disturbed: its config and its result. Nobody changes its folder."""
    config = make_config(tmp_path_factory.mktemp("finished"))
    return config, ke.runs.run(config)
