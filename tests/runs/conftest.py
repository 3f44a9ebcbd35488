"""Finished runs for the tests of several files."""

import functools

import pytest

import keras_elastor as ke
from tests.runs.runs import PROTOCOLS, make_config


@pytest.fixture(scope="module", autouse=True)
def _traced_only(traced_only):
    """Runs are about what happens around the steps."""


@pytest.fixture(scope="session")
def finished_by(tmp_path_factory):
    """Runs that nothing has disturbed, by protocol: config and result. Nobody changes them."""

    @functools.cache
    def finish(protocol):
        config = make_config(tmp_path_factory.mktemp("finished"), protocol=PROTOCOLS[protocol])
        return config, ke.runs.run(config)

    return finish


@pytest.fixture(scope="module")
def finished(finished_by, _traced_only):
    """A run by FuxiCTR's protocol, made by the same graphs as all runs of these tests."""
    return finished_by("fuxictr")
